"""``--teach``: what can be typed, and what is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from live_gradcam.cli import run_command_line
from live_gradcam.cli.run_teaching import class_names, with_empty_teach
from live_gradcam.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("run 0 --teach", "run 0 --teach="),
        ("run 0 --teach --resume", "run 0 --teach= --resume"),
        ("run 0 --teach mug,cup --resume", "run 0 --teach mug,cup --resume"),
        ("run --teach -- 0", "run --teach= -- 0"),
        ("teach things", "teach things"),
        ("bench --teach", "bench --teach"),
        ("bench --teach --quick", "bench --teach --quick"),
        ("", ""),
    ],
)
def test_names_may_be_left_out(typed: str, meant: str) -> None:
    assert with_empty_teach(typed.split()) == meant.split()


def test_names_are_those_between_commas() -> None:
    assert class_names("") == ()
    assert class_names(" red  mug ,\u8336\u58f6") == ("red mug", "\u8336\u58f6")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("mug,", "a name is empty"),
        ("mug,mug", "it is there twice"),
        ("mug,anything else", "there by itself"),
        ("a" * 81, "up to 80 characters"),
        ("a,b,c,d,e,f,g,h,i,j", "10 classes, and keys for 9"),
        ("0", "run 0 --teach"),
        ("scene", "run scene --teach"),
    ],
)
def test_names_that_cannot_be_classes_are_refused(text: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        class_names(text)


def test_a_file_is_no_name(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(UsageError, match=r"it is a source.*clip\.mp4 --teach"):
        class_names(str(tmp_path / "clip.mp4"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("-o x.mp4", 2, "needs the window"),
        ("--no-window -o x.mp4", 2, "live-gradcam teach"),
        ("--kiosk", 2, "exclude each other"),
        ("--precision int8", 2, "8 bits"),
        ("--resume", 3, "no lesson to go on with"),
    ],
)
def test_teaching_is_refused_where_it_cannot_be(
    arguments: str,
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "scene", "--model", "scenes", "--teach=mug", *arguments.split()]
    assert run_command_line(words) == code
    assert said in capsys.readouterr().err
