"""The house stands as designed: imports point one way, the public face is what it says."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import live_gradcam
from scripts import house_map

PACKAGE = Path(live_gradcam.__file__).parent
MODULES = house_map.modules()
IMPORTS = house_map.imports()

# Each room, and the rooms it may use. A room is a module or folder directly below the package.
GROUND = {
    *("choices", "class_names", "closeable", "credentials", "errors", "fetching", "hosts"),
    *("image_like", "lazy", "native", "picture", "predictions", "presentable", "protocol"),
    *("spelling", "user_cache", "values", "wording"),
}
FOUNDATION = GROUND | {"budget", "graph", "images", "os_errors", "preprocessing"}
WINGS = {"scenes", "capture", "explain", "show", "faithfulness"}
RUNNING = {"pool", "timing", "workers", "lifecycle", "painter", "pipeline"}
MAY_IMPORT: dict[str, set[str]] = {
    "choices": set(),
    "class_names": {"errors", "spelling"},
    "closeable": set(),
    "errors": set(),
    "fetching": set(),
    "lazy": set(),
    "lite": set(),
    "native": set(),
    "protocol": {"choices", "values"},
    "preprocessing": GROUND,
    "graph": GROUND | {"budget", "images", "preprocessing"},
    "credentials": {"errors"},
    "hosts": {"errors"},
    "image_like": set(),
    "picture": set(),
    "predictions": {"values"},
    "presentable": {"choices", "image_like"},
    "spelling": set(),
    "user_cache": set(),
    "values": {"picture", "presentable"},
    "wording": set(),
    "os_errors": {"errors", "native"},
    "budget": {"native"},
    "images": GROUND,
    "scenes": FOUNDATION,
    "capture": FOUNDATION | {"scenes"},
    "explain": FOUNDATION,
    "faithfulness": FOUNDATION | {"explain"},
    "show": FOUNDATION,
    "present": {"show"} | FOUNDATION,
    "air": {"capture", "show"} | FOUNDATION,
    "timing": set(),
    "workers": set(),
    "lifecycle": {"errors"},
    "painter": {"show"} | FOUNDATION,
    "reports": FOUNDATION,
    "pool": WINGS | FOUNDATION,
    "pipeline": WINGS | FOUNDATION | {"timing", "workers", "lifecycle", "painter"},
    "archive": WINGS
    | FOUNDATION
    | {"evaluate", "exports", "lifecycle", "painter", "pipeline", "reports"},
    "session": WINGS | FOUNDATION | RUNNING | {"teaching"},
    "bench": WINGS
    | FOUNDATION
    | {"exports", "lifecycle", "painter", "pipeline", "session", "teaching"},
    "evaluate": WINGS | FOUNDATION | {"painter", "pool", "reports", "teaching"},
    "exports": WINGS | FOUNDATION,
    "teaching": WINGS | FOUNDATION,
    "web": WINGS | FOUNDATION | RUNNING | {"teaching"},
    "site": WINGS | FOUNDATION | {"exports", "session", "teaching", "web"},
    "cli": WINGS
    | FOUNDATION
    | RUNNING
    | {"air", "archive", "session", "bench", "evaluate", "exports", "site", "teaching", "web"},
    "__main__": {"cli", "errors", "lifecycle"},
    "__init__": set(),
}


# Modules that import the package's own modules inside functions, and why.
MAY_WAIT = {
    "__main__": "signal handlers stand before anything is loaded",
    "budget": "OpenCV's threads are limited where OpenCV is loaded already",
    "cli": "help is there at once: torch and OpenCV wait until a command needs them",
    "explain.engine.compile_worker": "the process steps back before it loads torch",
    "explain.export.worker": "what converts a graph is loaded in the child process alone",
    "session.late_pools": "a kept graph explains before torch is there",
    "session.pools": "an exported file has one explainer, and torch stays away",
    "web.server": "Gradio reads a part of its environment when it is imported",
    "web.space": "what is wrong with a Space's settings is said before torch is loaded",
}


# Modules that open another room of the package by its name, when they are used, and which one.
# Such a door is no import, so that ground stays ground; what stands behind it is for people who
# use the package, never for the rooms below it.
DOORS = {"presentable": "present"}

WITHOUT_TORCH = FOUNDATION | {"air", "capture", "show", "scenes", "painter", "present"}


def imported_packages(path: Path) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            packages.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            packages.update(alias.name.split(".")[0] for alias in node.names)
    return packages


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_point_one_way(room: str) -> None:
    arrows = house_map.graph(IMPORTS, "room")
    assert arrows.get(room, frozenset()) <= MAY_IMPORT[room]


def test_every_room_has_its_place() -> None:
    assert {house_map.room_of(module) for module in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("level", ["room", "subroom", "module"])
def test_nothing_imports_itself_in_a_circle(level: str) -> None:
    assert house_map.find_circle(house_map.graph(IMPORTS, level)) == []


def test_only_what_is_slow_or_optional_is_imported_late() -> None:
    late = {each.importer for each in IMPORTS if each.deferred}
    known = {name for name in late if name in MAY_WAIT or house_map.room_of(name) in MAY_WAIT}
    assert late - known == set()


def test_rooms_are_opened_by_name_only_where_that_is_known() -> None:
    """What no import shows: a text that names a room, where modules are imported by their names."""
    found = {}
    for module, path in MODULES.items():
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        if not any(isinstance(node, ast.Name) and node.id == "import_module" for node in nodes):
            continue
        for node in nodes:
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and text.startswith("live_gradcam."):
                room = text.split(".")[1]
                named = text.removeprefix("live_gradcam.") in MODULES
                if named and room != house_map.room_of(module):
                    found[module] = room
    assert found == DOORS
    assert live_gradcam.Explanation.__mro__[1].__module__ == "live_gradcam.presentable"


def test_what_is_behind_a_door_loads_only_when_it_is_used() -> None:
    code = "import live_gradcam.values, sys; print('live_gradcam.present' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_no_room_of_the_package_goes_through_a_door() -> None:
    """They call `show` and `present` downwards; the methods are for people."""
    methods = {"heatmap", "overlay", "to_dict", "to_json", "_repr_html_", "_repr_png_"}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                on = node.func.value
                name = on.id if isinstance(on, ast.Name) else getattr(on, "attr", "")
                assert not (name == "explanation" and node.func.attr in methods), module


def test_the_map_for_contributors_is_true() -> None:
    text = house_map.MAP.read_text(encoding="utf-8")
    assert house_map.replaced(text) == text, "run python scripts/house_map.py"


@pytest.mark.parametrize("module", MODULES)
def test_only_the_explain_wing_knows_torch(module: str) -> None:
    if house_map.room_of(module) in WITHOUT_TORCH:
        assert not imported_packages(MODULES[module]) & {"torch", "torchvision"}


@pytest.mark.parametrize("module", MODULES)
def test_opencv_and_pyav_are_imported_in_one_place_only(module: str) -> None:
    if module != "native":
        assert not imported_packages(MODULES[module]) & {"cv2", "av"}


def test_the_public_face_is_sorted_and_complete() -> None:
    assert live_gradcam.__all__ == sorted(live_gradcam.__all__)
    for name in live_gradcam.__all__:
        value = getattr(live_gradcam, name)
        assert not callable(value) or value.__name__ == name
    assert set(live_gradcam.__all__) <= set(dir(live_gradcam))


def test_the_version_is_the_installed_one() -> None:
    assert live_gradcam.__version__ == version("live-gradcam")


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


def test_the_top_level_holds_what_was_agreed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is no clone")
    names = {path.partition("/")[0] for path in listed.stdout.split("\0") if path}
    assert {name for name in names if not name.startswith(".")} == {
        *("live_gradcam", "scripts", "tests", "pyproject.toml", "README.md", "LICENSE"),
    }
