"""Offline: frames out = frames in, in order; a failure anywhere stops everything and comes back."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import live_gradcam as lg
from live_gradcam.choices import View
from live_gradcam.images.parts import Roi
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import Progress
from live_gradcam.protocol import ClassChoice
from live_gradcam.show.images import write_image
from live_gradcam.show.records import flat, record
from live_gradcam.values import Explanation, Frame, Image


@pytest.fixture(scope="module")
def explainer() -> Iterator[lg.Explainer]:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=16, padding=3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    classifier = lg.Classifier.from_module(network, layer="1", labels=list("abcde"))
    with lg.Explainer(classifier, device="cpu", precision="fp32", compile="off") as made:
        yield made


@pytest.fixture
def painter() -> lg.Painter:
    return lg.Painter(lg.OverlayOptions(), moving=True)


def scene(frames: int, **options: int) -> lg.SceneSource:
    return lg.SceneSource(seed=5, width=160, height=120, max_frames=frames, **options)


class BrokenSource(lg.SceneSource):
    """A real scene whose file breaks after some frames."""

    def __init__(self, good: int) -> None:
        super().__init__(seed=5, width=160, height=120)
        self._good = good

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            if frame.index == self._good:
                raise lg.SourceError("cannot read", "scene", "it broke")
            yield frame


class BrokenSink(lg.MemorySink):
    """A sink whose disk is full after some frames."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self._good = good

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if len(self.frames) == self._good:
            raise lg.SinkError("cannot write", "memory", "no space left")
        super().write(frame, rendered, explanation, extra=extra)


class Counting:
    """What explains batches and is no `Explainer`: it counts the images that it passes on."""

    def __init__(self, explainer: lg.Explainer) -> None:
        self._explainer = explainer
        self.images = 0

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        self.images += len(images)
        return self._explainer.explain_batch(images, classes=classes, view=view)


def test_whatever_explains_batches_will_do(explainer: lg.Explainer, painter: lg.Painter) -> None:
    counting = Counting(explainer)
    with scene(5) as source:
        summary = lg.run_offline(source, counting, [lg.MemorySink()], painter=painter)
    assert summary.frames == counting.images == 5


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_every_frame_comes_out_once_and_in_order(
    explainer: lg.Explainer, painter: lg.Painter, batch_size: int
) -> None:
    sinks = [lg.MemorySink(), lg.MemorySink(needs_rendered=False)]
    with scene(37) as source:
        summary = lg.run_offline(
            source,
            explainer,
            sinks,
            painter=painter,
            options=lg.RunOptions(batch_size=batch_size),
        )
    with scene(37) as source:
        expected = list(source)
    assert summary.frames == 37
    for sink in sinks:
        assert sink.closed
        assert [frame.index for frame in sink.frames] == list(range(37))
        for frame, wanted, explanation in zip(
            sink.frames, expected, sink.explanations, strict=True
        ):
            assert np.array_equal(frame.image, wanted.image), "the source's frame is untouched"
            alone = explainer.explain(wanted.image)
            assert explanation.explained == alone.explained
            assert explanation.evidence == pytest.approx(alone.evidence, abs=1e-5)
    assert all(image is not None and image.shape == (120, 160, 3) for image in sinks[0].rendered)


def test_the_summary_has_every_stage(explainer: lg.Explainer, painter: lg.Painter) -> None:
    with scene(5) as source:
        summary = lg.run_offline(source, explainer, [lg.MemorySink()], painter=painter)
    assert list(summary.stages) == ["decode", "preprocess", "network", "draw", "write"]
    assert all(
        times.count == 5 and times.p95_ms >= times.p50_ms for times in summary.stages.values()
    )
    assert summary.outputs == ("memory (5 frames)",)
    assert summary.per_second == pytest.approx(5 / summary.seconds)


def test_progress_counts_to_the_end(explainer: lg.Explainer, painter: lg.Painter) -> None:
    seen: list[Progress] = []
    with scene(9) as source:
        lg.run_offline(
            source, explainer, [lg.MemorySink()], painter=painter, on_progress=seen.append
        )
    assert [progress.frames for progress in seen] == list(range(1, 10))
    assert {progress.total for progress in seen} == {9}


