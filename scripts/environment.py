"""Makes the project's environment in .venv, for demo.py and test.py. Standard library only.

It installs the lightest set that serves the machine. On Linux, PyTorch's wheels in the usual index
bring NVIDIA's libraries, some 3 GB of them; where there is no NVIDIA GPU, PyTorch's own index of
builds for processors is asked first, and the usual one if that does not answer.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
MINIMUM = (3, 10)

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
INDEX_VARIABLE = "PYTORCH_CPU_INDEX"  # a mirror's address, where there is one
_ANSWER_SECONDS = 10
_INSTALL_SECONDS = 900
_TORCH = ("torch", "torchvision")

Kind = Literal["auto", "cpu", "gpu", "lite"]
"""Set that is installed: what the machine needs, PyTorch for processors, PyTorch with NVIDIA's
libraries, or no PyTorch at all."""

_KINDS: dict[str, Kind] = {"--cpu": "cpu", "--gpu": "gpu", "--lite": "lite"}


@dataclass(frozen=True)
class Machine:
    """Facts that decide what is installed.

    Attributes:
        system: As `platform.system` says.
        has_gpu: There is an NVIDIA GPU.
    """

    system: str
    has_gpu: bool


def this_machine() -> Machine:
    """Look at this machine."""
    return Machine(platform.system(), _has_nvidia_gpu())


def wants_cpu_build(kind: Kind, machine: Machine) -> bool:
    """Return whether PyTorch's index of builds for processors is to be asked.

    Elsewhere than on Linux, the usual index has no other builds.
    """
    if kind == "cpu":
        return machine.system == "Linux"
    return kind == "auto" and machine.system == "Linux" and not machine.has_gpu


def is_served(kind: Kind, installed: str) -> bool:
    """Return whether an environment that was made for one kind does for another."""
    return kind == installed or (kind == "auto" and installed != "lite")


def split_kind(arguments: list[str]) -> tuple[Kind, list[str]]:
    """Tell the word that says what is installed from what ``live-gradcam run`` takes."""
    if arguments and arguments[0] in _KINDS:
        return _KINDS[arguments[0]], arguments[1:]
    return "auto", arguments


def torch_requirements(pyproject: str) -> list[str]:
    """Return what the project asks of torch and torchvision, such as ``torch>=2.11``."""
    lines = (line.strip().strip('",') for line in pyproject.splitlines())
    names = tuple(f"{name}>" for name in _TORCH)
    return [line for line in lines if line.startswith(names)]


def installer(python: Path, uv: str | None) -> list[str]:
    """Return the command that installs into an environment: uv's where it is installed."""
    if uv is not None:
        return [uv, "pip", "install", "--python", str(python)]
    # As uv does: what is imported is compiled then, and the rest takes no room.
    return [str(python), "-m", "pip", "install", "--no-compile"]


def uninstaller(python: Path, uv: str | None) -> list[str]:
    """Return the command that takes packages out of an environment."""
    if uv is not None:
        return [uv, "pip", "uninstall", "--python", str(python)]
    return [str(python), "-m", "pip", "uninstall", "--yes"]


def environment_python() -> Path:
    """Return the environment's interpreter."""
    if os.name == "nt":
        return ENVIRONMENT / "Scripts" / "python.exe"
    return ENVIRONMENT / "bin" / "python"


def say(text: str) -> None:
    """Print what is about to happen."""
    print(f"[live-gradcam] {text}", flush=True)


