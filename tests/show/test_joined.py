"""Outputs that several sources share."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.show.joined import JoinedClock, JoinedSink
from live_gradcam.show.memory import MemorySink
from live_gradcam.values import Explanation, Frame

IMAGE = np.zeros((4, 4, 3), np.uint8)


def test_frames_follow_each_other_in_number_and_time_whatever_their_own_clocks(
    explained: Explanation,
) -> None:
    clock, shared, other = JoinedClock(), MemorySink(), MemorySink()
    for times, fps in (([5.0, 5.1, 5.2], 10.0), ([0.0], 1.0), ([7.0, 7.5], 2.0)):
        clock.next_source(fps)
        sinks = [JoinedSink(shared, clock), JoinedSink(other, clock, lambda name: f"all/{name}")]
        for index, seconds in enumerate(times):
            for sink in sinks:
                sink.write(Frame(IMAGE, index, seconds, "x"), IMAGE, explained)
        for sink in sinks:
            sink.close()
    assert not shared.closed
    assert [frame.index for frame in shared.frames] == list(range(6))
    # A picture that is alone lasts a second, as its rate says.
    times = [frame.pts_seconds for frame in shared.frames]
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3, 1.3, 1.8])
    assert [f.pts_seconds for f in other.frames] == [f.pts_seconds for f in shared.frames]
    original = [frame.pts_seconds + frame.start_seconds for frame in shared.frames]
    assert original == pytest.approx([5.0, 5.1, 5.2, 0.0, 7.0, 7.5])
    assert [frame.source for frame in other.frames] == ["all/x"] * 6
