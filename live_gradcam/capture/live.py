"""The reader that all live sources share: one thread, the newest image wins, outages are mended.

Cameras and streams differ only in what a `Connection` is; everything that waits, retries, counts
and ends is here. The clock, the wait and the randomness are arguments, so that an outage of an
hour takes a test no time.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from typing_extensions import Self

from live_gradcam.capture.mailbox import Mailbox
from live_gradcam.capture.probe import ProbeResult
from live_gradcam.capture.source import LiveSource, LiveState
from live_gradcam.errors import SourceError
from live_gradcam.images.geometry import letterbox
from live_gradcam.values import Frame, Image, SourceInfo

_logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 0.5
_PROBE_EVERY_SECONDS = 0.25
_BLIND_ATTEMPT_EVERY_SECONDS = 10.0


class ConnectionLost(Exception):
    """A connection failed or ended.

    Args:
        cause: Why, in the user's words.
        hopeless: Trying again would give the same answer; honoured before the first image only.
    """

    def __init__(self, cause: str, *, hopeless: bool = False) -> None:
        self.cause = cause
        self.hopeless = hopeless
        super().__init__(cause)


class Connection(Protocol):
    """A connection to a camera or stream. Made, used and closed by one thread."""

    fps: float | None
    """Nominal rate, where known."""

    warning: str
    """Present defect of the images; empty where there is none."""

    def read(self) -> Image | None:
        """Wait for the next image; ``None`` where what came could not be decoded.

        Raises:
            ConnectionLost: There will be no more images.
        """

    def close(self) -> None:
        """Release the device or socket. Never raises."""


class Backoff:
    """Waiting times between attempts: 0.25 s doubling to 5 s, each up to a fifth shorter or longer.

    The jitter keeps many viewers of one server from returning all at once.
    """

    def __init__(
        self, random: Random, *, first_seconds: float = 0.25, largest_seconds: float = 5.0
    ) -> None:
        self._random = random
        self._first = first_seconds
        self._largest = largest_seconds
        self._next = first_seconds

    def next_seconds(self) -> float:
        """Return the time to wait before the next attempt, and lengthen the one after it."""
        wait, self._next = self._next, min(2 * self._next, self._largest)
        return wait * self._random.uniform(0.8, 1.2)

    def reset(self) -> None:
        """Begin the next outage with a short wait again."""
        self._next = self._first


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """Time limits of a live source.

    Attributes:
        first_image_seconds: Time for attempts at the first image; 0 tries once.
        hang_seconds: Time that the first attempt alone may hang.
        stall_seconds: Time without an image after which the source counts as stalled.
        max_outage_seconds: Give up after an outage of that length; ``None`` never gives up.
    """

    first_image_seconds: float
    hang_seconds: float
    stall_seconds: float
    max_outage_seconds: float | None = None


class LiveReader(LiveSource):
    """A live source made of connections.

    `open` waits for the first image. Afterwards every loss is mended: the next attempt follows
    after 0.25 s, doubling to 5 s. Where ``probe`` is given, a server that does not answer is
    probed every quarter of a second instead (a TCP handshake and one request line) and connected
    to as soon as it answers, so that a long outage does not add its long wait.

    Args:
        name: For titles, records and messages.
        kind: ``camera``, ``screen`` or ``stream``.
        connect: Makes a connection; raises `ConnectionLost`. Runs in the reader thread.
        policy: Time limits.
        remedy: Returns what the user can do when opening fails.
        probe: Asks the server cheaply whether it answers.
        on_notice: Told each note when it arises, from the reader thread.
        clock: Monotonic seconds.
        wait: Waits for that many seconds; the default ends early when the source is closed.
        random: For the jitter.
    """

    def __init__(
        self,
        *,
        name: str,
        kind: Literal["camera", "screen", "stream"],
        connect: Callable[[], Connection],
        policy: LivePolicy,
        remedy: Callable[[], str] = lambda: "",
        probe: Callable[[], ProbeResult] | None = None,
        on_notice: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        random: Random | None = None,
    ) -> None:
        self._name = name
        self._kind: Literal["camera", "screen", "stream"] = kind
        self._connect = connect
        self._policy = policy
        self._remedy = remedy
        self._probe = probe
        self._on_notice = on_notice
        self._clock = clock
        self._closing = threading.Event()
        self._wait = wait or self._closing.wait
        self._backoff = Backoff(random or Random())
        self._mailbox = Mailbox()
        self._notes: list[str] = []
        self._phase: LiveState = "connecting"
        self._cause = ""
        self._warning = ""
        self._size: tuple[int, int] | None = None
        self._fps: float | None = None
        self._outage_since = self._last_image = clock()
        self._thread: threading.Thread | None = None
        self._info: SourceInfo | None = None

    def open(self) -> Self:
        """Start to read, and wait for the first image. Does nothing where it is open already.

        Entering the source as a context manager opens it.

        Raises:
            SourceError: There was no first image.
        """
        if self._thread is not None:
            return self
        self._outage_since = self._last_image = self._clock()
        # A thread that is inside a native library when the interpreter ends aborts it.
        atexit.register(self.close)
        name = f"reader of {self._name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        try:
            self._info = self._await_first_image()
        except BaseException:
            self.close()
            raise
        return self

    def __enter__(self) -> Self:
        return self.open()

    @property
    def info(self) -> SourceInfo:
        """Properties of the source, known once it is open; its size is that of the first image."""
        if self._info is None:
            raise ValueError("the source is not open")
        return self._info

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know."""
        return tuple(self._notes)

    @property
    def state(self) -> LiveState:
        """Present state of the connection."""
        if self._closing.is_set() or self._mailbox.ended:
            return "ended"
        if self._phase == "running" and self._silence() > self._policy.stall_seconds:
            return "stalled"
        return self._phase

    @property
    def banner(self) -> str:
        """A sentence to show while something is wrong; else empty.

        A warning about the images themselves (black, frozen) appears while the state is
        ``running``, for images do come.
        """
        state = self.state
        if state == "running":
            return f"{self._name}: {self._warning}" if self._warning else ""
        if state == "stalled":
            return f"{self._name}: no picture for {self._silence():.0f} s, waiting"
        if state == "connecting":
            return f"{self._name}: connecting"
        if state == "reconnecting":
            seconds = max(0.0, self._clock() - self._outage_since)
            return f"{self._name}: {self._cause}, reconnecting for {seconds:.0f} s"
        return ""

    @property
    def dropped(self) -> int:
        """Number of images that were replaced by a newer one before they were taken."""
        return self._mailbox.replaced

    def newest(self, timeout_seconds: float) -> Frame | None:
        """Return the newest frame not returned before, or ``None`` if none came within the time.

        Raises:
            SourceError: The source gave up for good.
        """
        return self._mailbox.take(timeout_seconds)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the newest frame, again and again, until the source is closed.

        Raises:
            SourceError: The source gave up for good.
        """
        while True:
            # Asked first: an end that comes while nothing does may have a cause, which is raised
            # by the next look.
            ended = self._mailbox.ended
            frame = self.newest(1.0)
            if frame is not None:
                yield frame
            elif ended:
                return

    def close(self) -> None:
        """End within a second. Idempotent.

        A reader that hangs in a device or a socket is left to its own timeout: it holds nothing
        that is needed, and closes what it has when it wakes up.
        """
        self._closing.set()
        self._mailbox.end()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_SECONDS)
        atexit.unregister(self.close)

    def _await_first_image(self) -> SourceInfo:
        hang = max(self._policy.hang_seconds, self._policy.first_image_seconds)
        if not self._mailbox.await_first(hang + _CLOSE_SECONDS):
            raise self._error(self._cause or f"no picture came within {hang:.0f} s")
        assert self._size is not None
        width, height = self._size
        return SourceInfo(
            name=self._name, kind=self._kind, live=True, width=width, height=height, fps=self._fps
        )

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._keep_connected()
        except BaseException as exc:
            failure = exc
        self._mailbox.end(failure)

    def _keep_connected(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._connect()
                try:
                    self._read(connection)
                finally:
                    connection.close()
            except ConnectionLost as exc:
                self._begin_outage(exc)
                self._pause()

    def _read(self, connection: Connection) -> None:
        while not self._closing.is_set():
            image = connection.read()
            if image is None or self._closing.is_set():
                continue
            now = self._last_image = self._clock()
            self._warning = connection.warning
            image = self._fit(image, connection)
            if self._phase != "running":
                self._end_outage(now)
            self._mailbox.put(image, now, self._name)

    def _fit(self, image: Image, connection: Connection) -> Image:
        height, width = image.shape[:2]
        if self._size is None:
            self._size, self._fps = (width, height), connection.fps
        elif self._size != (width, height):
            first = f"{self._size[0]}x{self._size[1]}"
            self._note(
                f"{self._name}: the picture's size changes from {first} to {width}x{height}; "
                f"it is letterboxed to {first}"
            )
            image = letterbox(image, *self._size)
        return image

    def _begin_outage(self, lost: ConnectionLost) -> None:
        if self._closing.is_set():
            return
        had_image = self._size is not None
        self._cause = lost.cause  # before the state that the banner tells it in
        if self._phase == "running":
            # The outage began with the silence, not when it was noticed.
            self._outage_since = self._last_image
            self._phase = "reconnecting"
            _logger.info("%s: %s, reconnecting", self._name, lost.cause)
        if lost.hopeless and not had_image:
            raise self._error(lost.cause)
        self._check_patience()

    def _end_outage(self, now: float) -> None:
        if self._phase == "reconnecting":
            _logger.info("%s: back after %.1f s", self._name, now - self._outage_since)
        self._phase = "running"
        self._backoff.reset()

    def _pause(self) -> None:
        """Wait before the next attempt; cut short when a server that was away answers again."""
        begin = self._clock()
        end = begin + self._backoff.next_seconds()
        away: ProbeResult | None = None
        while not self._closing.is_set():
            left = end - self._clock()
            if left <= 0 and away is None:
                return
            if away == "unreachable" and self._clock() - begin > _BLIND_ATTEMPT_EVERY_SECONDS:
                return  # A proxy may know a way that the probe does not.
            if away and left <= 0:
                self._check_patience()
                if self._size is None:
                    return
            self._wait(_PROBE_EVERY_SECONDS if away else min(left, _PROBE_EVERY_SECONDS))
            if self._probe is not None and not self._closing.is_set():
                answer = self._probe()
                if answer == "answers" and away:
                    return
                away = None if answer == "answers" else answer

    def _check_patience(self) -> None:
        limit = self._policy.max_outage_seconds
        if self._size is None:
            limit = self._policy.first_image_seconds
        if limit is not None and self._clock() - self._outage_since >= limit:
            raise self._error(self._cause)

    def _silence(self) -> float:
        return self._clock() - self._last_image

    def _error(self, cause: str) -> SourceError:
        return SourceError(f"cannot read {self._kind}", self._name, cause, self._remedy())

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)
            if self._on_notice is not None:
                self._on_notice(sentence)
