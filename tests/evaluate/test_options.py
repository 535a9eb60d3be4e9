"""Options of an evaluation: what is refused, and what is written into results."""

from __future__ import annotations

from typing import Any

import pytest

from live_gradcam.errors import UsageError
from live_gradcam.evaluate.options import MEASURES, EvaluationOptions, parse_measures


def test_measures_are_named_one_by_one_or_with_commas() -> None:
    assert parse_measures([]) == MEASURES
    assert parse_measures(["pointing, accuracy", "drop"]) == ("accuracy", "drop", "pointing")
    with pytest.raises(UsageError, match="removal"):
        parse_measures(["remval"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"methods": ()}, "at least one"),
        ({"methods": ("gradcam", "gradcam")}, "twice"),
        ({"measures": ("beauty",)}, "pointing"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EvaluationOptions(**wrong)


def test_only_what_changes_results_is_written() -> None:
    base = EvaluationOptions(device="cpu", precision="fp32")
    assert base.to_dict() == EvaluationOptions(device="cuda", precision="bf16").to_dict()
    assert EvaluationOptions(sanity=False).to_dict()["sanity_pictures"] == 0
    assert EvaluationOptions(seed=1).to_dict() != base.to_dict()
