"""The page as one folder: written beside its place, then put there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from live_gradcam.choices import DEFAULT_METHOD, DEFAULT_TOP_K
from live_gradcam.errors import SinkError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.methods import require_method
from live_gradcam.exports import Exported, export
from live_gradcam.exports.checking import calibrates_itself, check_format
from live_gradcam.graph.metadata import GraphPrecision
from live_gradcam.os_errors import cannot_write
from live_gradcam.site.description import describe_site
from live_gradcam.site.examples import write_examples
from live_gradcam.site.filling import (
    WITH_PLACES,
    describe_file,
    describe_files,
    fill_places,
    version_of,
)
from live_gradcam.site.placing import DESCRIPTION, check_files, put, read_description, staging
from live_gradcam.site.runtime import FILES, Runtime
from live_gradcam.site.tables import PAGE_TEXTS, texts
from live_gradcam.site.translation import check_texts, fingerprint, own_texts
from live_gradcam.values import Image

GRAPH = "graph.onnx"
"""File with the network and its maps."""

_PAGE, _RUNTIME, _EXAMPLES = "page", "runtime", "examples"
_LICENSE = "LICENSE.txt"
_ENDINGS = (*WITH_PLACES, ".css", ".svg", ".png")
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
    title: str = "",
    words: Mapping[str, str] | None = None,
    check: Sequence[Image] = (),
    calibrate: Sequence[Image] = (),
    overwrite: bool = False,
    force: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Site:
    """Write a folder that any static web server can serve, and that explains in the browser.

    Files of the folder that are not the page's stay: it may be a repository. Of a page that is
    replaced, files that the new one does not have are removed, unless somebody changed them.

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
        title: Headline of the page; the network's name is beside it in any case.
        words: The page's texts in another language, of `live_gradcam.site.read_texts`; what is
            missing stays English. ``None`` keeps those of a page that is replaced.
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
    check_title(title)
    if classes is None:
        classes = usual_classes(classifier, method)
    if words is None:
        words = own_texts(read_description(folder), on_notice)
    check_texts(words, "words")
    try:
        with staging(folder) as staged:
            exported = export(
                classifier,
                staged / GRAPH,
                method=method,
                classes=classes,
                top_k=top_k,
                precision=precision,
                any_size=any_size,
                check=check,
                calibrate=calibrate,
                force=force,
                on_notice=on_notice,
            )
            examples = _fill(
                staged,
                exported,
                runtime,
                title=title or "live-gradcam",
                words={**texts(), **words},
            )
            sizes = _sizes(staged)
            put(staged, folder)
    except OSError as exc:
        raise cannot_write(_WHAT, folder, exc) from exc
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


def usual_classes(classifier: Classifier, method: str) -> str:
    """Return which classes of a page have a map where nothing else is said.

    Args:
        classifier: What is explained.
        method: Makes the maps.

    Returns:
        ``all`` where that costs nothing, else ``top``.

    Raises:
        UsageError: There is no such method.
    """
    head = require_method(method, classifier.head).make_head(classifier.head)
    every = head.all_maps_are_cheap and classifier.class_count <= _MOST_MAPS
    return "all" if every else "top"


def check_title(title: str) -> None:
    """Refuse a headline that no file can hold.

    Raises:
        UsageError: It came in another encoding than the terminal's.
    """
    try:
        title.encode()
    except UnicodeEncodeError as exc:
        shown = title.encode(errors="replace").decode()
        raise UsageError(_WHAT, shown, "its headline is not UTF-8", "Type it again") from exc


def check_folder(folder: Path, precision: GraphPrecision | None, *, overwrite: bool) -> None:
    """Refuse a place that cannot be right, before anything slow begins.

    Raises:
        UsageError: A page is there already, or files that are no page's, or the precision is
            unknown.
        ModelError: A package that exporting takes is not installed.
        SinkError: It is a file, or its folder does not exist.
    """
    if folder.exists() and not folder.is_dir():
        raise SinkError(_WHAT, str(folder), "it is a file", "Name a folder")
    if not folder.absolute().parent.is_dir():
        raise SinkError(_WHAT, str(folder), "its folder does not exist", "Create it")
    check_files(folder, _names(), overwrite=overwrite)
    if precision is not None:
        check_format(GRAPH, precision)


def _names() -> list[str]:
    """Every file that is known before the page is written."""
    with as_file(files("live_gradcam.site").joinpath(_PAGE)) as page:
        own = [file.relative_to(page).as_posix() for file in page.rglob("*") if _belongs(file)]
    runtime = [f"{_RUNTIME}/{name}" for name in (*FILES, _LICENSE)]
    return [*own, *runtime, DESCRIPTION, GRAPH]


def _belongs(file: Path) -> bool:
    return file.is_file() and file.suffix in _ENDINGS and file.name != PAGE_TEXTS


def _fill(
    staged: Path,
    exported: Exported,
    runtime: Runtime,
    *,
    title: str,
    words: Mapping[str, str],
) -> tuple[str, ...]:
    """Write everything but the graph; returns what the examples show."""
    (staged / _RUNTIME).mkdir()
    for name, path in runtime.files.items():
        shutil.copyfile(path, staged / _RUNTIME / name)
    package = files("live_gradcam.site")
    license_text = package.joinpath("onnxruntime-license.txt").read_text(encoding="utf-8")
    (staged / _RUNTIME / _LICENSE).write_text(license_text, encoding="utf-8")
    examples = write_examples(staged / _EXAMPLES, staged / GRAPH)
    with as_file(package.joinpath(_PAGE)) as page:
        for file in sorted(page.rglob("*")):
            if _belongs(file):
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
        runtime={"version": runtime.version},
        examples=[{"file": f"{_EXAMPLES}/{name}", "title": shown} for name, shown in examples],
        words=words,
        files=known,
    )
    version = version_of(description)
    for file in staged.iterdir():
        if file.suffix in WITH_PLACES:
            filled = file.read_text(encoding="utf-8")
            filled = fill_places(filled, file.suffix, version=version, title=title, words=words)
            file.write_text(filled, encoding="utf-8", newline="\n")
            known[file.name] = describe_file(file)
    description = {
        **description,
        "version": version,
        "english_sha256": fingerprint(texts()),
        "files": known,
    }
    text = json.dumps(description, ensure_ascii=False, allow_nan=False)
    (staged / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    return tuple(shown for _, shown in examples)


def _sizes(staged: Path) -> dict[str, int]:
    sizes = {"graph": 0, "runtime": 0, "examples": 0, "page": 0}
    for file in staged.rglob("*"):
        if file.is_file():
            first = file.relative_to(staged).parts[0]
            named = "graph" if first == GRAPH else first
            sizes[named if named in sizes else "page"] += file.stat().st_size
    return sizes
