"""A session that is an exhibit: visitors come and go, and nobody looks after it.

While something moves in front of the camera, that is explained. Where nothing has for a while,
whatever the last visitor has changed is forgotten, and a demonstration plays under an invitation
until the next one comes. What visitors read are sentences, never names of devices or engines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from typing_extensions import override

from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.session.change_watch import ChangeWatch
from live_gradcam.session.feed import Clock, Feed, FeedReport
from live_gradcam.session.feeds import make_endless_feed
from live_gradcam.session.state import SessionState
from live_gradcam.show.options import is_unsure
from live_gradcam.show.overlay import Hud
from live_gradcam.values import Explanation, Frame, SourceInfo
from live_gradcam.wording import MOMENT

INVITE_SECONDS = 4.0
"""Time without a change after which the invitation appears, where the network sees nothing."""

IDLE_SECONDS = 12.0
"""Time without a change after which the demonstration plays."""

OPENING_SECONDS = 3.0
"""Time that a camera may take to open before it is called away."""

UNTOUCHED_SECONDS = 60.0
"""Time without a key after which a film or a folder is shown as at the beginning."""

EXAMPLE_SECONDS = 5.0
"""Time that each picture of a demonstration is shown."""

DEFAULT_TITLE = "What does the network look at?"
DEFAULT_INVITATION = "Hold something up to the camera"
AWAY = "The camera is away, one moment \N{HORIZONTAL ELLIPSIS}"

_SCENE_SIZE = (960, 720)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """What visitors are told and shown.

    Attributes:
        title: Headline, over the picture all the time; empty for none.
        invitation: What visitors are asked to do while nothing happens; ``None`` for the usual
            words, where there is a camera.
        demonstration: Opens what is explained while nothing happens in front of the camera;
            ``None`` plays generated scenes to a network that knows them, and nothing to any other.
        camera: The source is a camera, which is known before it is there.
    """

    title: str = DEFAULT_TITLE
    invitation: str | None = None
    demonstration: Callable[[], Source] | None = None
    camera: bool = False

    def demonstration_for(self, labels: tuple[str, ...]) -> Callable[[], Source] | None:
        """Return what opens the demonstration for a network with these labels, if there is one."""
        if self.demonstration is None and labels == tuple(SCENE_CLASSES):
            width, height = _SCENE_SIZE
            return lambda: SceneSource(width=width, height=height)
        return self.demonstration


class KioskFeed(Feed):
    """The frames of a source, and those of a demonstration while nothing changes in them.

    Only a live source is watched: a film moves by itself.

    Args:
        inner: The source's frames; closed with this feed.
        exhibit: What visitors are told.
        demonstration: Opens the demonstration, where there is one.
        clock: The time that changes are counted in; the real one if ``None``.
    """

    def __init__(
        self,
        inner: Feed,
        exhibit: Exhibit,
        demonstration: Callable[[], Source] | None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._inner = inner
        self._exhibit = exhibit
        self._open = demonstration
        self._clock = clock or Clock()
        self._watch = ChangeWatch(self._clock.now)
        self._live = exhibit.camera
        self._began = self._clock.now()
        self._demonstration: Feed | None = None
        self._playing = False
        self._begun_anew = True

    @property
    def idle(self) -> bool:
        """True if nobody is there: nothing has changed for long, nor has a key been pressed."""
        watched = self._live or self._inner.info is None
        return self._watch.still_seconds >= (IDLE_SECONDS if watched else UNTOUCHED_SECONDS)

    def invitation(self, *, seen: bool) -> str:
        """Return the invitation while it is to be seen, else nothing.

        Args:
            seen: The network sees something; whoever holds it up needs no invitation for a while.
        """
        given = self._exhibit.invitation
        if not self._live:
            return given or ""
        quiet = self._begun_anew or self._watch.still_seconds >= INVITE_SECONDS
        if self.banner or not (self.idle or (quiet and not seen)):
            return ""
        return DEFAULT_INVITATION if given is None else given

    def touch(self) -> None:
        """Somebody has pressed a key or moved the mouse."""
        self._watch.touch()
        self._begun_anew = False

    def begins_anew(self) -> bool:
        """Return ``True`` once, after somebody was there and has left."""
        if self._begun_anew or not self.idle:
            return False
        self._begun_anew = True
        return True

    @property
    @override
    def by_hand(self) -> bool:
        return self._inner.by_hand

    @property
    @override
    def info(self) -> SourceInfo | None:
        demonstration = self._demonstration
        if self._inner.info is None and demonstration is not None:
            return demonstration.info
        return self._inner.info

    @property
    @override
    def ended(self) -> bool:
        return self._inner.ended

    @property
    @override
    def banner(self) -> str:
        if not self._inner.banner:
            return ""
        opening = self._inner.info is None and self._clock.now() - self._began < OPENING_SECONDS
        return AWAY if self._live and not opening else MOMENT

    @property
    @override
    def slideshow(self) -> bool:
        return self._inner.slideshow

    @override
    def pause(self, paused: bool) -> None:
        self._inner.pause(paused)

    @override
    def turn(self, steps: int) -> None:
        self._inner.turn(steps)

    @override
    def turn_to(self, end: Literal["first", "last"]) -> None:
        self._inner.turn_to(end)

    @override
    def take_message(self) -> str:
        return self._inner.take_message()

    @property
    @override
    def report(self) -> FeedReport:
        return self._inner.report

    @override
    def next(self, timeout_seconds: float) -> Frame | None:
        info = self._inner.info
        if info is not None:
            self._live = info.live
        idle = self.idle and self._open is not None and (self._live or info is None)
        frame = self._inner.next(0.0 if idle else timeout_seconds)
        if frame is not None and self._live and self._watch.look(frame.image):
            self._begun_anew = self._playing = False
            return frame
        if not idle:
            self._playing = False
            return frame
        return self._play(timeout_seconds)

    def _play(self, timeout_seconds: float) -> Frame | None:
        """Return the next frame of the demonstration, which begins anew for each who comes by."""
        if not self._playing:
            self._close_demonstration()
            self._playing = True
        if self._demonstration is None:
            assert self._open is not None, "asked before"
            self._demonstration = make_endless_feed(
                self._open, clock=self._clock, slideshow_seconds=EXAMPLE_SECONDS
            )
        return self._demonstration.next(timeout_seconds)

    @override
    def close(self) -> None:
        self._close_demonstration()
        self._inner.close()

    def _close_demonstration(self) -> None:
        demonstration, self._demonstration = self._demonstration, None
        if demonstration is not None:
            demonstration.close()


def begin_anew(first: SessionState, now: SessionState) -> SessionState:
    """Return the state that the next visitor finds: the first one, with what has been counted."""
    counts = {name: getattr(now.settings, name) for name in ("steps", "advances")}
    return replace(
        first,
        settings=replace(first.settings, **counts),
        recording=now.recording,
        snapshots=now.snapshots,
        returns=now.returns,
        jumps=now.jumps,
    )


def for_visitors(
    hud: Hud, feed: KioskFeed, title: str, shown: Explanation | None, *, pending: bool, message: str
) -> Hud:
    """Keep what visitors understand of what is written in the window.

    Args:
        hud: What everybody else reads.
        feed: Knows who is there.
        title: The headline.
        shown: The explanation that is shown, if there is one.
        pending: A network is being prepared.
        message: What the last key did.
    """
    notes = [message] if message else []
    notes += [MOMENT] if pending else []
    seen = shown is not None and not is_unsure(shown) and bool((shown.evidence[:1] > 0).any())
    return replace(
        hud,
        caption="",
        fps=None,
        latency_ms=None,
        dropped=None,
        capture="",
        model="",
        precision="",
        compiled=None,
        figures=(),
        notes=tuple(notes),
        title=title,
        invitation="" if hud.help else feed.invitation(seen=seen),
    )


def describe_for_visitors(_error: Exception) -> str:
    """Say that something went wrong, to people who cannot mend it."""
    return MOMENT
