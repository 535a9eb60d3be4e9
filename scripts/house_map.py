"""Reads the package's imports and draws them: the map in `.github/CONTRIBUTING.md`.

``python scripts/house_map.py`` writes the map anew; ``--check`` only says whether it is true.
Standard library only.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "live_gradcam"
MAP = ROOT / ".github" / "CONTRIBUTING.md"
BEGIN, END = "<!-- map: begin -->", "<!-- map: end -->"

Graph: TypeAlias = Mapping[str, frozenset[str]]
"""From each name to the names that it imports."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a module of the package by another one.

    Attributes:
        importer: Dotted name of the importing module, without the package's own.
        imported: Dotted name of the imported module, without the package's own.
        deferred: ``True`` inside a function, where it waits until that runs.
    """

    importer: str
    imported: str
    deferred: bool


def modules() -> dict[str, Path]:
    """The package's modules by dotted name; a folder's ``__init__`` has the folder's name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts)] = path
    return found


def imports() -> list[Import]:
    """Every import of one module of the package by another one.

    The package's own ``__init__`` is left out: it names everything and loads nothing.
    """
    known = modules()
    return [
        Import(name, target, deferred)
        for name, path in known.items()
        if name != "__init__"
        for target, deferred in _imported(ast.parse(path.read_text(encoding="utf-8")), known)
        if target != name
    ]


def _imported(
    node: ast.AST, known: Mapping[str, Path], *, deferred: bool = False
) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        names: list[str] = []
        if isinstance(child, ast.ImportFrom) and child.module and not child.level:
            names = [f"{child.module}.{alias.name}" for alias in child.names]
        elif isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == PACKAGE.name and rest:
                yield (rest if rest in known else rest.rpartition(".")[0] or "__init__"), deferred
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imported(child, known, deferred=deferred or inside)


def room_of(module: str) -> str:
    """The room of a module: the folder or module directly below the package."""
    return module.partition(".")[0]


def subroom_of(module: str) -> str:
    """The folder of a module, or the module itself where it lies directly in a room."""
    return ".".join(module.split(".")[:2])


def graph(all_imports: list[Import], level: str = "module") -> Graph:
    """Imports as a graph of modules, of sub-rooms or of rooms.

    Args:
        all_imports: As `imports` gives them.
        level: ``module``, ``subroom`` or ``room``.
    """
    names: dict[str, Callable[[str], str]] = {
        "module": str,
        "subroom": subroom_of,
        "room": room_of,
    }
    name = names[level]
    arrows: dict[str, set[str]] = {name(module): set() for module in modules()}
    for each in all_imports:
        importer, imported = name(each.importer), name(each.imported)
        if importer != imported:
            arrows[importer].add(imported)
    return {importer: frozenset(found) for importer, found in arrows.items()}


def find_circle(arrows: Graph) -> list[str]:
    """Names that import each other in a circle; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def direct(arrows: Graph) -> Graph:
    """The arrows that say what no other path says (the transitive reduction of a graph)."""
    reach: dict[str, frozenset[str]] = {}
    for name in TopologicalSorter(arrows).static_order():
        reach[name] = arrows[name].union(*(reach[each] for each in arrows[name]))
    return {
        name: frozenset(
            each
            for each in found
            if not any(each in reach[other] for other in found if other != each)
        )
        for name, found in arrows.items()
    }


def draw_map() -> str:
    """The map: rooms, and the sub-rooms of `explain`, as two Mermaid diagrams."""
    found = imports()
    inside = [
        each for each in found if room_of(each.importer) == room_of(each.imported) == "explain"
    ]
    explain = {
        name: arrows
        for name, arrows in graph(inside, "subroom").items()
        if name.startswith("explain.")
    }
    rooms = {name: arrows for name, arrows in graph(found, "room").items() if name != "__init__"}
    return "\n".join(
        [
            "The rooms; an arrow is an import, arrows that others imply are left out:",
            "",
            _mermaid(direct(rooms)),
            "",
            "Inside `explain/`, the way from a checkpoint to an explanation:",
            "",
            _mermaid(direct(explain)),
        ]
    )


def _mermaid(arrows: Graph) -> str:
    lines = ["```mermaid", "flowchart TD"]
    for name in sorted(arrows):
        lines += [f"    {_node(name)} --> {_node(each)}" for each in sorted(arrows[name])]
    return "\n".join([*lines, "```"])


def _node(name: str) -> str:
    label = name.removeprefix("explain.")
    return f'{name.replace(".", "_").strip("_")}["{label}"]'


def put_between(text: str, begin: str, end: str, content: str) -> str:
    """A page with other content between two marks."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def replaced(text: str) -> str:
    """A page with the map of today between its marks."""
    return put_between(text, BEGIN, END, draw_map())


def main() -> int:
    """Write the map, or check it; the exit code says whether it is true."""
    text = MAP.read_text(encoding="utf-8")
    wanted = replaced(text)
    if "--check" in sys.argv[1:]:
        return 0 if text == wanted else 1
    MAP.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
