"""Maps as files: an archive for NumPy, and 16-bit pictures that the values come back from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from live_gradcam.errors import SinkError, UsageError
from live_gradcam.native import cv2
from live_gradcam.show.map_archive import KEYS
from live_gradcam.show.map_images import is_maps_folder
from live_gradcam.show.open import is_maps, open_sink
from live_gradcam.values import Explanation, Frame, OutputKind, Region, SourceInfo

INFO = SourceInfo("clip.mp4", "video", False, 64, 48)
PICTURES = SourceInfo("photos", "pictures", False, 64, 48, several_files=True)


def frames(count: int, source: str = "clip.mp4") -> list[Frame]:
    image = np.zeros((48, 64, 3), np.uint8)
    return [Frame(image, i, i / 25, source) for i in range(count)]


def with_maps(explanation: Explanation, maps: Any, region: Region | None = None) -> Explanation:
    evidence = np.asarray(maps, np.float32)
    return dataclasses.replace(
        explanation,
        evidence=evidence,
        explained=tuple(range(len(evidence))),
        labels=explanation.labels[:1] * len(evidence),
        region=region or explanation.region,
    )


def test_an_archive_has_the_keys_that_are_documented(
    tmp_path: Path, make_explanation: Callable[..., Explanation]
) -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(5, 2, 7, 6)).astype(np.float32)
    given = [with_maps(make_explanation(region=Region(3, 2, 40, 30)), each) for each in maps]
    with open_sink(str(tmp_path / "maps.npz"), INFO) as sink:
        for frame, explanation in zip(frames(5), given, strict=True):
            sink.write(frame, None, explanation)
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as found:
        assert set(found) == set(KEYS)
        np.testing.assert_array_equal(found["evidence"], maps)
        assert found["evidence"].dtype == np.float32
        assert found["classes"].tolist() == [[0, 1]] * 5
        assert found["labels"].tolist() == [["mug", "mug"]] * 5
        assert found["regions"].tolist() == [[3, 2, 40, 30]] * 5
        assert found["image_sizes"].tolist() == [[48, 64]] * 5
        assert found["names"].tolist() == ["clip.mp4"] * 5
        assert found["indices"].tolist() == [0, 1, 2, 3, 4]
        assert found["pts_seconds"].tolist() == [i / 25 for i in range(5)]
        assert found["predicted"].tolist() == [[0, 1, 2]] * 5
        assert found["probabilities"][0].tolist() == pytest.approx([0.8, 0.1, 0.05])
        assert str(found["method"]) == "gradcam"
        assert str(found["unit"]) == "logits"
        for key, described in KEYS.items():
            kind, _, rest = described.partition(" (")
            sizes = [part for part in rest.partition(")")[0].split(",") if part.strip()]
            assert found[key].dtype.kind == {"s": "U", "f": "f", "i": "i"}[kind[0]], key
            assert found[key].ndim == len(sizes), key


def test_maps_of_several_sizes_are_filled_up_and_their_sizes_are_kept(
    tmp_path: Path, make_explanation: Callable[..., Explanation]
) -> None:
    small = with_maps(make_explanation(), np.ones((1, 2, 3)))
    large = with_maps(make_explanation(), np.full((2, 4, 2), 5.0))
    raw = dataclasses.replace(
        large,
        output=OutputKind("raw"),
        predictions=tuple(dataclasses.replace(e, probability=None) for e in large.predictions[:1]),
    )
    with open_sink(str(tmp_path / "m.npz"), PICTURES) as sink:
        sink.write(frames(1, "ä long name.jpg")[0], None, small)
        sink.write(frames(1, "b.jpg")[0], None, raw)
    with np.load(tmp_path / "m.npz", allow_pickle=False) as found:
        assert found["evidence"].shape == (2, 2, 4, 3)
        assert found["sizes"].tolist() == [[2, 3], [4, 2]]
        for place, explanation in enumerate((small, raw)):
            rows, columns = found["sizes"][place]
            count = len(explanation.explained)
            kept = found["evidence"][place, :count, :rows, :columns]
            np.testing.assert_array_equal(kept, explanation.evidence)
            assert np.isnan(found["evidence"][place]).sum() == 24 - explanation.evidence.size
        assert found["classes"].tolist() == [[0, -1], [0, 1]]
        assert found["labels"].tolist() == [["mug", ""], ["mug", "mug"]]
        assert found["names"].tolist() == ["ä long name.jpg", "b.jpg"]
        assert np.isnan(found["probabilities"][1]).all()


def test_memory_does_not_grow_with_the_frames(
    tmp_path: Path, make_explanation: Callable[..., Explanation]
) -> None:
    import tracemalloc

    explanation = with_maps(make_explanation(), np.ones((4, 100, 100)))  # 160 kB
    tracemalloc.start()
    try:
        with open_sink(str(tmp_path / "m.npz"), INFO) as sink:
            for frame in frames(300):
                sink.write(frame, None, explanation)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * explanation.evidence.nbytes
    assert (tmp_path / "m.npz").stat().st_size > 300 * explanation.evidence.nbytes


def test_what_was_complete_is_kept_when_an_archive_cannot_grow(
    tmp_path: Path, make_explanation: Callable[..., Explanation]
) -> None:
    resource = pytest.importorskip("resource")
    explanation = with_maps(make_explanation(), np.ones((1, 20, 20)))
    sink = open_sink(str(tmp_path / "m.npz"), INFO)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(SinkError, match="larger than allowed"):  # noqa: PT012
            for frame in frames(100):
                sink.write(frame, None, explanation)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    sink.close()
    with np.load(tmp_path / "m.npz") as found:
        assert len(found["evidence"]) == 6
        assert found["indices"].tolist() == list(range(6))


def test_a_map_comes_back_from_its_picture(
    tmp_path: Path, make_explanation: Callable[..., Explanation]
) -> None:
    rng = np.random.default_rng(1)
    region = Region(10, 4, 42, 42)
    explanation = with_maps(make_explanation(), rng.normal(size=(1, 7, 7)), region)
    explanation = dataclasses.replace(explanation, labels=("Sheep, Δ",))
    with open_sink(f"{tmp_path}/maps/", INFO) as sink:
        sink.write(frames(1)[0], None, explanation)
    path = tmp_path / "maps" / "frame_000000.png"
    grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert grey is not None
    assert grey.dtype == np.uint16
    assert grey.shape == (48, 64)
    with PIL.Image.open(path) as picture:
        assert picture.mode.startswith("I;16")
        texts = dict(picture.text)  # type: ignore[attr-defined]
    low, high = float(texts["low"]), float(texts["high"])
    values = low + (high - low) * grey.astype(np.float64) / 65535
    step = (high - low) / 65535
    whole = cv2.resize(explanation.evidence[0], (42, 42), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(values[4:46, 10:52], whole, atol=step)
    # The centres of the cells have the map's own values.
    np.testing.assert_allclose(values[7:46:6, 13:52:6], whole[3::6, 3::6], atol=step)
    assert np.abs(values[:4]).max() <= step
    assert np.abs(values[:, 52:]).max() <= step
    (line,) = (tmp_path / "maps" / "maps.jsonl").read_text("utf-8").splitlines()
    record = json.loads(line)
    assert record["file"] == path.name
    assert (record["low"], record["high"]) == (low, high)
    assert record["label"] == texts["label"] == "Sheep, Δ"
    assert record["region"] == json.loads(texts["region"]) == [10, 4, 42, 42]


def test_pictures_keep_their_names_and_none_is_written_over_another(
    tmp_path: Path, make_explanation: Callable[..., Explanation]
) -> None:
    explanation = make_explanation()
    with open_sink(f"{tmp_path}/my-maps", PICTURES) as sink:
        for name in ("a.jpg", "b.png", "a.png"):
            sink.write(frames(1, name)[0], None, explanation)
        assert sink.description.endswith("my-maps (3 maps, 16-bit grey)")
    names = {path.name for path in (tmp_path / "my-maps").iterdir()}
    assert names == {"a.png", "b.png", "a-2.png", "maps.jsonl"}
    with pytest.raises(UsageError, match="not overwritten"):
        open_sink(f"{tmp_path}/my-maps", PICTURES)


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("maps/", True),
        ("Maps", True),
        ("out/maps", True),
        ("clip-maps", True),
        ("clip_maps/", True),
        ("explained/", False),
        ("roadmaps/", False),
        ("maps2/", False),
        ("maps/clip/", False),
    ],
)
def test_a_folder_of_maps_is_one_by_its_name(name: str, yes: bool) -> None:
    assert is_maps_folder(name) is yes
    assert is_maps(name) is yes


def test_a_map_without_evidence_is_black(
    tmp_path: Path, make_explanation: Callable[..., Explanation]
) -> None:
    explanation = with_maps(make_explanation(), np.zeros((1, 7, 7)))
    with open_sink(f"{tmp_path}/maps/", INFO) as sink:
        sink.write(frames(1)[0], None, explanation)
    grey = cv2.imread(str(tmp_path / "maps" / "frame_000000.png"), cv2.IMREAD_UNCHANGED)
    assert grey is not None
    assert not grey.any()
