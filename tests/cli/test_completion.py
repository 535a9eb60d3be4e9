"""Completion: what a shell is told, and what is installed into it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from live_gradcam.choices import COLORMAP_NAMES, METHOD_NAMES
from live_gradcam.cli.completion import SHELLS, VARIABLE
from live_gradcam.cli.known_names import model_names
from live_gradcam.explain.methods import METHODS
from live_gradcam.explain.networks.bundled import bundled_names
from live_gradcam.explain.networks.torchvision_networks import network_names

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def asked(command: Command, line: str) -> list[str]:
    """What bash offers for a line whose last word is to be completed."""
    words = line.split(" ")
    extra = {
        VARIABLE: "complete_bash",
        "COMP_WORDS": f"live-gradcam {line}".strip(),
        "COMP_CWORD": str(len(words)),
    }
    done = command(**extra)
    assert done.returncode == 0, done.stderr
    return list(done.stdout.split())


def test_names_are_those_that_can_be_loaded() -> None:
    assert {*bundled_names(), *network_names()} == {n for n in model_names() if ":" not in n}
    assert tuple(METHODS) == METHOD_NAMES


def test_commands_options_and_values_are_completed(command: Command) -> None:
    assert asked(command, "ev") == ["evaluate"]
    assert "--colormap" in asked(command, "run --col")
    assert asked(command, "run --colormap m") == [n for n in COLORMAP_NAMES if n.startswith("m")]
    assert "resnet18" in asked(command, "run --model resn")
    assert asked(command, "run --method layer") == ["layercam"]
    assert asked(command, "run --preset a") == ["audit"]


def test_completion_loads_nothing_heavy() -> None:
    code = (
        "import os, sys\n"
        f"os.environ[{VARIABLE!r}] = 'complete_bash'\n"
        "os.environ.update(COMP_WORDS='live-gradcam run --model res', COMP_CWORD='3')\n"
        "from live_gradcam.cli import run_command_line\n"
        "code = run_command_line([])\n"
        "print(code, [n for n in ('torch', 'torchvision', 'cv2', 'numpy') if n in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=280
    )
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script(command: Command, shell: str) -> None:
    done = command("--show-completion", shell)
    assert done.returncode == 0, done.stderr
    assert VARIABLE in done.stdout
    assert "live-gradcam" in done.stdout


def test_bash_runs_the_script(command: Command, tmp_path: Path) -> None:
    script = tmp_path / "complete.sh"
    script.write_text(command("--show-completion", "bash").stdout)
    done = subprocess.run(
        ["bash", "-c", f"source {script} && complete -p live-gradcam"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "-F" in done.stdout, done.stderr


def test_it_is_installed_into_the_start_file(command: Command, tmp_path: Path) -> None:
    done = command("--install-completion", "bash", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "next terminal" in done.stdout
    assert ".bash_completions" in (tmp_path / ".bashrc").read_text()


def test_an_unknown_shell_is_refused(command: Command) -> None:
    done = command("--install-completion", "zhs")
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown shell: zhs. Did you mean zsh?")
