"""One line that names what, where, the cause and the next step; and the documented code."""

from __future__ import annotations

import pytest

from live_gradcam import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.LiveGradcamError, 1),
        (errors.UsageError, 2),
        (errors.SourceError, 3),
        (errors.SinkError, 4),
        (errors.ModelError, 5),
        (errors.DeviceError, 6),
    ],
)
def test_every_kind_has_its_exit_code(kind: type[errors.LiveGradcamError], code: int) -> None:
    assert kind("x").exit_code == code


def test_the_message_names_what_where_cause_and_next_step() -> None:
    error = errors.SourceError("cannot open video", "a.mp4", "the file is empty", "record it again")
    assert str(error) == "cannot open video: a.mp4: the file is empty. record it again."


def test_parts_that_are_empty_are_left_out() -> None:
    assert str(errors.SinkError("cannot write", cause="disk full.")) == "cannot write: disk full."


def test_a_library_text_of_several_lines_becomes_one() -> None:
    assert "\n" not in str(errors.ModelError("cannot load", "w.pth", "line one\n  line two\n"))
