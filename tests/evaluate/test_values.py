"""Results as values and as JSON: the form that users have files of."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import pytest

from live_gradcam.evaluate.summary import GROUP_METRICS, IMAGE_METRICS, METHOD_METRICS
from live_gradcam.evaluate.values import GroupSummary, ImageResult, MethodResult, MethodSummary
from tests.evaluate.support import DATA, make_image_result, make_provenance, make_result


def test_a_result_comes_back_from_json_with_every_key_in_its_place() -> None:
    content = json.loads((DATA / "format2.json").read_text(encoding="utf-8"))
    measures = content["settings"]["measures"]
    for record in content["pictures"]:
        again = ImageResult.from_dict(record).to_dict(measures)
        assert json.dumps(again) == json.dumps(record)


def test_what_was_not_measured_is_no_key() -> None:
    bare = MethodResult(class_index=1, probability=0.5, blank=True)
    assert bare.to_dict(["accuracy"]) == {"class_index": 1, "probability": 0.5, "blank": True}
    assert bare.to_dict(["completeness"])["completeness_residual"] is None
    assert MethodResult.from_dict(bare.to_dict(["completeness"])) == bare


def test_a_note_comes_back_and_an_empty_one_is_no_key() -> None:
    image = make_image_result(0, 0)
    assert "note" not in image.to_dict(())
    record = {**image.to_dict(()), "note": "its boxes are for another picture"}
    assert ImageResult.from_dict(record).note == record["note"]


def test_every_metric_is_a_figure_of_the_summaries() -> None:
    summaries = {field.name for field in fields(MethodSummary)}
    assert [metric.key for metric in METHOD_METRICS if metric.key not in summaries] == []
    results = {field.name for field in fields(MethodResult)}
    assert [metric.key for metric in IMAGE_METRICS if metric.key not in results] == []
    groups = {field.name for field in fields(GroupSummary)}
    assert [metric.key for metric in GROUP_METRICS if metric.key not in groups] == []


def test_results_are_frozen() -> None:
    result = make_result([make_image_result(0, 0)], ["fish"])
    with pytest.raises(FrozenInstanceError):
        result.source = "another"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        result.summary.totals.images = 3  # type: ignore[misc]


def test_one_layer_has_no_fuse_in_json() -> None:
    assert "fuse" not in make_provenance().to_dict()
