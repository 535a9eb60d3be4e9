"""Makes the project's environment in .venv, for demo.py and test.py. Standard library only."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
MINIMUM = (3, 10)


def environment_python() -> Path:
    """Return the environment's interpreter."""
    if os.name == "nt":
        return ENVIRONMENT / "Scripts" / "python.exe"
    return ENVIRONMENT / "bin" / "python"


def say(text: str) -> None:
    """Print what is about to happen."""
    print(f"[live-gradcam] {text}", flush=True)


def make_environment(extras: str = "") -> Path:
    """Create .venv if need be and install the project into it.

    Args:
        extras: Extras to install, e.g. ``test``.

    Returns:
        The environment's interpreter.
    """
    if sys.version_info < MINIMUM:
        found = ".".join(map(str, sys.version_info[:3]))
        wanted = ".".join(map(str, MINIMUM))
        sys.exit(f"error: Python {wanted} or newer is needed, this is {found}.")
    python = environment_python()
    if not python.exists():
        say(f"Making an environment in {ENVIRONMENT} ...")
        try:
            venv.EnvBuilder(with_pip=True, clear=ENVIRONMENT.exists()).create(ENVIRONMENT)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(
                f"error: the environment cannot be made: {error}. "
                "On Debian and Ubuntu install the package python3-venv."
            )
    requirement = f".[{extras}]" if extras else "."
    stamp = ENVIRONMENT / f".installed-{extras or 'plain'}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    say(
        "Installing live-gradcam and what it needs (torch, torchvision, opencv-python, ...). "
        "The first time this downloads up to several GB and takes some minutes."
    )
    run_or_exit([str(python), "-m", "pip", "install", "--editable", requirement])
    stamp.write_text(wanted)
    return python


def run_or_exit(command: list[str]) -> None:
    """Run a command in the project's folder; end with its code if it fails."""
    code = subprocess.call(command, cwd=ROOT)
    if code != 0:
        say(f"This failed with code {code}: {' '.join(command)}")
        sys.exit(code)
