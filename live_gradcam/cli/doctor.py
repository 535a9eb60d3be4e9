"""``live-gradcam doctor``: a report about this machine, one fact a line."""

from __future__ import annotations

import io
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Annotated

from live_gradcam.choices import DEFAULT_MODEL
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import NetworkOptions, open_classifier
from live_gradcam.cli.options import MODEL, option
from live_gradcam.errors import DeviceError

_PACKAGES = ("torch", "torchvision", "opencv-python", "av", "numpy", "pillow", "safetensors")
# Generated pictures that a network is tried on.
_PICTURES = 3
_CONFLICTING = ("opencv-python-headless", "opencv-contrib-python-headless")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorArguments(NetworkOptions):
    """Everything that can be typed after ``live-gradcam doctor``."""

    model: Annotated[
        str,
        option("Look at this network, too: does it do what it should?", panel=MODEL),
    ] = ""


def doctor_command(arguments: DoctorArguments, console: Console) -> None:
    """Say what this machine has, and what looks wrong about a network: for a bug report.

    Raises:
        LiveGradcamError: A network is named that cannot be used.
    """
    if arguments.model or arguments.weights is not None:
        _print("network", _network(arguments), console)
        return
    for title, check in _CHECKS:
        try:
            lines = list(check())
        except Exception as error:  # the report is most useful where things break
            lines = [f"this check failed: {type(error).__name__}: {error}"]
        _print(title, lines, console)


def _print(title: str, lines: Iterable[str], console: Console) -> None:
    for number, line in enumerate(lines):
        console.out(f"{title if number == 0 else '':<12} {line}".rstrip())


def _network(arguments: DoctorArguments) -> Iterator[str]:
    """Explain three generated pictures, and say what looks wrong."""
    from live_gradcam.explain.doubts import find_doubts
    from live_gradcam.explain.engine.runtime import choose_runtime
    from live_gradcam.scenes import render_scene

    choose_runtime(arguments.device, arguments.precision)  # refuses what is not there
    notes = io.StringIO()
    named = replace(arguments, model=arguments.model or DEFAULT_MODEL)
    classifier = open_classifier(named, Console(stream=notes))
    pictures = [render_scene(seed).image for seed in range(_PICTURES)]
    doubts = find_doubts(classifier, pictures)
    yield f"{classifier.name}, {classifier.class_count} classes, explained at {classifier.layer}"
    yield f"given {classifier.preprocessing.describe()}"
    yield from notes.getvalue().splitlines()
    for doubt in doubts:
        yield f"doubt: {doubt}"
    if not doubts:
        yield f"nothing looks wrong on {_PICTURES} generated pictures"


def _versions() -> Iterator[str]:
    yield f"live-gradcam {metadata.version('live-gradcam')}, Python {platform.python_version()}"
    yield ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    for name in _CONFLICTING:
        if _version(name) != "missing":
            yield f"{name} is installed too: it may overwrite opencv-python and kill the window"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def _system() -> Iterator[str]:
    yield f"{platform.platform()}, {platform.machine()}"
    yield f"interpreter {sys.executable}"


def _device() -> Iterator[str]:
    from live_gradcam.explain.engine.runtime import choose_runtime

    runtime = choose_runtime()
    yield f"{runtime.device}, {runtime.precision}"
    yield from runtime.notices
    yield from runtime.reasons


def _threads() -> Iterator[str]:
    from live_gradcam.budget import thread_budget

    budget = thread_budget()
    yield (
        f"network {budget.network}, drawing {budget.drawing}, decoding {budget.decoding}, "
        f"encoding {budget.encoding}; {os.cpu_count()} processors"
    )


def _compiler() -> Iterator[str]:
    wanted = [os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl"]
    found = next((path for name in wanted if name and (path := shutil.which(name))), None)
    yield found or "none: torch.compile cannot be used, the eager network runs instead"


def _display() -> Iterator[str]:
    from live_gradcam.show.window import probe_display

    try:
        probe_display()
    except DeviceError as error:
        yield f"no window: {error}"
    else:
        yield f"yes, {_gui()}"


def _gui() -> str:
    from live_gradcam.native import cv2

    for line in cv2.getBuildInformation().splitlines():
        name, _, value = line.strip().partition(":")
        if name == "GUI":
            return f"OpenCV draws with {value.strip()}"
    return "OpenCV does not say what it draws with"


def _cameras() -> Iterator[str]:
    from live_gradcam.capture.camera import list_cameras

    cameras = list_cameras()
    if not cameras:
        yield "none found"
    for camera in cameras:
        yield f"{camera.index}: {camera.name} ({camera.path})"


def _weights() -> Iterator[str]:
    from live_gradcam.explain.networks.catalogue import list_models
    from live_gradcam.explain.networks.download import cached_path

    names = [row.name for row in list_models() if row.cached]
    yield f"ready: {', '.join(names) or 'none'}"
    folder = cached_path("name").parent
    yield f"cache {folder}"


def _encoders() -> Iterator[str]:
    from live_gradcam.native import av

    def usable(name: str) -> bool:
        try:
            return bool(av.codec.Codec(name, "w"))
        except Exception:  # PyAV has several errors for a codec that is not there
            return False

    for name in ("libx264", "aac"):
        yield f"{name}: {'yes' if usable(name) else 'missing'}"
    yield f"FFmpeg libraries {av.ffmpeg_version_info}"


_CHECKS: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
    ("versions", _versions),
    ("system", _system),
    ("device", _device),
    ("threads", _threads),
    ("compiler", _compiler),
    ("display", _display),
    ("cameras", _cameras),
    ("weights", _weights),
    ("encoders", _encoders),
)
