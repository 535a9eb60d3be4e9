"""The page as one folder: written beside its place, and put there whole."""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from live_gradcam.choices import DEFAULT_METHOD, DEFAULT_TOP_K
from live_gradcam.errors import SinkError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.methods import require_method
from live_gradcam.exports import Exported, export
from live_gradcam.exports.export import calibrates_itself, check_output
from live_gradcam.graph.metadata import GraphPrecision
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import already_exists
from live_gradcam.site.description import describe_site
from live_gradcam.site.examples import write_examples
from live_gradcam.site.policy import content_policy
from live_gradcam.site.runtime import Runtime
from live_gradcam.site.tables import PAGE_TEXTS
from live_gradcam.site.teaching import describe_teaching, why_not_teachable
from live_gradcam.values import Image

DESCRIPTION = "site.json"
"""File with everything that the page has to know, see `describe_site`."""

GRAPH = "graph.onnx"
"""File with the network and its maps."""

PLACES = ("{{version}}", "{{policy}}", "{{title}}")
"""What stands in the page's HTML and service worker for its version, its content security policy
and its headline."""

_PAGE, _RUNTIME, _EXAMPLES = "page", "runtime", "examples"
_LICENSE = "LICENSE.txt"
_WITH_PLACES = (".html", ".js", ".webmanifest")
_ENDINGS = (*_WITH_PLACES, ".css", ".svg", ".png")
# More classes would be copied out of the graph for every picture.
_MOST_MAPS = 2000
_WHAT = "cannot write the page"


@dataclass(frozen=True, slots=True)
class Site:
    """A folder that was written.

    Attributes:
        folder: The folder.
        exported: The graph in it, and what was measured with it.
        sizes: Bytes of each part: ``graph``, ``runtime``, ``examples`` and ``page``.
        examples: What each example shows.
    """

    folder: Path
    exported: Exported
    sizes: dict[str, int]
    examples: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())


def write_site(
    folder: str | Path,
    classifier: Classifier,
    *,
    runtime: Runtime,
    method: str = DEFAULT_METHOD,
    classes: str | int | Iterable[str | int] | None = None,
    top_k: int = DEFAULT_TOP_K,
    precision: GraphPrecision | None = None,
    any_size: bool = False,
    teach: bool = True,
    title: str = "",
    check: Sequence[Image] = (),
    calibrate: Sequence[Image] = (),
    overwrite: bool = False,
    force: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Site:
    """Write a folder that any static web server can serve, and that explains in the browser.

    Files of the folder that are not the page's stay: it may be a repository.

    Args:
        folder: Where; made where it does not exist.
        classifier: What is explained.
        runtime: Of `live_gradcam.site.runtime.obtain_runtime`.
        method: Makes the maps.
        classes: Those that have a map, as for `live_gradcam.exports.export`; ``None`` for all
            where that costs nothing, else for the best of each picture.
        top_k: Number of the best.
        precision: Of the network's trunk; ``None`` for the smallest that there is, see
            `usual_precision`.
        any_size: Pictures may have any size, so that the page can show the network all of one.
        teach: With a tab on which visitors teach the network, where its explained layer allows it.
        title: Headline of the page; the network's name is beside it in any case.
        check: Pictures that the graph is compared with the network on.
        calibrate: Pictures that the ranges of ``int8`` are taken from.
        overwrite: Replace a page that is there.
        force: Keep an ``int8`` graph that differs more than it should.
        on_notice: Called with a sentence for each thing that users should know.

    Raises:
        UsageError: A class, the method or the precision does not exist, or a page does already.
        ModelError: The network or the method cannot be exported, or the graph does not compute what
            the network does; then nothing is written.
        SinkError: The folder cannot be written.
    """
    folder = Path(folder)
    if precision is None:
        precision = usual_precision(classifier, calibrate)
        if precision == "fp32":
            on_notice(f"fp32 in place of fp16: {classifier.why_float32}")
    check_folder(folder, precision, overwrite=overwrite)
    if classes is None:
        head = require_method(method, classifier.head).make_head(classifier.head)
        every = head.all_maps_are_cheap and classifier.class_count <= _MOST_MAPS
        classes = "all" if every else "top"
    if teach and (reason := why_not_teachable(classifier)):
        on_notice(f"the page has no tab for teaching: {reason}")
        teach = False
    is_new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".live-gradcam-", dir=folder) as made:
            staged = Path(made)
            exported = export(
                classifier,
                staged / GRAPH,
                method=method,
                classes=classes,
                top_k=top_k,
                precision=precision,
                any_size=any_size,
                features=teach,
                check=check,
                calibrate=calibrate,
                force=force,
                on_notice=on_notice,
            )
            examples = _fill(staged, classifier, exported, runtime, title=title or "live-gradcam")
            sizes = _sizes(staged)
            for part in sorted(staged.iterdir()):
                _put(part, folder / part.name)
    except OSError as exc:
        raise cannot_write(_WHAT, folder, exc) from exc
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is full now, unless something failed
                folder.rmdir()
    return Site(folder, exported, sizes, examples)


