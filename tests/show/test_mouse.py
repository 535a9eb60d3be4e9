"""What a mouse does becomes events: a spot, a rectangle, a click."""

from __future__ import annotations

import pytest

from live_gradcam.native import cv2
from live_gradcam.show.mouse import Dragged, Mouse, RightClicked, ScreenPoint

SIZE = (200, 100)


def at(x: int, y: int) -> ScreenPoint:
    return ScreenPoint(x, y, SIZE)


@pytest.fixture
def mouse() -> Mouse:
    return Mouse(lambda point: at(*point))


def act(mouse: Mouse, event: int, x: int, y: int) -> None:
    mouse.obey(event, x, y, 0, None)


def test_a_mouse_without_a_button_points(mouse: Mouse) -> None:
    assert mouse.take_spot() is None
    act(mouse, cv2.EVENT_MOUSEMOVE, 3, 4)
    act(mouse, cv2.EVENT_MOUSEMOVE, 5, 6)
    assert mouse.take_spot() == at(5, 6)
    assert mouse.take_spot() is None
    assert mouse.take_gestures() == []


def test_a_click_and_a_trembling_hand_draw_nothing(mouse: Mouse) -> None:
    act(mouse, cv2.EVENT_LBUTTONDOWN, 50, 50)
    act(mouse, cv2.EVENT_MOUSEMOVE, 53, 48)
    act(mouse, cv2.EVENT_LBUTTONUP, 53, 48)
    assert mouse.take_gestures() == []
    assert mouse.take_spot() == at(53, 48)
    act(mouse, cv2.EVENT_RBUTTONDOWN, 1, 1)
    assert mouse.take_gestures() == [RightClicked()]


def test_a_drag_is_told_by_its_newest_place_and_its_end_never_lost(mouse: Mouse) -> None:
    act(mouse, cv2.EVENT_LBUTTONDOWN, 50, 50)
    for x in (60, 70, 80):
        act(mouse, cv2.EVENT_MOUSEMOVE, x, 40)
    assert mouse.take_gestures() == [Dragged(at(50, 50), at(80, 40), released=False)]
    act(mouse, cv2.EVENT_MOUSEMOVE, 51, 51)  # back to where it began is still a drag
    act(mouse, cv2.EVENT_LBUTTONUP, 90, -5)
    act(mouse, cv2.EVENT_LBUTTONDOWN, 10, 10)
    act(mouse, cv2.EVENT_LBUTTONUP, 30, 30)
    assert mouse.take_gestures() == [
        Dragged(at(50, 50), at(90, -5), released=True),
        Dragged(at(10, 10), at(30, 30), released=True),
    ]
    assert mouse.take_spot() is None, "while it draws, it does not point"


def test_a_drag_that_is_given_up_says_nothing_more(mouse: Mouse) -> None:
    act(mouse, cv2.EVENT_LBUTTONDOWN, 50, 50)
    act(mouse, cv2.EVENT_MOUSEMOVE, 90, 90)
    mouse.take_gestures()
    mouse.cancel_drag()
    act(mouse, cv2.EVENT_MOUSEMOVE, 95, 95)
    act(mouse, cv2.EVENT_LBUTTONUP, 95, 95)
    assert mouse.take_gestures() == []


def test_a_window_that_changes_its_size_does_not_move_what_the_mouse_has_touched() -> None:
    size = (200, 100)
    mouse = Mouse(lambda point: ScreenPoint(*point, size))
    act(mouse, cv2.EVENT_LBUTTONDOWN, 50, 50)
    size = (100, 50)
    act(mouse, cv2.EVENT_LBUTTONUP, 40, 45)
    size = (10, 10)
    (drag,) = mouse.take_gestures()
    assert drag == Dragged(
        ScreenPoint(50, 50, (200, 100)), ScreenPoint(40, 45, (100, 50)), released=True
    )
