"""What ``live-gradcam doctor`` looks at: each check says its facts in lines and as values."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from live_gradcam.cli.settings import IN_FORCE
from live_gradcam.errors import DeviceError

_PACKAGES = ("torch", "torchvision", "opencv-python", "av", "numpy", "pillow", "safetensors")
# Measurements of engines that are listed, the newest ones.
_DECISIONS = 5
_CONFLICTING = ("opencv-python-headless", "opencv-contrib-python-headless")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        lines: For people.
        facts: The same for programs, ready for JSON; its keys stay as they are.
    """

    lines: list[str]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        title: A word.
        look: Does it.
        waits_for: What it loads, where that takes seconds.
    """

    title: str
    look: Callable[[], Finding]
    waits_for: str = ""


def _versions() -> Finding:
    ours = metadata.version("live-gradcam")
    packages = {name: _version(name) for name in _PACKAGES}
    listed = ", ".join(f"{name} {found or 'missing'}" for name, found in packages.items())
    lines = [f"live-gradcam {ours}, Python {platform.python_version()}", listed]
    conflicting = [name for name in _CONFLICTING if _version(name)]
    lines += [
        f"{name} is installed too: it may overwrite opencv-python and kill the window"
        for name in conflicting
    ]
    facts = {
        "live_gradcam": ours,
        "python": platform.python_version(),
        "packages": packages,
        "conflicting": conflicting,
    }
    return Finding(lines, facts)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _system() -> Finding:
    facts = {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "interpreter": sys.executable,
        "processors": os.cpu_count(),
    }
    lines = [f"{facts['platform']}, {facts['machine']}", f"interpreter {sys.executable}"]
    return Finding(lines, facts)


def _settings() -> Finding:
    settings = IN_FORCE.get()
    lines = [
        f"{place.title}: "
        + (f"{place.path}, " if place.path else "LIVE_GRADCAM_*, ")
        + ("read" if place.found else "none")
        for place in settings.places
    ]
    if settings.error is not None:
        lines.append(str(settings.error))
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for each in settings.found:
        grouped.setdefault((each.name, each.shown, each.origin), []).append(each.command)
    lines += [
        f"{name} = {value} for {', '.join(commands)} ({origin})"
        for (name, value, origin), commands in grouped.items()
    ]
    facts = {
        "places": [
            {"title": e.title, "path": str(e.path) if e.path else None, "found": e.found}
            for e in settings.places
        ],
        "in_force": [
            {"command": e.command, "name": e.name, "value": e.shown, "origin": e.origin}
            for e in settings.found
        ],
        "error": str(settings.error) if settings.error else None,
    }
    return Finding(lines or ["left out (--no-settings)"], facts)


def _compiler() -> Finding:
    wanted = [os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl"]
    found = next((path for name in wanted if name and (path := shutil.which(name))), None)
    missing = "none: torch.compile cannot be used, the eager network runs instead"
    return Finding([found or missing], {"path": found})


def _display() -> Finding:
    from live_gradcam.show.window import probe_display

    try:
        probe_display()
    except DeviceError as error:
        return Finding([f"no window: {error}"], {"window": False, "reason": str(error)})
    gui = _gui()
    shown = f"OpenCV draws with {gui}" if gui else "OpenCV does not say what it draws with"
    return Finding([f"yes, {shown}"], {"window": True, "gui": gui})


def _gui() -> str | None:
    from live_gradcam.native import cv2

    for line in cv2.getBuildInformation().splitlines():
        name, _, value = line.strip().partition(":")
        if name == "GUI":
            return str(value.strip())
    return None


def _cameras() -> Finding:
    from live_gradcam.capture.camera import list_cameras

    cameras = list_cameras()
    lines = [f"{camera.index}: {camera.name} ({camera.path})" for camera in cameras]
    return Finding(lines or ["none found"], {"cameras": [asdict(camera) for camera in cameras]})


def _encoders() -> Finding:
    from live_gradcam.native import av

    def usable(name: str) -> bool:
        try:
            return bool(av.codec.Codec(name, "w"))
        except Exception:  # PyAV has several errors for a codec that is not there
            return False

    usable_ones = {name: usable(name) for name in ("libx264", "aac")}
    lines = [f"{name}: {'yes' if there else 'missing'}" for name, there in usable_ones.items()]
    lines.append(f"FFmpeg libraries {av.ffmpeg_version_info}")
    return Finding(lines, {"usable": usable_ones, "ffmpeg": str(av.ffmpeg_version_info)})


def _threads() -> Finding:
    from live_gradcam.budget import thread_budget

    budget = thread_budget()
    names = ("network", "drawing", "decoding", "encoding")
    facts = {name: getattr(budget, name) for name in names}
    listed = ", ".join(f"{name} {count}" for name, count in facts.items())
    return Finding([f"{listed}; {os.cpu_count()} processors"], facts)


def _engines() -> Finding:
    from live_gradcam.cli.run_int8 import describe_fidelity
    from live_gradcam.explain.engine.decisions import list_decisions
    from live_gradcam.graph.engines.devices import TITLES
    from live_gradcam.graph.engines.opening import INSTALL, installed_engines
    from live_gradcam.graph.files import read_metadata
    from live_gradcam.user_cache import cache_folder

    found = installed_engines()
    listed = [f"{TITLES[name]} {version}" for name, version in found.items()]
    lines = [", ".join(["torch", *listed]) if listed else f"torch alone. {INSTALL}"]
    decisions = list_decisions()[:_DECISIONS]
    for each in decisions:
        times = ", ".join(f"{name} {ms:.1f} ms" for name, ms in each.milliseconds.items())
        lines.append(f"{each.network}: {each.winner} ({times}; {each.processor})")
    quantised = {}
    for path in sorted(cache_folder().glob("*-int8.*")):
        made = read_metadata(path) if path.suffix != ".bin" else None
        if made is not None:
            quantised[path.name] = dict(made.fidelity)
            described = describe_fidelity(made.fidelity)
            lines.append(f"{made.network} {made.layer} {made.method} in int8: {described}")
    facts = {
        "installed": dict(found),
        "decisions": [asdict(each) for each in decisions],
        "int8": quantised,
    }
    return Finding(lines, facts)


def _device() -> Finding:
    from live_gradcam.explain.engine.runtime import choose_runtime

    runtime = choose_runtime()
    lines = [f"{runtime.device}, {runtime.precision}", *runtime.notices, *runtime.reasons]
    facts = {
        "device": str(runtime.device),
        "precision": str(runtime.precision),
        "notices": list(runtime.notices),
        "reasons": list(runtime.reasons),
    }
    return Finding(lines, facts)


def _weights() -> Finding:
    from live_gradcam.explain.networks.catalogue import list_models
    from live_gradcam.explain.networks.download import cached_path

    names = [row.name for row in list_models() if row.cached]
    folder = cached_path("name").parent
    lines = [f"ready: {', '.join(names) or 'none'}", f"cache {folder}"]
    return Finding(lines, {"ready": names, "cache": str(folder)})


CHECKS: tuple[Check, ...] = (
    Check("versions", _versions),
    Check("system", _system),
    Check("settings", _settings),
    Check("compiler", _compiler),
    Check("threads", _threads),
    Check("engines", _engines),
    Check("encoders", _encoders),
    Check("cameras", _cameras),
    Check("display", _display),
    Check("device", _device, waits_for="loading torch"),
    Check("weights", _weights, waits_for="looking at the networks"),
)
"""The checks, the quick ones first."""
