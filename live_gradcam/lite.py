"""What is needed to run exported files, without torch: ``python -m live_gradcam.lite``.

An extra can add packages, never leave one out, and torch is among those that everybody gets. So the
light way has two steps::

    pip install --no-deps live-gradcam
    pip install $(python -m live_gradcam.lite)

The list is made of the package's own metadata. This module needs nothing but Python itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import requires

_PACKAGE = "live-gradcam"
# Only networks that are no exported files, and evaluations of them, need these.
_WITHOUT = ("torch", "torchvision", "safetensors", "jinja2")
_ENGINE = "onnxruntime"
_WINDOWS, _WINDOWLESS = "opencv-python", "opencv-python-headless"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_USAGE = "usage: python -m live_gradcam.lite [--headless]"


def lite_requirements(declared: Iterable[str], *, headless: bool = False) -> list[str]:
    """Return what the light way installs, as pip takes it.

    Args:
        declared: Requirements of the package's metadata.
        headless: OpenCV without windows, which is smaller and needs no graphical system.
    """
    wanted, engine = [], ""
    for each in declared:
        requirement, _, marker = (part.strip() for part in each.partition(";"))
        name = _name_of(requirement)
        if name == _ENGINE:
            engine = requirement
        elif "extra" not in marker and name not in _WITHOUT:
            if name == _WINDOWS and headless:
                requirement = requirement.replace(_WINDOWS, _WINDOWLESS)
            wanted.append(requirement)
    return sorted([*wanted, engine or _ENGINE])


def main(arguments: list[str]) -> int:
    """Print the list in one line; returns the exit code."""
    if arguments not in ([], ["--headless"]):
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    declared = requires(_PACKAGE) or []
    sys.stdout.write(" ".join(lite_requirements(declared, headless=bool(arguments))) + "\n")
    return 0


def _name_of(requirement: str) -> str:
    found = _NAME.match(requirement)
    return found[0].lower() if found else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
