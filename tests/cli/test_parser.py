"""Every option of every command: it is in the help, and a wrong value ends with its code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args, get_origin

import pytest
from typer.models import OptionInfo, ParameterInfo

from live_gradcam.cli.options import parameters_of
from live_gradcam.cli.parser import COMMANDS, Command

# What else is typed, so that nothing but the wrong value is wrong.
_BESIDE = {
    "run": ["scene", "--model", "scenes", "--max-frames", "1", "-o", "-", "--quiet"],
    "demo": ["-o", "x.mp4", "--quiet"],
    "web": ["--model", "scenes", "--no-open"],
    "evaluate": ["scenes", "--scenes", "1", "--model", "scenes", "-o", "x.json", "--quiet"],
    "archive": [
        str(Path(__file__).parents[2] / ".github"),
        "--model",
        "scenes",
        "-o",
        "x/",
        "--quiet",
    ],
    "bench": ["--quick", "--quiet"],
    "teach": [str(Path(__file__).parents[1]), "-o", "x.safetensors", "--model", "scenes", "-q"],
    "export": ["x.onnx", "--model", "scenes", "--quiet"],
    "site": ["--no-open"],
    "archive report": ["x", "--quiet"],
    "inspect": ["scenes"],
    "doctor": ["--model", "scenes"],
    "models": [],
    "cameras": [],
}

# A wrong value for each option that any text can be given to, its exit code where that is not 2
# (see `live_gradcam.errors`), and what the message names beside the value.
_WRONG_TEXTS: dict[str, tuple[str, int, str]] = {
    "source": ("nowhere.mp4", 3, ""),
    "sources": ("nowhere.mp4", 3, ""),
    "outputs": ("x.xyz", 2, "ending"),
    "output": ("x.xyz", 2, "ending"),
    "folder": ("nowhere", 3, "no such folder"),
    "model": ("resnet81", 5, "resnet18"),
    "weights": ("nowhere.pth", 5, ""),
    "labels": ("nowhere.txt", 5, ""),
    "state": ("nonsense", 5, ""),
    "file": ("x.onxx", 2, ".onnx"),
    "classes": ("sqare", 2, "square"),
    "dataset": ("nowhere", 3, "no such folder"),
    "check": ("nowhere", 3, "no such folder"),
    "target": ("nowhere.pth", 5, ""),
    "preprocessing": ("nowhere.json", 5, ""),
    "input_size": ("wide", 2, ""),
    "resize": ("wide", 2, ""),
    "channels": ("cmyk", 2, ""),
    "range": ("0-255", 2, ""),
    "mean": ("a half", 2, ""),
    "std": ("a half", 2, ""),
    "layer": ("layer9", 5, "layer4"),
    "device": ("gpu", 2, "cuda"),
    "method": ("gradcams", 2, "gradcam"),
    "methods": ("gradcams", 2, "gradcam"),
    "output_name": ("nonsense", 5, "one output"),
    "class_name": ("sqare", 2, "square"),
    "roi": ("10,10,5x,5", 2, "x,y,w,h"),
    "input_format": ("motion jpeg", 2, "mjpeg"),
    "allow_origin": ("slides.example", 2, "https://"),
    "size": ("vga", 2, "640x480"),
    "pixel_format": ("brg24", 2, "rawvideo"),
    "host": ("192.0.2.1", 2, "--host"),
    "auth": ("ann", 2, "USER:PASSWORD"),
    "measures": ("beauty", 2, "pointing"),
    "boxes": ("nowhere.json", 2, ""),
    "every": ("often", 2, "1s"),
    "ray": ("nonsense", 2, "HOST:PORT"),
    "column": ("paths", 2, "Parquet"),
    "overlays": ("no/such/folder", 4, "folder"),
    "resume": ("no/such/folder/state", 4, ""),
    "calibrate": ("nowhere", 2, "--precision int8"),
    "teach": ("mug,cup", 2, "window"),
    "report": ("no/such/folder/x.html", 4, "folder"),
    "texts": ("nowhere.json", 2, "page"),
    "title": ("Welcome", 2, "page"),
    "runtime": ("nowhere", 2, "page"),
    "site": ("nowhere", 2, "export"),
    "json": ("no/such/folder/x.json", 4, "folder"),
    "layers": ("resnet81", 5, "resnet18"),
    "kiosk_title": ("Welcome", 2, "--kiosk"),
    "kiosk_invitation": ("Come nearer", 2, "--kiosk"),
    "kiosk_demonstration": ("nowhere", 2, "--kiosk"),
}


class Wrong(NamedTuple):
    """A command line with one wrong value, and how it must end."""

    command: str
    field: str
    arguments: list[str]
    code: int
    named: str


def _spelling(name: str, option: ParameterInfo) -> str | None:
    """The long name on the command line; ``None`` for an argument."""
    if not isinstance(option, OptionInfo):
        return None
    declared = [each for each in (option.default, *(option.param_decls or ())) if each is not ...]
    long_names = [str(each) for each in declared if str(each).startswith("--")]
    return long_names[0].partition("/")[0] if long_names else f"--{name.replace('_', '-')}"


def _wrong_values(name: str, kind: object, option: ParameterInfo) -> Iterator[tuple[str, int, str]]:
    if option.min is not None:
        yield str(option.min - 1), 2, str(option.min).removesuffix(".0")
        yield "many", 2, ""
        yield "nan", 2, ""
    if option.max is not None:
        yield "inf", 2, ""
        yield str(option.max + 1), 2, ""
    if option.parser is not None:
        assert kind in (str, str | None)
        yield "nonsense", 2, "is not one of"
    elif option.min is None:
        yield _WRONG_TEXTS[name]


def _cases() -> list[Wrong]:
    cases = []
    for command in COMMANDS:
        for parameter in parameters_of(command.arguments):
            kind, option = get_args(parameter.annotation)
            spelling = _spelling(parameter.name, option)
            beside = _BESIDE[command.name]
            if kind in (bool, bool | None):
                words = [command.name, *beside, f"{spelling}=maybe"]
                cases.append(Wrong(command.name, parameter.name, words, 2, "not take a value"))
                continue
            for value, code, named in _wrong_values(parameter.name, kind, option):
                words = [f"{spelling}={value}", *beside]
                if spelling is None:
                    words = [value, *beside[1:]]
                else:
                    words = [*beside, f"{spelling}={value}"]
                cases.append(
                    Wrong(command.name, parameter.name, [command.name, *words], code, named)
                )
    return cases


_RUN_ALL = """
import contextlib, io, json, sys
from live_gradcam.cli import run_command_line
ends = []
for arguments in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = run_command_line(arguments)
    ends.append((int(code), said.getvalue()))
