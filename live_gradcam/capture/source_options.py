"""How a source is to be opened, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from live_gradcam.capture.raw import RAW, RawFormat, raw_format


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Options of `open_source`."""

    loop: bool
    width: int | None
    height: int | None
    fps: float | None
    max_outage_seconds: float | None
    strict: bool
    stream: int | None
    keep_timestamps: bool
    seed: int
    input_format: str | None
    pixel_format: str | None
    on_notice: Callable[[str], None] | None

    @property
    def raw(self) -> RawFormat | None:
        """Format of raw video; ``None`` where the content says what it is."""
        if self.input_format != RAW:
            return None
        return raw_format(self.width, self.height, self.pixel_format, self.fps)
