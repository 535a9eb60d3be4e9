"""Feeds: files at their own pace, sources opened again, and what their reports add up to."""

from __future__ import annotations

import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from live_gradcam.session.feed import FeedReport
from live_gradcam.session.feeds import make_endless_feed, make_feed
from live_gradcam.values import Image
from tests.helpers.cameras import EndsAfterALook
from tests.session.doubles import PATIENCE_SECONDS, FailingSource, FakeTime, SlowToOpen, take


def test_a_file_is_played_at_its_own_pace() -> None:
    passed = FakeTime()
    with SceneSource(width=64, height=48, fps=4, max_frames=9) as scene:
        feed = make_feed(scene, clock=passed.clock)
        assert len(take(feed, 9)) == 9
        assert passed.seconds == pytest.approx(2.0)
        feed.close()


def test_a_slow_network_plays_slower_and_does_not_race_to_catch_up() -> None:
    passed = FakeTime()
    with SceneSource(width=64, height=48, fps=4, max_frames=9) as scene:
        feed = make_feed(scene, clock=passed.clock)
        take(feed, 1)
        passed.seconds += 10.0
        take(feed, 8)
        assert passed.seconds == pytest.approx(10.0 + 7 / 4)
        feed.close()


def test_an_endless_feed_opens_a_source_again_that_fails_and_one_that_is_not_there(
    image: Image,
) -> None:
    passed = FakeTime()
    opened: list[FailingSource] = []
    tries: list[float] = []

    def open_again() -> Source:
        tries.append(passed.seconds)
        if len(tries) <= 2:
            raise SourceError("cannot open camera", "camera 0", "there is no such camera")
        opened.append(FailingSource(image, 2))
        return opened[-1]

    feed = make_endless_feed(open_again, clock=passed.clock)
    banners = set()
    found = take(feed, 4, lambda: banners.add(feed.banner))
    feed.close()
    assert [frame.index for frame in found] == [0, 1, 0, 1]
    assert "camera 0: there is no such camera, trying again" in banners
    assert "broken.mp4: it is broken, trying again" in banners
    assert not feed.ended
    assert all(source.closed for source in opened)
    # After half a second, then after a whole one; after a success the count begins again.
    assert tries[:3] == pytest.approx([0.0, 0.5, 1.5])
    assert tries[3] - tries[2] == pytest.approx(0.5, abs=0.1)


def test_what_every_round_of_an_endless_feed_reports_adds_up(image: Image) -> None:
    passed = FakeTime()
    feed = make_endless_feed(
        lambda: FailingSource(image, 2), FailingSource(image, 1), clock=passed.clock
    )
    take(feed, 5)
    assert feed.report == FeedReport(None, 3, ("broken.mp4: 1 damaged frame left out",))
    feed.close()
    assert feed.report == FeedReport(None, 3, ("broken.mp4: 1 damaged frame left out",))


def test_reports_add_up() -> None:
    first, second = FeedReport(None, 1, ("a", "b")), FeedReport(3, 2, ("b", "c"))
    assert first + second == FeedReport(3, 3, ("a", "b", "c"))
    assert (second + second).dropped == 6
    assert (first + first).dropped is None


def test_a_played_feed_ends_and_tells_its_failure(image: Image) -> None:
    feed = make_feed(FailingSource(image, 2))
    assert len(take(feed, 2)) == 2
    with pytest.raises(SourceError, match="it is broken"):
        take(feed, 1)
    feed.close()


def test_a_source_that_opens_after_its_feed_was_closed_is_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("live_gradcam.session.feeds._CLOSE_SECONDS", 0.01)
    opened = SlowToOpen()
    feed = make_endless_feed(opened.open)
    assert feed.next(0.01) is None
    feed.close()
    opened.may_open.set()
    assert opened.closed.wait(PATIENCE_SECONDS)


def test_a_live_feed_has_not_ended_before_it_has_said_why() -> None:
    camera = EndsAfterALook()
    feed = make_feed(camera)
    assert feed.next(0) is None
    assert not feed.ended
    with pytest.raises(SourceError, match="it is gone"):
        feed.next(0)
    camera.close()
    assert feed.next(0) is None
    assert feed.ended