print(json.dumps(ends))
"""


def test_a_wrong_value_of_any_option_ends_with_its_code_and_one_line(tmp_path: Path) -> None:
    cases = _cases()
    fields = {(each.command, each.field) for each in cases}
    assert len(fields) == sum(len(parameters_of(each.arguments)) for each in COMMANDS)
    done = subprocess.run(
        [sys.executable, "-c", _RUN_ALL],
        input=json.dumps([case.arguments for case in cases]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    unexpected = []
    for case, (code, said) in zip(cases, json.loads(done.stdout), strict=True):
        one_line = said.startswith("error: ") and said.count("\n") == 1
        if code != case.code or not one_line or case.named not in said:
            unexpected.append((" ".join(case.arguments), code, said))
    assert not unexpected
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["run", "--precision", "fp61"], "Did you mean fp16"),
        (["run", "--view", "streched"], "Did you mean stretch?"),
        (["run", "--colormap", "magmaa"], "Did you mean magma?"),
        (["run", "--no-smoth"], "--no-smooth"),
        (["evalute"], "Did you mean 'evaluate'?"),
    ],
)
def test_the_nearest_value_is_named(typed: list[str], meant: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "live_gradcam", *typed],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert meant in done.stderr
    assert "?." not in done.stderr


def _help_of(command: Command[object], capsys: pytest.CaptureFixture[str]) -> str:
    from live_gradcam.cli.parser import make_parser

    make_parser(COMMANDS)([command.name, "--help"], standalone_mode=False)
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.name)
def test_every_option_is_in_the_help(
    command: Command[object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = _help_of(command, capsys)
    assert command.help in text
    assert "--debug" in text
    assert ("--quiet" in text) == command.can_be_quiet
    for parameter in parameters_of(command.arguments):
        kind, option = get_args(parameter.annotation)
        spelling = _spelling(parameter.name, option)
        assert spelling is None or f" {spelling} " in text
        assert get_origin(kind) is not Literal, "choices are checked texts"
        assert option.help, "an option without help"