def test_max_frames_and_mirror(explainer: lg.Explainer, painter: lg.Painter) -> None:
    sink = lg.MemorySink()
    with scene(30) as source:
        summary = lg.run_offline(
            source,
            explainer,
            [sink],
            painter=painter,
            options=lg.RunOptions(max_frames=7, mirror=True),
        )
    with scene(30) as source:
        first = next(iter(source))
    assert summary.frames == 7
    assert np.array_equal(sink.frames[0].image, first.image[:, ::-1])


def test_a_chosen_class_is_explained(explainer: lg.Explainer, painter: lg.Painter) -> None:
    sink = lg.MemorySink()
    with scene(3) as source:
        lg.run_offline(
            source, explainer, [sink], painter=painter, options=lg.RunOptions(classes="d")
        )
    assert [explanation.explained for explanation in sink.explanations] == [(3,)] * 3


def test_a_broken_source_still_has_everything_before_it_written(
    explainer: lg.Explainer, painter: lg.Painter
) -> None:
    sink = lg.MemorySink()
    with BrokenSource(11) as source, pytest.raises(lg.SourceError, match="it broke"):
        lg.run_offline(source, explainer, [sink], painter=painter)
    assert len(sink.frames) == 11
    assert sink.closed


def test_a_full_disk_stops_all_stages_and_finalises_the_other_outputs(
    explainer: lg.Explainer, painter: lg.Painter
) -> None:
    good, broken = lg.MemorySink(), BrokenSink(6)
    with scene(500) as source, pytest.raises(lg.SinkError, match="no space left"):
        lg.run_offline(source, explainer, [good, broken], painter=painter)
    assert good.closed
    assert broken.closed
    assert len(broken.frames) == 6


@pytest.mark.parametrize("stage", ["draw", "progress"])
def test_an_exception_in_any_stage_comes_back(explainer: lg.Explainer, stage: str) -> None:
    class BrokenPainter(lg.Painter):
        def paint(self, *_about: object, **_more: object) -> Image:
            raise ZeroDivisionError("a bug of ours")

    def broken_progress(_: Progress) -> None:
        raise ZeroDivisionError("a bug of ours")

    kind = BrokenPainter if stage == "draw" else lg.Painter
    sink = lg.MemorySink()
    with scene(500) as source, pytest.raises(ZeroDivisionError, match="a bug of ours"):
        lg.run_offline(
            source,
            explainer,
            [sink],
            painter=kind(lg.OverlayOptions(), moving=True),
            on_progress=broken_progress if stage == "progress" else None,
        )
    assert sink.closed


def test_a_stop_ends_the_run_early_and_keeps_what_was_done(
    explainer: lg.Explainer, painter: lg.Painter
) -> None:
    stop = StopToken()
    sink = lg.MemorySink()

    def ask(progress: Progress) -> None:
        if progress.frames == 10:
            stop.request()

    with scene(100_000) as source:
        summary = lg.run_offline(
            source, explainer, [sink], painter=painter, stop=stop, on_progress=ask
        )
    assert sink.closed
    assert 10 <= summary.frames == len(sink.frames) < 1000


def test_whoever_watches_gets_every_image_and_can_end_the_run(
    explainer: lg.Explainer, painter: lg.Painter
) -> None:
    seen: list[int] = []

    def watch(frame: Frame, image: Image) -> bool:
        assert image.shape == frame.image.shape
        seen.append(frame.index)
        return frame.index < 5

    with scene(100_000) as source:
        lg.run_offline(source, explainer, [], painter=painter, on_rendered=watch)
    assert seen == list(range(6))


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        lg.RunOptions(max_frames=0)
    with pytest.raises(ValueError, match="at least 1"):
        lg.RunOptions(batch_size=0)


PARTS = (Roi.parse("10,20,60,50"), Roi.parse("50%,50%,50%,50%"))


