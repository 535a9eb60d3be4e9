"""Images in memory that play by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.capture.stills import StillsSource
from live_gradcam.errors import UsageError

IMAGES = [np.full((30, 40, 3), level, np.uint8) for level in (10, 200)]


def test_each_image_is_shown_for_its_time() -> None:
    with StillsSource(IMAGES, seconds=0.5, fps=4.0) as source:
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 10, 200, 200]
    assert [frame.pts_seconds for frame in frames] == [0.0, 0.25, 0.5, 0.75]
    assert source.info.frame_count == len(frames)
    assert (source.info.width, source.info.height, source.info.live) == (40, 30, False)


def test_a_closed_source_ends() -> None:
    source = StillsSource(IMAGES)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_nothing_cannot_be_shown() -> None:
    with pytest.raises(UsageError, match="there are none"):
        StillsSource([])
    with pytest.raises(UsageError, match="no frame"):
        StillsSource(IMAGES, seconds=0.01)
