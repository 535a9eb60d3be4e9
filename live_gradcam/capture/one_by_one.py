"""Sources that decode one frame when it is asked for, and the first one when they are opened."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator

from typing_extensions import override

from live_gradcam.capture.source import Source
from live_gradcam.values import Frame, SourceInfo


class OneByOneSource(Source):
    """Decodes frame after frame with `_decode_next`. Safe to close from any thread.

    A subclass sets `_waiting`, the first frame, and `_info`, which is made of it.

    Args:
        on_notice: Told each note when it arises.
    """

    _info: SourceInfo

    def __init__(self, on_notice: Callable[[str], None] | None) -> None:
        self._on_notice = on_notice
        self._notes: list[str] = []
        self._skipped = 0
        self._delivered = 0
        self._closed = False
        self._lock = threading.Lock()
        self._waiting: Frame | None = None

    @property
    @override
    def info(self) -> SourceInfo:
        """Properties of the source; those of images are the first one's."""
        return self._info

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    @property
    @override
    def skipped(self) -> int:
        return self._skipped

    @override
    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that is left.

        Raises:
            SourceError: A frame is broken and broken ones are errors.
        """
        while True:
            with self._lock:
                if self._closed:
                    return
                frame, self._waiting = self._waiting or self._decode_next(), None
            if frame is None:
                return
            yield frame

    @override
    def close(self) -> None:
        """End the iteration and release what it reads. Idempotent."""
        with self._lock:
            self._closed = True
            self._waiting = None
            self._release()

    @abstractmethod
    def _decode_next(self) -> Frame | None:
        """Decode a frame; `None` at the end. Runs with the lock held."""

    def _release(self) -> None:
        """Close what is read; may be called again."""

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)
            if self._on_notice is not None:
                self._on_notice(sentence)
