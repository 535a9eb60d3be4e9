"""The engine below cameras and streams, with a clock that jumps instead of waiting."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from live_gradcam.capture.live import ConnectionLost, LivePolicy, LiveReader
from live_gradcam.capture.probe import ProbeResult
from live_gradcam.errors import SourceError
from live_gradcam.values import Image
from tests.helpers.cameras import PATIENCE, EndsAfterALook, FakeClock, Gate, noise

IMAGE = noise(1)[0]


class World:
    """A server on a fake clock: up, mute or away, by the second.

    Attributes:
        attempts: When a full connection was tried.
        probed: When the server was probed.
    """

    def __init__(self, *, drop_at: float, away_until: float, while_away: ProbeResult) -> None:
        self.clock = FakeClock()
        self.begin = self.clock.now
        self.drop_at = drop_at
        self.away_until = away_until
        self.while_away: ProbeResult = while_away
        self.attempts: list[float] = []
        self.probed: list[float] = []
        self.back = Gate()
        self.fps: float | None = 25.0
        self.warning = ""

    @property
    def now(self) -> float:
        return self.clock.now - self.begin

    @property
    def away(self) -> bool:
        return self.drop_at <= self.now < self.away_until

    def connect(self) -> World:
        self.attempts.append(self.now)
        if self.away:
            raise ConnectionLost("connection refused")
        return self

    def probe(self) -> ProbeResult:
        self.probed.append(self.now)
        return self.while_away if self.away else "answers"

    def read(self) -> Image:
        self.clock.now += 0.04
        if self.away:
            raise ConnectionLost("the connection was cut")
        if self.now > self.away_until:
            self.back.pass_through()
        return IMAGE

    def close(self) -> None:
        pass


def reader(world: World, *, probes: bool, max_outage: float | None = None) -> LiveReader:
    return LiveReader(
        name="test",
        kind="stream",
        connect=world.connect,
        policy=LivePolicy(
            first_image_seconds=10,
            hang_seconds=1,
            stall_seconds=1,
            max_outage_seconds=max_outage,
        ),
        probe=world.probe if probes else None,
        clock=world.clock,
        wait=world.clock.wait,
        random=Random(0),
    )


@pytest.mark.parametrize("outage", [0.1, 3.0, 61.0, 4000.0])
@pytest.mark.parametrize("while_away", ["unreachable", "silent"])
def test_a_server_that_returns_is_connected_to_at_once(
    outage: float, while_away: ProbeResult
) -> None:
    world = World(drop_at=1, away_until=1 + outage, while_away=while_away)
    with reader(world, probes=True):
        world.back.await_camera()
        assert world.now - world.away_until < 0.6
        # The first attempt, and one every ten seconds for servers behind a proxy at the most.
        assert len(world.attempts) <= 3 + outage / 10
        if while_away == "silent":
            assert len(world.attempts) <= 3
        world.back.open()


def test_without_probing_attempts_are_spaced_out() -> None:
    world = World(drop_at=1, away_until=60, while_away="unreachable")
    with reader(world, probes=False):
        world.back.await_camera()
        gaps = np.diff(world.attempts[1:])
        assert world.probed == []
        assert (gaps[:4] <= [0.61, 1.21, 2.41, 4.81]).all()
        assert (gaps[4:] >= 4).all()
        assert (gaps <= 6.01).all()
        world.back.open()


@pytest.mark.parametrize("probes", [True, False])
def test_patience_has_an_end(probes: bool) -> None:
    world = World(drop_at=1, away_until=1e9, while_away="unreachable")
    with reader(world, probes=probes, max_outage=30) as source:
        assert source.newest(PATIENCE) is not None
        with pytest.raises(SourceError, match=r"cannot read stream: test: .*(refused|cut)"):
            list(source)
        assert 30 <= world.now - 1 <= 36


def test_the_first_image_is_tried_for_a_bounded_time() -> None:
    world = World(drop_at=0, away_until=1e9, while_away="unreachable")
    with pytest.raises(SourceError, match="refused"):
        reader(world, probes=True).open()
    assert 10 <= world.now <= 17
    assert len(world.attempts) >= 4


def test_a_refusal_is_believed_before_the_first_image_only() -> None:
    world = World(drop_at=0, away_until=1e9, while_away="unreachable")

    def refuse() -> World:
        world.attempts.append(world.now)
        raise ConnectionLost("404", hopeless=True)

    world.connect = refuse  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="404"):
        reader(world, probes=True).open()
    assert len(world.attempts) == 1


def test_a_source_is_opened_once_and_knows_itself_only_then() -> None:
    world = World(drop_at=1e9, away_until=1e9, while_away="unreachable")
    source = reader(world, probes=False)
    with pytest.raises(ValueError, match="not open"):
        _ = source.info
    source.close()
    assert world.attempts == []
    with reader(world, probes=False) as source:
        assert source.open() is source
        assert source.info.fps == 25.0
    assert len(world.attempts) == 1


def test_a_failure_that_comes_between_two_looks_is_raised() -> None:
    source = EndsAfterALook()
    with pytest.raises(SourceError, match="it is gone"):
        list(source)
    assert source.state == "ended"


def test_the_wall_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(drop_at=1, away_until=1.1, while_away="unreachable")
    monkeypatch.setattr("time.time", lambda: 0.0)
    with reader(world, probes=True) as source:
        world.back.await_camera()
        frame = source.newest(PATIENCE)
        assert frame is not None
        assert frame.pts_seconds > 0
        world.back.open()
