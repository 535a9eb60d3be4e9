"""What comes through a pipe: a film is played frame by frame, of what is live the newest counts."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from live_gradcam.capture.pipes import open_pipe
from live_gradcam.capture.raw import RawFormat
from live_gradcam.session.feeds import make_feed
from live_gradcam.session.pipe_feed import watch_pipe
from tests.session.doubles import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes cannot be asked here")

FORM = RawFormat(64, 48, fps=50.0)


def picture(number: int) -> bytes:
    return np.full((48, 64, 3), number % 256, np.uint8).tobytes()


def test_the_newest_frame_of_a_live_pipe_comes_next() -> None:
    reading, writing = os.pipe()
    written = -1
    done = threading.Event()

    def write() -> None:
        nonlocal written
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            pipe.write(b"".join(picture(number) for number in range(5)))  # has piled up
            written = 4
            while not done.wait(1 / FORM.fps):
                pipe.write(picture(written + 1))
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    with open_pipe(reading, "pipe", raw=FORM) as source:
        watched = watch_pipe(source)
        feed = make_feed(watched)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not feed.report.dropped:
            feed.next(0.1)
            time.sleep(0.1)  # a network that is slower than the camera
            assert time.monotonic() < deadline
        before, frame = written, None
        feed.next(1.0)
        while frame is None:
            frame = feed.next(1.0)
        assert frame.index >= before
        assert frame.captured_seconds is not None
        done.set()
        watched.close()
        watched.close()
    writer.join()


def test_a_film_in_a_pipe_is_played_whole_at_its_own_pace() -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            for number in range(60):
                pipe.write(picture(number))

    writer = threading.Thread(target=write)
    writer.start()
    with open_pipe(reading, "pipe", raw=FORM) as source:
        feed = make_feed(source)
        began = time.monotonic()
        seen = []
        while not feed.ended:
            if (frame := feed.next(0.1)) is not None:
                seen.append(int(frame.image[0, 0, 0]))
        assert time.monotonic() - began >= 59 / FORM.fps - 0.1
        assert seen == list(range(60))
        assert feed.report.dropped is None
        feed.close()
    writer.join()
