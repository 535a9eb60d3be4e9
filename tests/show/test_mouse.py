"""What a mouse does becomes events: a spot, a rectangle, a click."""

from __future__ import annotations

from live_gradcam.native import cv2
from live_gradcam.show.mouse import Dragged, Mouse, RightClicked


def act(mouse: Mouse, event: int, x: int, y: int) -> None:
    mouse.obey(event, x, y, 0, None)


def test_a_mouse_without_a_button_points() -> None:
    mouse = Mouse()
    assert mouse.take_spot() is None
    act(mouse, cv2.EVENT_MOUSEMOVE, 3, 4)
    act(mouse, cv2.EVENT_MOUSEMOVE, 5, 6)
    assert mouse.take_spot() == (5, 6)
    assert mouse.take_spot() is None
    assert mouse.take_gestures() == []


def test_a_click_and_a_trembling_hand_draw_nothing() -> None:
    mouse = Mouse()
    act(mouse, cv2.EVENT_LBUTTONDOWN, 50, 50)
    act(mouse, cv2.EVENT_MOUSEMOVE, 53, 48)
    act(mouse, cv2.EVENT_LBUTTONUP, 53, 48)
    assert mouse.take_gestures() == []
    assert mouse.take_spot() == (53, 48)
    act(mouse, cv2.EVENT_RBUTTONDOWN, 1, 1)
    assert mouse.take_gestures() == [RightClicked()]


def test_a_drag_is_told_by_its_newest_place_and_its_end_never_lost() -> None:
    mouse = Mouse()
    act(mouse, cv2.EVENT_LBUTTONDOWN, 50, 50)
    for x in (60, 70, 80):
        act(mouse, cv2.EVENT_MOUSEMOVE, x, 40)
    assert mouse.take_gestures() == [Dragged((50, 50), (80, 40), released=False)]
    act(mouse, cv2.EVENT_MOUSEMOVE, 51, 51)  # back to where it began is still a drag
    act(mouse, cv2.EVENT_LBUTTONUP, 90, -5)
    act(mouse, cv2.EVENT_LBUTTONDOWN, 10, 10)
    act(mouse, cv2.EVENT_LBUTTONUP, 30, 30)
    ends = [Dragged((50, 50), (90, -5), released=True), Dragged((10, 10), (30, 30), released=True)]
    assert mouse.take_gestures() == ends
    assert mouse.take_spot() is None, "while it draws, it does not point"


def test_a_drag_that_is_given_up_says_nothing_more() -> None:
    mouse = Mouse()
    act(mouse, cv2.EVENT_LBUTTONDOWN, 50, 50)
    act(mouse, cv2.EVENT_MOUSEMOVE, 90, 90)
    mouse.take_gestures()
    mouse.cancel_drag()
    act(mouse, cv2.EVENT_MOUSEMOVE, 95, 95)
    act(mouse, cv2.EVENT_LBUTTONUP, 95, 95)
    assert mouse.take_gestures() == []
