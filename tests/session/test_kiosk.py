"""An exhibit: who is there, what they read, and what the next one finds. No test sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.session.change_watch import ChangeWatch
from live_gradcam.session.feed import Clock, Feed, FeedReport
from live_gradcam.session.kiosk import (
    AWAY,
    DEFAULT_INVITATION,
    DEFAULT_TITLE,
    IDLE_SECONDS,
    INVITE_SECONDS,
    OPENING_SECONDS,
    UNTOUCHED_SECONDS,
    Exhibit,
    KioskFeed,
    begin_anew,
    for_visitors,
)
from live_gradcam.show.overlay import Hud
from live_gradcam.values import Frame, Image, SourceInfo
from live_gradcam.wording import MOMENT
from tests.session.doubles import START, take, with_settings

CAMERA = SourceInfo("camera 0", "camera", live=True, width=160, height=120, fps=30.0)
FILM = SourceInfo("clip.mp4", "video", live=False, width=160, height=120, fps=30.0)


class Hands:
    """Time that passes when somebody lets it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.sleep)


class Room(Feed):
    """A source whose next frame is whatever stands before it; nothing if it is away."""

    def __init__(self, info: SourceInfo | None = CAMERA) -> None:
        self._info = info
        self.image: Image | None = room()
        self.closed = False
        self.said = ""

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    @property
    def ended(self) -> bool:
        return False

    @property
    def banner(self) -> str:
        return self.said

    @property
    def report(self) -> FeedReport:
        return FeedReport(7)

    def next(self, timeout_seconds: float) -> Frame | None:
        return Frame(self.image, 0, 0.0, "room") if self.image is not None else None

    def close(self) -> None:
        self.closed = True


