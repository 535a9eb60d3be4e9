"""The file that an interrupted evaluation goes on from, old ones and wrong ones among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.errors import SinkError, UsageError
from live_gradcam.evaluate.partial_results import PartialResults
from live_gradcam.evaluate.values import SanityStage, UnreadableImage
from tests.evaluate.support import make_image_result, make_provenance

PROVENANCE = make_provenance()


def test_results_come_back(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    image, stage = make_image_result(0, 0), SanityStage("head", {"gradcam": 0.25})
    with PartialResults(path, PROVENANCE) as partial:
        assert len(partial) == 0
        partial.add_image(0, image)
        partial.add_image(1, UnreadableImage("it is truncated"))
        partial.add_stage(0, stage)
    with PartialResults(path, PROVENANCE) as again:
        assert again.images == {0: image, 1: UnreadableImage("it is truncated")}
        assert again.stages == {0: stage}
        assert len(again) == 3
    again.close()


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    with PartialResults(path, PROVENANCE) as partial:
        partial.add_image(0, make_image_result(0, 0))
        whole = path.read_bytes()
        partial.add_image(1, make_image_result(1, 0))
    path.write_bytes(path.read_bytes()[:-40])
    with PartialResults(path, PROVENANCE) as again:
        assert list(again.images) == [0]
    assert path.read_bytes() == whole
    path.write_bytes(whole[:20])  # not even the first line is whole
    with PartialResults(path, PROVENANCE) as again:
        assert len(again) == 0


@pytest.mark.parametrize("content", [b"precious notes", b"precious\n", b'{"kind": 1}\n', b"[]\n"])
def test_a_file_that_is_something_else_is_never_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="partial results"):
        PartialResults(path, PROVENANCE)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line",
    [
        {"key": "picture 0", "result": {}},
        {"key": "picture x", "result": {"unreadable": "it is truncated"}},
        {"key": "picture 0", "result": {"unreadable": "it is truncated", "more": 1}},
        {"key": "sanity 0", "result": []},
        {"key": "weather", "result": {}},
        {"key": 3},
        7,
    ],
)
def test_a_damaged_file_is_refused_and_never_touched(tmp_path: Path, line: Any) -> None:
    path = tmp_path / "partial"
    PartialResults(path, PROVENANCE).close()
    content = path.read_bytes() + json.dumps(line).encode() + b"\n"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        PartialResults(path, PROVENANCE)
    assert path.read_bytes() == content


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    PartialResults(path, PROVENANCE).close()
    with pytest.raises(UsageError, match='model was "made up" and is "another"'):
        PartialResults(path, make_provenance("another"))


def test_a_place_that_cannot_be_written_is_a_sink_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError):
        PartialResults(tmp_path / "no" / "partial", PROVENANCE)
    with pytest.raises(SinkError):
        PartialResults(tmp_path, PROVENANCE)
