"""Timestamps of a film: the original ticks where they make sense, repaired where they do not."""

from __future__ import annotations

from fractions import Fraction

# Frames handed out in a wrong order step back by less, joined recordings by more.
_BACKWARD_FRAMES = 5
_FORWARD_SECONDS = 24 * 3600


class Timeline:
    """Conversion of a decoder's timestamps to strictly increasing ticks.

    Args:
        time_base: Seconds per tick.
        rate: Frames per second, for frames without a time.
        start: Tick of the first frame where the file does not say.
        presentation_times: ``False`` for containers that store decoding times only (AVI).
    """

    def __init__(
        self,
        time_base: Fraction,
        rate: Fraction,
        *,
        start: int = 0,
        presentation_times: bool = True,
    ) -> None:
        self._time_base = time_base
        self._step = max(Fraction(1), 1 / (rate * time_base))
        self._start = start
        self._presentation_times = presentation_times
        self._last: int | None = None
        self._offset = 0
        # Frames since the last true time, so that a rate of 30000/1001 does not drift.
        self._anchor, self._since_anchor = start, 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = 0
        self._faulty_dts = 0
        self._restarted = False
        self.repaired = 0
        """Number of timestamps that did not make sense and were replaced."""

    def tick(self, pts: int | None, dts: int | None) -> int:
        """Return the time of the next frame in presentation order, in ticks."""
        given = self._guess(pts, dts)
        if self._last is None:
            tick = self._start if given is None or not self._presentation_times else given
            if given is not None:
                self._offset = tick - given
            return self._remember(tick, anchored=True)
        expected = max(self._last + 1, self._anchor + round((self._since_anchor + 1) * self._step))
        if given is None:
            return self._remember(expected, anchored=False)
        tick = given + self._offset
        jump = (tick - self._last) * self._time_base
        if (
            self._restarted
            or tick < self._last - _BACKWARD_FRAMES * self._step
            or jump > _FORWARD_SECONDS
        ):
            # Joined recordings and broken clocks: go on where we are, keep what follows in step.
            self.repaired += not self._restarted
            self._restarted = False
            self._offset += expected - tick
            tick = expected
        elif tick <= self._last:
            self.repaired += 1
            tick = self._last + 1
        return self._remember(tick, anchored=True)

    def restart(self) -> None:
        """Begin the film again: the next frame follows the last one."""
        self._restarted = self._last is not None
        self._last_pts = self._last_dts = None

    def _remember(self, tick: int, *, anchored: bool) -> int:
        self._last = tick
        if anchored:
            self._anchor, self._since_anchor = tick, 0
        else:
            self._since_anchor += 1
        return tick

    def _guess(self, pts: int | None, dts: int | None) -> int | None:
        """Choose the timestamp that went backwards less often so far.

        The rule of ``guess_correct_pts`` in FFmpeg's ``libavcodec/decode.c``.
        """
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        if not self._presentation_times:
            return dts
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            return pts
        return dts
