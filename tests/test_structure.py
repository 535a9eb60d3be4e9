"""The house stands as designed: imports point one way, the public face is what it says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import live_gradcam

PACKAGE = Path(live_gradcam.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each room, and the rooms it may use. A room is a module or folder directly below the package.
FOUNDATION = {"choices", "wording", "errors", "values", "native", "images", "budget", "os_errors"}
WINGS = {"scenes", "capture", "explain", "show", "faithfulness"}
RUNNING = {"pool", "timing", "workers", "lifecycle", "painter", "pipeline"}
MAY_IMPORT: dict[str, set[str]] = {
    "choices": set(),
    "errors": set(),
    "native": set(),
    "values": set(),
    "wording": set(),
    "os_errors": {"errors", "native"},
    "budget": {"native"},
    "images": {"errors", "values", "native"},
    "scenes": FOUNDATION,
    "capture": FOUNDATION | {"scenes"},
    "explain": FOUNDATION,
    "faithfulness": FOUNDATION | {"explain"},
    "show": FOUNDATION,
    "timing": set(),
    "workers": set(),
    "lifecycle": {"errors"},
    "painter": {"show"} | FOUNDATION,
    "pool": WINGS | FOUNDATION,
    "pipeline": WINGS | FOUNDATION | {"timing", "workers", "lifecycle", "painter"},
    "session": WINGS | FOUNDATION | RUNNING,
    "bench": WINGS | FOUNDATION | {"painter", "pipeline", "session", "lifecycle"},
    "evaluate": WINGS | FOUNDATION | {"painter", "pool"},
    "web": WINGS | FOUNDATION | RUNNING,
    "cli": WINGS | FOUNDATION | RUNNING | {"session", "bench", "evaluate", "web"},
    "__main__": {"cli", "errors", "lifecycle"},
    "__init__": WINGS | FOUNDATION | {"painter", "pipeline", "session"},
}


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            parts = node.module.split(".")
            if parts[0] == "live_gradcam":
                names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
                rooms.update(names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "live_gradcam" and len(parts) > 1:
                    rooms.add(parts[1])
    return rooms


def imported_packages(path: Path) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            packages.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            packages.update(alias.name.split(".")[0] for alias in node.names)
    return packages


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    allowed = MAY_IMPORT[room] | {room}
    assert imported_rooms(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_explain_wing_knows_torch(path: Path) -> None:
    if room_of(path) in {
        "capture",
        "show",
        "values",
        "wording",
        "budget",
        "errors",
        "native",
        "images",
        "os_errors",
        "scenes",
        "painter",
    }:
        assert not imported_packages(path) & {"torch", "torchvision"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_opencv_and_pyav_are_imported_in_one_place_only(path: Path) -> None:
    if room_of(path) != "native":
        assert not imported_packages(path) & {"cv2", "av"}


def test_the_public_face_is_sorted_and_complete() -> None:
    assert live_gradcam.__all__ == sorted(live_gradcam.__all__)
    for name in live_gradcam.__all__:
        assert getattr(live_gradcam, name).__name__ == name
    assert set(live_gradcam.__all__) <= set(dir(live_gradcam))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = live_gradcam.no_such_name


@pytest.mark.parametrize("statement", ["import live_gradcam", "import live_gradcam.cli.main"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    heavy = "('torch', 'cv2', 'av', 'numpy')"
    code = f"{statement}; import sys; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()
