"""A run in 8 bits: only by the user's word, measured, and kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

SCENE = ("run", "scene", "--model", "scenes", "--max-frames", "3", "-o", "-")


def test_int8_is_made_measured_and_found_again(
    command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    pytest.importorskip("nncf")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LOCALAPPDATA": str(tmp_path)}
    exact = command(*SCENE, "--precision", "fp32", "--compile", "off", **environment)
    first = command(*SCENE, "--precision", "int8", timeout=280, **environment)
    assert first.returncode == 0, first.stderr
    assert "calibrated on 200 generated scenes" in first.stderr
    assert "measured on 100 pictures: the best class is the same in" in first.stderr
    for ours, theirs in zip(first.stdout.splitlines(), exact.stdout.splitlines(), strict=True):
        record, other = json.loads(ours), json.loads(theirs)
        assert record["explained"] == other["explained"]
        assert record["int8"]["pictures"] == 100
        assert record["int8"]["worst_cosine"] >= 0.95
        assert "int8" not in other
    again = command(*SCENE, "--precision", "int8", **environment)
    assert again.stdout.count("\n") == 3
    assert "generated scenes" not in again.stderr, "it was not made again"
    assert "measured on 100 pictures" in again.stderr, "its fidelity is always said"
    doctor = command("doctor", **environment)
    assert "scenes layer4 gradcam in int8: measured on 100 pictures" in doctor.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--precision", "int8", "--engine", "torch"), "torch does not compute in it"),
        (("--calibrate", "."), "--calibrate is for --precision int8"),
        (("--force",), "--force is for --precision int8"),
    ],
)
def test_what_contradicts_itself_is_refused_at_once(
    command: Callable[..., CompletedProcess[str]], options: tuple[str, ...], words: str
) -> None:
    refused = command(*SCENE, *options)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
