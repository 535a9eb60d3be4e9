"""Generated scenes as a source: frames of one seed, true about themselves."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.errors import UsageError


def test_the_source_keeps_the_contract() -> None:
    with SceneSource(seed=4, width=160, height=120, fps=25.0, max_frames=7) as source:
        assert isinstance(source, Source)
        info = source.info
        assert (info.kind, info.live, info.width, info.height) == ("scene", False, 160, 120)
        assert (info.fps, info.frame_count, info.duration_seconds) == (25.0, 7, 7 / 25)
        iterator = iter(source)
        frames = [next(iterator) for _ in range(3)]
        frames += list(source)  # iterating again continues
    assert [frame.index for frame in frames] == list(range(7))
    assert [frame.pts_seconds for frame in frames] == pytest.approx([i / 25 for i in range(7)])
    assert all(frame.image.shape == (120, 160, 3) for frame in frames)
    assert all(frame.captured_seconds is None for frame in frames)


def test_an_endless_source_ends_when_it_is_closed_and_closes_twice() -> None:
    source = SceneSource(width=96, height=96)
    assert source.info.frame_count is None
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 4:
            source.close()
    source.close()
    assert len(frames) == 4
    assert list(source) == []


def test_a_moving_scene_depends_on_its_seed_alone() -> None:
    def images(seed: int) -> list[np.ndarray]:
        source = SceneSource(seed=seed, width=160, height=120, fps=2.0, max_frames=25)
        return [frame.image for frame in source]

    first, again, other = images(1), images(1), images(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_truth_follows_the_moving_objects_through_the_shots() -> None:
    source = SceneSource(seed=3, width=320, height=240, fps=4.0, max_frames=160)
    shots: list[tuple[str, ...]] = []
    for frame in source:
        objects = source.truth(frame.index)
        labels = tuple(item.label for item in objects)
        assert 1 <= len(set(labels)) == len(labels) <= 3
        for item in objects:
            assert item.mask.mean() > 0.01
            # A centre crop and a squeezed frame both see it.
            columns = np.nonzero(item.mask)[1]
            assert 40 <= columns.mean() <= 280
        if not shots or shots[-1] != labels:
            shots.append(labels)
    assert len(shots) == 8  # 40 s of 5 s each
    assert {len(labels) for labels in shots} == {1, 2, 3}


def test_objects_move_and_asking_for_the_truth_changes_no_frame() -> None:
    asked = SceneSource(seed=5, width=160, height=120, max_frames=40)
    plain = SceneSource(seed=5, width=160, height=120, max_frames=40)
    for one, other in zip(asked, plain, strict=True):
        asked.truth(200)
        assert np.array_equal(one.image, other.image)
    (start,), (later,) = asked.truth(0), asked.truth(39)
    assert start.label == later.label
    assert (start.mask & later.mask).sum() < 0.97 * start.mask.sum()


@pytest.mark.parametrize("options", [{"width": 0}, {"fps": 0.0}, {"max_frames": -1}])
def test_a_source_that_cannot_be_made_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="cannot make a scene"):
        SceneSource(**options)  # type: ignore[arg-type]
