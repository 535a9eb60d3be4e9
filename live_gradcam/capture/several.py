"""Several sources on one command line, in the order in which they are explained.

Pictures that stand beside each other are one source of many pictures, so that an unquoted pattern,
which a shell has made a list of, is what the quoted one is. Everything else is a source of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from live_gradcam.capture.images import ImagesSource, is_image_file, natural_key
from live_gradcam.capture.open import open_source, require_source, source_files
from live_gradcam.capture.source import LiveSource, Source
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.images.animated import is_animated
from live_gradcam.images.sniff import sniff


@dataclass(frozen=True, slots=True)
class Part:
    """One of several sources.

    Attributes:
        specs: What was typed; more than one where they are pictures.
        kind: A film, pictures that were named one by one, or a folder or pattern of pictures.
        files: The files that are read, where they are known.
    """

    specs: tuple[str, ...]
    kind: str
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What it is called in messages."""
        more = f" and {len(self.specs) - 1} more" if len(self.specs) > 1 else ""
        return f"{self.specs[0]}{more}"

    def rename(self, name: str) -> str:
        """Return what a frame's name is among several sources: as it was typed."""
        if self.kind == "film":
            return self.specs[0]
        folder = Path(self.specs[0])
        return (folder / name).as_posix() if self.kind == "folder" and folder.is_dir() else name

    def open(
        self,
        open_one: Callable[[str], Source],
        *,
        fps: float | None,
        strict: bool,
        on_notice: Callable[[str], None] | None,
    ) -> Source:
        """Open it.

        Args:
            open_one: Opens a source of one word.
            fps: Pictures in a second; one if ``None``.
            strict: A broken picture is an error.
            on_notice: Told each sentence the user should know.

        Raises:
            SourceError: It cannot be read.
            UsageError: It is live, which cannot be combined.
        """
        if len(self.specs) > 1:
            paths = [Path(spec).expanduser() for spec in self.specs]
            return ImagesSource(paths, name=self.name, fps=fps, strict=strict, on_notice=on_notice)
        source = open_one(self.specs[0])
        if isinstance(source, LiveSource):
            source.close()
            raise _cannot_combine(self.specs[0], "it is live")
        return source


def open_pictures(
    specs: Sequence[str],
    *,
    loop: bool,
    strict: bool,
    on_notice: Callable[[str], None],
) -> ImagesSource:
    """Open several pictures, folders and patterns of pictures as one source, in their order.

    Args:
        specs: Each in a form of `open_source`.
        loop: Begin again after the last picture.
        strict: A picture that is missing or broken is an error, instead of being left out.
        on_notice: Told each sentence the user should know.

    Raises:
        SourceError: There is not one picture.
        UsageError: One of them is live or has no end.
    """
    parts = split_sources(
        specs, strict=strict, on_missing=lambda absent: on_notice(f"left out: {absent}")
    )

    def find() -> list[Path]:
        found: list[Path] = []
        for part in parts:
            files = part.files
            if part.kind == "folder":
                files = tuple(filter(is_image_file, source_files(part.specs[0])))
                files = tuple(sorted(files, key=natural_key))
            found += files
        return list(dict.fromkeys(found))

    return ImagesSource(
        find(),
        name=f"{parts[0].name} and more" if len(parts) > 1 else parts[0].name,
        loop=loop,
        strict=strict,
        on_notice=on_notice,
        find=find,
    )


def has_pictures(spec: str) -> bool:
    """Return whether a source has pictures to turn, or is not there yet so that it may have.

    Args:
        spec: In a form of `open_source`.
    """
    try:
        _refuse_endless(spec)
    except UsageError:
        return False
    files = source_files(spec)
    if not files:
        return "://" not in spec
    kinds = (is_image_file(path) and not is_animated(path, sniff(path).format) for path in files)
    return any(kinds)


def split_sources(
    specs: Sequence[str], *, strict: bool, on_missing: Callable[[SourceError], None]
) -> list[Part]:
    """Say what several sources are, before any is opened.

    Args:
        specs: Each in a form of `open_source`.
        strict: One that is missing is an error, instead of being left out.
        on_missing: Told each that is left out.

    Raises:
        SourceError: None of them is there; with ``strict``, one is not.
        UsageError: One of them is live or has no end.
    """
    for spec in specs:
        _refuse_endless(spec)
    found: list[tuple[str, str, tuple[Path, ...]]] = []
    missing: list[SourceError] = []
    for spec in specs:
        try:
            found.append(_recognise(spec))
        except SourceError as failure:
            if strict:
                raise
            missing.append(failure)
    if not found:
        raise missing[0]
    for absent in missing:
        on_missing(absent)
    return list(_join_pictures(found))


def _recognise(spec: str) -> tuple[str, str, tuple[Path, ...]]:
    require_source(spec)
    files = source_files(spec)
    path = Path(spec).expanduser()
    if "://" in spec and not spec.lower().startswith("file:"):
        return spec, "film", ()
    if not files and not path.exists():
        open_source(spec).close()  # which says why not
    if path.is_dir() or len(files) > 1:
        return spec, "folder", files
    if path.is_file() and is_image_file(path) and not is_animated(path, sniff(path).format):
        return spec, "picture", files
    return spec, "film", files


def _join_pictures(found: Sequence[tuple[str, str, tuple[Path, ...]]]) -> Iterator[Part]:
    for kind, group in groupby(found, key=lambda each: each[1]):
        members = list(group)
        if kind != "picture":
            for spec, _, files in members:
                yield Part((spec,), kind, files)
            continue
        specs = [spec for spec, _, _ in members]
        if specs == sorted(specs):  # as a shell lists them: p10 before p2
            specs.sort(key=lambda spec: natural_key(Path(spec)))
        yield Part(tuple(specs), kind, tuple(Path(spec).expanduser() for spec in specs))


def _refuse_endless(spec: str) -> None:
    text = spec.strip()
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if text.isdecimal() or text.startswith("/dev/video"):
        raise _cannot_combine(spec, "a camera is live")
    if scheme and scheme not in ("file", "http", "https"):
        raise _cannot_combine(spec, "a stream is live")
    if text == "-":
        raise _cannot_combine(spec, "it is standard input")
    if text == "scene" or text.startswith("scene:"):
        raise _cannot_combine(spec, "generated scenes have no end")


def _cannot_combine(spec: str, cause: str) -> UsageError:
    return UsageError("this source cannot be one of several", spec, cause, "Give it alone")
