"""Several sources: what each is, and what cannot be one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live_gradcam.capture.open import open_source
from live_gradcam.capture.several import split_sources
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.native import cv2
from scripts.faults.media import write_film


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.mp4", frames=3)
    (tmp_path / "c").mkdir()
    for name in ("p1.png", "p2.png", "p10.png", "c/x.png"):
        cv2.imwrite(name, np.full((8, 8, 3), 90, np.uint8))
    return tmp_path


def split(*specs: str, strict: bool = False) -> tuple[list[tuple[str, tuple[str, ...]]], list[str]]:
    missing: list[str] = []
    parts = split_sources(
        specs, strict=strict, on_missing=lambda error: missing.append(error.where)
    )
    return [(part.kind, part.specs) for part in parts], missing


def test_pictures_beside_each_other_are_one_source_in_natural_order(things: Path) -> None:
    parts, _ = split("p1.png", "p10.png", "p2.png")
    assert parts == [("picture", ("p1.png", "p2.png", "p10.png"))]
    parts, _ = split("p2.png", "p10.png", "p1.png")
    assert parts == [("picture", ("p2.png", "p10.png", "p1.png"))], "an order of one's own stays"


def test_films_and_folders_are_sources_of_their_own_in_order(things: Path) -> None:
    parts, missing = split("p1.png", "a.mp4", "c", "p2.png")
    assert [kind for kind, _ in parts] == ["picture", "film", "folder", "picture"]
    assert missing == []


def test_what_is_missing_is_named_and_the_others_go_on(things: Path) -> None:
    parts, missing = split("no.mp4", "a.mp4", "none_*.png")
    assert parts == [("film", ("a.mp4",))]
    assert missing == ["no.mp4", "none_*.png"]
    with pytest.raises(SourceError, match=r"no\.mp4"):
        split("a.mp4", "no.mp4", strict=True)
    with pytest.raises(SourceError, match=r"no\.mp4"):
        split("no.mp4", "neither.mp4")


@pytest.mark.parametrize("spec", ["0", "rtsp://host/live", "-", "scene", "scene:3", "/dev/video0"])
def test_what_is_live_or_endless_cannot_be_one_of_several(things: Path, spec: str) -> None:
    with pytest.raises(UsageError, match="one of several") as caught:
        split("a.mp4", spec)
    assert caught.value.where == spec


def test_a_source_of_pictures_gives_all_of_them(things: Path) -> None:
    (part,) = split_sources(["p1.png", "p2.png"], strict=False, on_missing=lambda _: None)
    with part.open(open_source, fps=2.0, strict=False, on_notice=None) as source:
        assert [frame.pts_seconds for frame in source] == [0.0, 0.5]
        assert source.info.kind == "pictures"


def test_pictures_may_be_named_from_here_and_from_the_root(things: Path) -> None:
    specs = ["c/x.png", str(things / "p1.png")]
    (part,) = split_sources(specs, strict=True, on_missing=lambda _: None)
    with part.open(open_source, fps=None, strict=True, on_notice=None) as source:
        assert [frame.source for frame in source] == ["c/x.png", "p1.png"]


def test_pictures_on_several_drives_keep_their_whole_names(
    things: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_paths: object) -> str:
        raise ValueError("Paths don't have the same drive")

    (part,) = split_sources(["c/x.png", "p1.png"], strict=True, on_missing=lambda _: None)
    with monkeypatch.context() as patched:
        patched.setattr("live_gradcam.capture.images.os_path.commonpath", refuse)
        source = part.open(open_source, fps=None, strict=True, on_notice=None)
    with source:
        assert [frame.source for frame in source] == ["c/x.png", "p1.png"]
