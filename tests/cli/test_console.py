"""Progress is a bar on a terminal and plain lines elsewhere; quiet means quiet."""

from __future__ import annotations

import io

import pytest

from live_gradcam.cli.console import Console, ProgressLine


def test_plain_lines_come_every_two_seconds_with_rate_and_time_left() -> None:
    stream = io.StringIO()
    now = [0.0]
    with ProgressLine(Console(stream=stream), "clip.mp4", clock=lambda: now[0]) as line:
        for frame in range(1, 51):
            now[0] = frame * 0.1
            line.update(frame, 100, 10.0)
    assert stream.getvalue().splitlines() == [
        "clip.mp4: 20/100 frames, 10.0/s, 8 s left",
        "clip.mp4: 40/100 frames, 10.0/s, 6 s left",
    ]


def test_an_unknown_total_and_rate_are_left_out() -> None:
    stream = io.StringIO()
    now = [0.0]
    with ProgressLine(Console(stream=stream), "camera 0", clock=lambda: now[0]) as line:
        now[0] = 3.0
        line.update(7, None, None)
    assert stream.getvalue() == "camera 0: 7 frames\n"


def test_frames_that_take_long_say_how_far_they_are() -> None:
    stream = io.StringIO()
    console = Console(stream=stream)
    console.show_forwards(1, 512)  # nothing is in progress yet
    now = [0.0]
    with ProgressLine(console, "mug.jpg", clock=lambda: now[0]) as line:
        for done in range(0, 513, 64):
            now[0] += 0.5
            line.show_forwards(done, 512)
    assert stream.getvalue().splitlines() == [
        "mug.jpg: 192/512 forwards for the present frames",
        "mug.jpg: 448/512 forwards for the present frames",
    ]


def test_quiet_shows_errors_only() -> None:
    stream = io.StringIO()
    console = Console(quiet=True, stream=stream)
    console.note("hello")
    with console.progress("clip.mp4") as line:
        line.update(1, 2, 3.0)
    console.error("error: broken.")
    assert stream.getvalue() == "error: broken.\n"


def test_on_a_terminal_a_bar_is_drawn_and_lines_stand_above_it() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    console = Console(stream=stream)
    with console.progress("clip.mp4") as line:
        line.update(5, 10, 25.0)
        console.note("a note [not markup]")
    text = stream.getvalue()
    assert "5/10 frames 25.0/s" in text
    assert "a note [not markup]" in text


def test_tables_are_aligned_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table(("name", "size"), [("resnet18", "224"), ("vgg16", "7")])
    assert capsys.readouterr().out.splitlines() == [
        "name      size",
        "--------  ----",
        "resnet18  224",
        "vgg16     7",
    ]
