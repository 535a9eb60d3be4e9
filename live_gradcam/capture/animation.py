"""Animated pictures that FFmpeg does not read, as films: WebP and AVIF, with Pillow."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from typing_extensions import override

from live_gradcam.capture.one_by_one import OneByOneSource
from live_gradcam.errors import SourceError
from live_gradcam.images.animated import open_animation
from live_gradcam.images.geometry import letterbox
from live_gradcam.values import Frame, SourceInfo

_MILLISECOND = Fraction(1, 1000)


class AnimationSource(OneByOneSource):
    """The frames of an animated WebP or AVIF picture, with their own times; played once.

    Args:
        path: The picture.
        loop: Begin again at the end; index and time go on.
        strict: A broken frame is an error; otherwise the film ends there.
        on_notice: Told each note when it arises.

    Raises:
        SourceError: Not one frame can be decoded.
    """

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = False,
        strict: bool = False,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(on_notice)
        self._path = path
        self._loop = loop
        self._strict = strict
        self._milliseconds = 0
        self._animation = open_animation(path)
        try:
            self._next_in_round = 0
            self._waiting = self._decode_next()
            if self._waiting is None:
                raise SourceError("cannot open video", str(path), "not one frame can be decoded")
        except BaseException:
            self._animation.close()
            raise
        height, width = self._waiting.image.shape[:2]
        self._info = SourceInfo(
            name=path.name,
            kind="video",
            live=False,
            width=width,
            height=height,
            fps=1000 / self._milliseconds if self._milliseconds else None,
            frame_count=None if loop else self._animation.frame_count,
            time_base=_MILLISECOND,
        )

    @override
    def _release(self) -> None:
        self._animation.close()

    @override
    def _decode_next(self) -> Frame | None:
        if self._next_in_round >= self._animation.frame_count:
            if not self._loop:
                return None
            self._next_in_round = 0
        try:
            image, duration = self._animation.frame(self._next_in_round)
        except SourceError as exc:
            if self._strict or not self._delivered:
                raise
            self._skipped += self._animation.frame_count - self._next_in_round
            self._note(str(exc))
            self._next_in_round, self._loop = self._animation.frame_count, False
            return None
        self._next_in_round += 1
        index, self._delivered = self._delivered, self._delivered + 1
        seconds, self._milliseconds = self._milliseconds / 1000, self._milliseconds + duration
        if index and image.shape != (self._info.height, self._info.width, 3):
            image = letterbox(image, self._info.width, self._info.height)
        return Frame(image, index, seconds, self._path.name)
