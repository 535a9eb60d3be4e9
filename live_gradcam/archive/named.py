"""A film under the name that it has among many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from typing_extensions import override

from live_gradcam.capture.source import Source
from live_gradcam.values import Frame, SourceInfo


class NamedSource(Source):
    """A film under the name that it has among many.

    Args:
        inner: The film; closed with it.
        name: What frames are said to come from.
    """

    def __init__(self, inner: Source, name: str) -> None:
        self._inner = inner
        self._name = name

    @property
    @override
    def info(self) -> SourceInfo:
        return replace(self._inner.info, name=self._name)

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        return self._inner.notes

    @property
    @override
    def skipped(self) -> int:
        return self._inner.skipped

    @override
    def __iter__(self) -> Iterator[Frame]:
        for frame in self._inner:
            yield replace(frame, source=self._name)

    @override
    def interrupt(self) -> None:
        self._inner.interrupt()

    @override
    def close(self) -> None:
        self._inner.close()