def usual_precision(classifier: Classifier, calibrate: Sequence[Image] = ()) -> GraphPrecision:
    """Return what a page's graph computes in where nothing else is said: what loads soonest.

    Args:
        classifier: What is explained.
        calibrate: Pictures that the ranges of ``int8`` can be taken from.

    Returns:
        ``int8`` where there are such pictures, or they can be generated; else ``fp16``, or ``fp32``
        for a network that computes wrongly in less.
    """
    if calibrate or calibrates_itself(classifier):
        return "int8"
    return "fp32" if classifier.why_float32 else "fp16"


def check_folder(folder: Path, precision: GraphPrecision | None, *, overwrite: bool) -> None:
    """Refuse a place that cannot be right, before anything slow begins.

    Raises:
        UsageError: A page is there already, or the precision is unknown.
        ModelError: A package that exporting takes is not installed.
        SinkError: It is a file, or its folder does not exist.
    """
    if folder.exists() and not folder.is_dir():
        raise SinkError(_WHAT, str(folder), "it is a file", "Name a folder")
    if not folder.absolute().parent.is_dir():
        raise SinkError(_WHAT, str(folder), "its folder does not exist", "Create it")
    for name in _top_level():
        if (folder / name).exists() and not overwrite:
            raise already_exists(folder / name)
    if precision is None:
        return
    if folder.is_dir():
        check_output(folder / GRAPH, precision, overwrite=True)
    else:
        check_output(folder.absolute().parent / f"{folder.name}-{GRAPH}", precision, overwrite=True)


def _top_level() -> list[str]:
    with as_file(files("live_gradcam.site").joinpath(_PAGE)) as page:
        own = [each.name for each in page.iterdir() if each.is_dir() or _belongs(each)]
    return sorted({*own, DESCRIPTION, GRAPH, _RUNTIME, _EXAMPLES})


def _belongs(file: Path) -> bool:
    return file.suffix in _ENDINGS and file.name != PAGE_TEXTS


def _fill(
    staged: Path, classifier: Classifier, exported: Exported, runtime: Runtime, *, title: str
) -> tuple[str, ...]:
    """Write everything but the graph; returns what the examples show."""
    (staged / _RUNTIME).mkdir()
    for name, path in runtime.files.items():
        shutil.copyfile(path, staged / _RUNTIME / name)
    package = files("live_gradcam.site")
    text = package.joinpath("onnxruntime-license.txt").read_text(encoding="utf-8")
    (staged / _RUNTIME / _LICENSE).write_text(text, encoding="utf-8")
    examples = write_examples(staged / _EXAMPLES, classifier)
    with as_file(package.joinpath(_PAGE)) as page:
        for file in sorted(page.rglob("*")):
            if file.is_file() and _belongs(file):
                place = staged / file.relative_to(page)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
    method = require_method(exported.metadata.method)
    known = describe_files(staged)
    description = describe_site(
        exported.metadata,
        title=title,
        method_title=method.title,
        graph={"file": GRAPH, **known[GRAPH]},
        runtime={"version": runtime.version, "files": _below(known, _RUNTIME)},
        examples=[{"file": f"{_EXAMPLES}/{name}", "title": shown} for name, shown in examples],
        teaching=describe_teaching(classifier, exported.metadata.features),
        files=known,
        version=_version_of(known, title),
    )
    version = str(description["version"])
    for file in staged.iterdir():
        if file.suffix in _WITH_PLACES:
            filled = file.read_text(encoding="utf-8")
            filled = fill_places(filled, file.suffix, version=version, title=title)
            file.write_text(filled, encoding="utf-8", newline="\n")
    # What was filled in is not what was described: the version stands in the files themselves.
    description = {**description, "files": describe_files(staged)}
    text = json.dumps(description, ensure_ascii=False, allow_nan=False)
    (staged / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    return tuple(shown for _, shown in examples)


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return ``bytes`` and ``sha256`` of each file of a folder, by its name with slashes."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            found[file.relative_to(folder).as_posix()] = {
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
    return found


def _below(known: dict[str, dict[str, Any]], folder: str) -> dict[str, dict[str, Any]]:
    start = f"{folder}/"
    return {name[len(start) :]: each for name, each in known.items() if name.startswith(start)}


def _version_of(known: dict[str, dict[str, Any]], title: str) -> str:
    digest = hashlib.sha256(title.encode())
    for name, each in known.items():
        digest.update(f"{name} {each['sha256']}\n".encode())
    return digest.hexdigest()[:16]


def fill_places(text: str, kind: str, *, version: str, title: str) -> str:
    """Fill in what is known only now, see `PLACES`, as the file's own language writes it.

    Args:
        text: Content of a file of the page.
        kind: Ending of its name.
        version: Of the folder.
        title: Headline of the page.
    """
    written = html.escape(title) if kind == ".html" else json.dumps(title, ensure_ascii=False)[1:-1]
    for place, value in zip(PLACES, (version, content_policy(), written), strict=True):
        text = text.replace(place, value)
    return text


def _sizes(staged: Path) -> dict[str, int]:
    sizes = {"graph": 0, "runtime": 0, "examples": 0, "page": 0}
    for name, each in describe_files(staged).items():
        first = name.partition("/")[0]
        part = "graph" if name == GRAPH else first if first in (_RUNTIME, _EXAMPLES) else "page"
        sizes[part] += each["bytes"]
    return sizes


def _put(part: Path, place: Path) -> None:
    """Move a file or a folder to its place, instead of the one that is there."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif place.exists() or place.is_symlink():
        place.unlink()
    part.replace(place)