def test_parts_are_rows_of_their_own_and_equal_to_the_part_alone(
    explainer: lg.Explainer, painter: lg.Painter
) -> None:
    records, images = lg.MemorySink(needs_rendered=False), lg.MemorySink()
    options = lg.RunOptions(rois=PARTS, mirror=True, batch_size=3, truth=True)
    with scene(4) as source:
        summary = lg.run_offline(
            source, explainer, [records, images], painter=painter, options=options
        )
    assert summary.frames == 4
    assert summary.stages["network"].count == 4
    assert [frame.index for frame in records.frames] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len({id(image) for image in images.rendered}) == 4, "drawn once for both parts"
    with scene(4) as source:
        mirrored = [np.ascontiguousarray(frame.image[:, ::-1]) for frame in source]
    pairs = zip(records.frames, records.explanations, records.extras, strict=True)
    for place, (frame, found, extra) in enumerate(pairs):
        part = PARTS[place % 2].on(160, 120)
        x, y = part.x, part.y
        alone = explainer.explain(
            mirrored[frame.index][y : y + part.height, x : x + part.width].copy()
        )
        assert found.roi == part
        assert found.explained == alone.explained
        assert found.evidence == pytest.approx(alone.evidence, abs=1e-5)
        content = record(frame, found, extra=extra)
        assert content["roi"] == part.as_list()
        assert set(flat(content)) >= {"roi_x", "roi_y", "roi_width", "roi_height", "truth"}
    whole = lg.MemorySink()
    with scene(1) as source:
        lg.run_offline(source, explainer, [whole], painter=painter)
    assert "roi" not in record(whole.frames[0], whole.explanations[0])


def test_a_picture_beside_its_part_is_left_out_with_a_sentence(
    explainer: lg.Explainer, painter: lg.Painter, tmp_path: Path
) -> None:
    for name, width in (("a.png", 160), ("b.png", 40), ("c.png", 100)):
        write_image(tmp_path / name, np.full((100, width, 3), 90, np.uint8))
    options = lg.RunOptions(rois=(Roi.parse("50,10,40,40"),))
    kept = lg.MemorySink()
    with lg.open_source(tmp_path) as source:
        summary = lg.run_offline(source, explainer, [kept], painter=painter, options=options)
    assert [frame.source for frame in kept.frames] == ["a.png", "c.png"]
    assert (summary.frames, summary.skipped) == (2, 1)
    (note,) = summary.notes
    assert "b.png" in note
    assert "40x100" in note
    with (
        lg.open_source(tmp_path / "b.png") as source,
        pytest.raises(lg.SourceError, match=r"b\.png.*40x100"),
    ):
        lg.run_offline(source, explainer, [kept], painter=painter, options=options)


def test_all_outputs_take_several_parts_of_a_frame(
    explainer: lg.Explainer, painter: lg.Painter, tmp_path: Path
) -> None:
    options = lg.RunOptions(rois=PARTS, max_frames=2)
    with scene(2) as source:
        names = ("maps.npz", "all.csv", "all.jsonl", "clip-maps", "frames/")
        sinks = [lg.open_sink(str(tmp_path / name), source.info) for name in names]
        lg.run_offline(source, explainer, sinks, painter=painter, options=options)
    rois = [part.on(160, 120).as_list() for part in PARTS] * 2
    with np.load(tmp_path / "maps.npz") as maps:
        assert maps["rois"].tolist() == rois
        assert maps["indices"].tolist() == [0, 0, 1, 1]
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["roi"] for line in lines] == rois
    with (tmp_path / "all.csv").open(newline="") as file:
        assert [int(row["roi_x"]) for row in csv.DictReader(file)] == [roi[0] for roi in rois]
    table = (tmp_path / "clip-maps" / "maps.jsonl").read_text().splitlines()
    assert [json.loads(line)["roi"] for line in table] == rois
    assert len(list((tmp_path / "clip-maps").glob("*.png"))) == 4
    assert len(list((tmp_path / "frames").glob("*.png"))) == 2
