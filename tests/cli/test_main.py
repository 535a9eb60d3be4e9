"""The command line as a user meets it: its exit codes, and one line for an error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import assert_one_line_error

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(started_command: Command) -> Command:
    """From the interpreter's first step on: what the entry point does is looked at here."""
    return started_command


def test_help_lists_the_commands(command: Command) -> None:
    done = command("--help")
    assert done.returncode == 0
    for name in ("run", "demo", "evaluate", "models", "cameras", "doctor"):
        assert f" {name} " in done.stdout


def test_version(command: Command) -> None:
    done = command("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("live-gradcam 0.")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["run", "--no-such-option"], "--no-such-option"),
        (["run", "x", "--top-k", "0"], "top-k"),
        (["run", "x", "--precision", "fp8"], "fp8"),
        (["evaluate", "x", "--no-such-option"], "See 'live-gradcam evaluate --help'."),
        (["dance"], "See 'live-gradcam --help'."),
        (["run", "scene", "-o", "-", "--max-frames", "1", "--method", "gradcams"], "gradcam++"),
        (["run", "scene", "--no-window"], "-o OUTPUT"),
        (["run", "scene", "-o", "x.mp4"], "--max-frames"),
    ],
)
def test_a_wrong_command_line_is_code_2(command: Command, arguments: list[str], part: str) -> None:
    assert_one_line_error(command(*arguments), 2, part)


def test_debug_shows_the_traceback(command: Command) -> None:
    done = command("run", "nowhere.mp4", "-o", "out.mp4", "--debug")
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    arguments = ["run", "scene", "--max-frames", "400", "-o", "-", "--model", "scenes", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "live_gradcam", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"{")
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0
