"""The mailbox keeps the newest image, and its end wakes whoever waits."""

from __future__ import annotations

import threading

import pytest

from live_gradcam.capture.mailbox import Mailbox
from live_gradcam.errors import SourceError
from tests.helpers.cameras import PATIENCE, noise

IMAGE = noise(1)[0]


def test_the_mailbox_keeps_the_newest_and_never_hands_out_twice() -> None:
    mailbox = Mailbox()
    images = noise(3)
    assert mailbox.take(0) is None
    assert not mailbox.await_first(0)
    for number, image in enumerate(images):
        mailbox.put(image, 10.0 + number, "x")
    assert mailbox.await_first(0)
    frame = mailbox.take(0)
    assert frame is not None
    assert frame.image is images[2]
    assert (frame.index, frame.pts_seconds, frame.captured_seconds) == (0, 2.0, 12.0)
    assert mailbox.take(0) is None
    assert mailbox.replaced == 2
    # Two images at one reading of the clock still have two times.
    mailbox.put(images[0], 12.0, "x")
    again = mailbox.take(0)
    assert again is not None
    assert again.pts_seconds > frame.pts_seconds


def test_the_mailbox_hands_out_the_last_image_before_the_failure() -> None:
    mailbox = Mailbox()
    mailbox.put(IMAGE, 1.0, "x")
    mailbox.end(SourceError("gone"))
    mailbox.put(IMAGE, 2.0, "x")
    assert mailbox.take(1) is not None
    for _ in range(2):
        with pytest.raises(SourceError, match="gone"):
            mailbox.take(1)
    mailbox.end()
    assert mailbox.take(1) is None
    mailbox.end(SourceError("late"))
    assert mailbox.take(1) is None


def test_ending_the_mailbox_wakes_everybody() -> None:
    mailbox = Mailbox()
    results: list[object] = []
    waiters = [threading.Thread(target=lambda: results.append(mailbox.take(60))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    mailbox.end()
    for waiter in waiters:
        waiter.join(PATIENCE)
    assert results == [None] * 3