def room(*, hand: bool = False, light: int = 0, noise: int = 0) -> Image:
    rows, columns = np.mgrid[:120, :160]
    image = np.repeat((80 + rows // 2 + columns // 4)[..., None], 3, 2).astype(np.int16)
    if hand:
        image[50:80, 70:110] = 200
    if noise:
        image += np.random.default_rng(noise).integers(-20, 21, image.shape, np.int16)
    return np.clip(image + light, 0, 255).astype(np.uint8)


def scenes() -> SceneSource:
    return SceneSource(width=64, height=48, fps=5.0)


@pytest.fixture
def time() -> Hands:
    return Hands()


@pytest.fixture
def camera() -> Room:
    return Room()


@pytest.fixture
def kiosk(camera: Room, time: Hands) -> Iterator[KioskFeed]:
    with_scenes = KioskFeed(camera, Exhibit(), scenes, clock=time.clock)
    yield with_scenes
    with_scenes.close()
    assert camera.closed


def shown(kiosk: KioskFeed) -> str:
    """Where the next frame comes from."""
    return next_frame(kiosk).source


def next_frame(kiosk: KioskFeed) -> Frame:
    """The next frame, however long its source takes to open."""
    (frame,) = take(kiosk, 1)
    return frame


def test_noise_and_daylight_are_no_change_and_a_hand_is_one(time: Hands) -> None:
    watch = ChangeWatch(time.now)
    for second in range(60):
        time.seconds += 1.0
        assert not watch.look(room(noise=second + 1, light=second // 3))
    assert watch.still_seconds == 60.0
    assert not watch.look(room(light=40))  # somebody turned on the light
    assert watch.look(room(light=40, hand=True))
    assert watch.still_seconds == 0.0
    assert not watch.look(room(light=40, hand=True))
    assert watch.look(room(light=40))  # and it is gone again


def test_a_demonstration_plays_while_nothing_happens_and_gives_way_at_once(
    kiosk: KioskFeed, camera: Room, time: Hands
) -> None:
    assert shown(kiosk) == "room"
    assert not kiosk.idle
    time.seconds += IDLE_SECONDS
    assert shown(kiosk) == "scene"
    assert kiosk.idle
    camera.image = room(hand=True)
    frame = kiosk.next(0.01)
    assert frame is not None
    assert frame.image is camera.image
    assert not kiosk.idle


def test_the_demonstration_begins_at_its_beginning(
    kiosk: KioskFeed, camera: Room, time: Hands
) -> None:
    shown(kiosk)
    time.seconds += IDLE_SECONDS
    assert [each.index for each in take(kiosk, 3)] == [0, 1, 2]
    camera.image = room(hand=True)
    assert shown(kiosk) == "room"
    time.seconds += IDLE_SECONDS
    assert next_frame(kiosk).index == 0


def test_whoever_comes_is_invited_until_something_happens(
    kiosk: KioskFeed, camera: Room, time: Hands
) -> None:
    shown(kiosk)
    assert kiosk.invitation(seen=False) == DEFAULT_INVITATION
    camera.image = room(hand=True)
    shown(kiosk)
    assert kiosk.invitation(seen=False) == ""
    time.seconds += INVITE_SECONDS
    assert kiosk.invitation(seen=False) == DEFAULT_INVITATION
    assert kiosk.invitation(seen=True) == ""  # to somebody who does it already
    kiosk.touch()
    assert kiosk.invitation(seen=False) == ""
    time.seconds += IDLE_SECONDS
    assert kiosk.invitation(seen=True) == DEFAULT_INVITATION  # what is seen is a demonstration


def test_it_begins_anew_once_for_each_visitor(kiosk: KioskFeed, camera: Room, time: Hands) -> None:
    shown(kiosk)
    time.seconds += 10 * IDLE_SECONDS
    shown(kiosk)
    assert not kiosk.begins_anew()  # nobody was there
    camera.image = room(hand=True)
    shown(kiosk)
    assert not kiosk.begins_anew()
    time.seconds += IDLE_SECONDS
    assert kiosk.begins_anew()
    assert not kiosk.begins_anew()


def test_a_camera_that_is_away_is_excused_and_the_demonstration_plays(
    kiosk: KioskFeed, camera: Room, time: Hands
) -> None:
    shown(kiosk)
    camera.image, camera.said = None, "camera 0: no image for 3 s, trying again"
    time.seconds += IDLE_SECONDS
    assert shown(kiosk) == "scene"
    assert kiosk.banner == AWAY
    assert kiosk.invitation(seen=False) == ""
    camera.image, camera.said = room(hand=True), ""
    assert shown(kiosk) == "room"
    assert kiosk.banner == ""


def test_before_a_source_is_there_people_are_asked_to_wait(time: Hands) -> None:
    absent = Room(info=None)
    absent.image, absent.said = None, "/dev/video0: no such device, trying again"
    kiosk = KioskFeed(absent, Exhibit(), None, clock=time.clock)
    assert kiosk.next(0.0) is None
    time.seconds += OPENING_SECONDS
    assert kiosk.banner == MOMENT  # whatever it is
    camera = KioskFeed(absent, Exhibit(camera=True), None, clock=time.clock)
    assert camera.banner == MOMENT
    time.seconds += OPENING_SECONDS
    assert camera.banner == AWAY


def test_a_film_moves_by_itself_and_only_keys_count(time: Hands) -> None:
    film = Room(FILM)
    kiosk = KioskFeed(film, Exhibit(), scenes, clock=time.clock)
    kiosk.touch()
    time.seconds += IDLE_SECONDS
    assert shown(kiosk) == "room"
    assert not kiosk.begins_anew()
    time.seconds += UNTOUCHED_SECONDS
    assert kiosk.begins_anew()
    assert shown(kiosk) == "room"
    assert kiosk.invitation(seen=False) == ""
    asked = KioskFeed(film, Exhibit(invitation="Press 1"), None, clock=time.clock)
    assert asked.invitation(seen=True) == "Press 1"


def test_scenes_are_played_to_a_network_that_knows_them_only() -> None:
    assert Exhibit().demonstration_for(tuple(SCENE_CLASSES)) is not None
    assert Exhibit().demonstration_for(("cat", "dog")) is None
    given = Exhibit(demonstration=scenes)
    assert given.demonstration_for(("cat", "dog")) is scenes


def test_the_next_visitor_finds_what_the_first_one_found() -> None:
    left = with_settings(START, truth=True, held=3, randomized=True, frozen=True, steps=4)
    left = replace(left, show_help=True, snapshots=2, message="frozen")
    fresh = begin_anew(START, left)
    assert fresh.settings == replace(START.settings, steps=4)
    assert not fresh.show_help
    assert fresh.message == ""
    assert fresh.snapshots == 2  # what was counted would be obeyed again


def test_visitors_read_sentences_and_no_figures(kiosk: KioskFeed) -> None:
    developers = Hud(
        caption="IMG_1234.jpg · 2 of 40",
        fps=23.4,
        latency_ms=41.0,
        dropped=3,
        status=("frozen",),
        capture="1280x720 at 30 FPS",
        model="resnet18 layer3",
        precision="bf16",
        compiled=True,
        banner=AWAY,
        notes=("preparing the network", "scorecam: 16 of 64 forwards"),
        verdict="Without the marked area it is no mug any more: this area decides.",
        figures=("mug 93 %",),
    )
    shown(kiosk)
    said = for_visitors(developers, kiosk, DEFAULT_TITLE, None, pending=True, message="holding mug")
    assert said == Hud(
        status=("frozen",),
        banner=AWAY,
        notes=("holding mug", MOMENT),
        verdict=developers.verdict,
        title=DEFAULT_TITLE,
        invitation=DEFAULT_INVITATION,
    )