def make_environment(extras: str = "", kind: Kind = "auto") -> Path:
    """Create .venv if need be and install the project into it.

    Args:
        extras: Extras to install, e.g. ``test``.
        kind: The set that is installed.

    Returns:
        The environment's interpreter.
    """
    if sys.version_info < MINIMUM:
        found = ".".join(map(str, sys.version_info[:3]))
        wanted = ".".join(map(str, MINIMUM))
        sys.exit(f"error: Python {wanted} or newer is needed, this is {found}.")
    python = environment_python()
    uv = shutil.which("uv")
    if not python.exists():
        _create(python, uv)
    stamp = ENVIRONMENT / f".installed-{extras or 'plain'}"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = hashlib.sha256(project.encode()).hexdigest()
    before, _, kind_before = stamp.read_text().partition(" ") if stamp.exists() else ("", "", "")
    if before == wanted and is_served(kind, kind_before):
        return python
    install = installer(python, uv)
    if kind in ("cpu", "gpu") and kind_before not in ("", "lite", kind):
        run_or_exit([*uninstaller(python, uv), *_TORCH])
    if kind == "lite":
        _install_lite(install, python)
    else:
        _install_whole(install, python, project, extras, kind)
    stamp.write_text(f"{wanted} {kind}")
    return python


def run_or_exit(command: list[str]) -> None:
    """Run a command in the project's folder; end with its code if it fails."""
    code = subprocess.call(command, cwd=ROOT)
    if code != 0:
        say(f"This failed with code {code}: {' '.join(command)}")
        sys.exit(code)


def install_cpu_build(install: list[str], requirements: list[str], index: str) -> bool:
    """Install PyTorch's builds for processors.

    Args:
        install: The command that installs.
        requirements: Of torch and torchvision.
        index: Address of the index.

    Returns:
        ``False`` where the index does not answer in time, or has nothing for this Python.
    """
    try:
        address = f"{index.rstrip('/')}/torch/"
        with urllib.request.urlopen(address, timeout=_ANSWER_SECONDS):
            pass
    except (OSError, ValueError) as error:
        say(f"PyTorch's index does not answer ({getattr(error, 'reason', error)}).")
        return False
    say(f"Installing PyTorch for processors from {index} ...")
    # Without what they need themselves: the project's own installation brings that.
    command = [*install, "--no-deps", "--index-url", index, *requirements]
    try:
        done = subprocess.run(command, cwd=ROOT, timeout=_INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        say(f"That took longer than {_INSTALL_SECONDS} s.")
        return False
    return done.returncode == 0


def _create(python: Path, uv: str | None) -> None:
    say(f"Making an environment in {ENVIRONMENT} ...")
    if uv is not None:
        run_or_exit([uv, "venv", "--clear", "--python", sys.executable, str(ENVIRONMENT)])
        return
    try:
        venv.EnvBuilder(with_pip=True, clear=ENVIRONMENT.exists()).create(ENVIRONMENT)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"error: the environment cannot be made: {error}. "
            "On Debian and Ubuntu install the package python3-venv."
        )


def _install_whole(install: list[str], python: Path, project: str, extras: str, kind: Kind) -> None:
    if not _has_torch(python) and wants_cpu_build(kind, this_machine()):
        index = os.environ.get(INDEX_VARIABLE, CPU_INDEX)
        if not install_cpu_build(install, torch_requirements(project), index):
            say("Taking the usual index: its PyTorch brings NVIDIA's libraries, some 3 GB.")
    if kind == "gpu" and platform.system() == "Windows":
        say("On Windows the usual index has PyTorch for processors only: see pytorch.org for CUDA.")
    say("Installing live-gradcam and what it needs (torch, torchvision, opencv-python, ...) ...")
    run_or_exit([*install, "--editable", f".[{extras}]" if extras else "."])


def _install_lite(install: list[str], python: Path) -> None:
    say("Installing live-gradcam for exported files, without PyTorch ...")
    run_or_exit([*install, "--no-deps", "--editable", "."])
    listed = subprocess.run(
        [str(python), "-m", "live_gradcam.lite"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    run_or_exit([*install, *listed.stdout.split()])


def _has_torch(python: Path) -> bool:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    return subprocess.call([str(python), "-c", code]) == 0


def _has_nvidia_gpu() -> bool:
    if any(Path("/proc/driver/nvidia/gpus").glob("*")):
        return True
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        listed = subprocess.run(
            [tool, "-L"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and "GPU" in listed.stdout
