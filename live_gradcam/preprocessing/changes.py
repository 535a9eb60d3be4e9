"""What a user says about a network's preprocessing: some of its numbers, or all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from live_gradcam.choices import Resample
from live_gradcam.errors import UsageError
from live_gradcam.preprocessing.channels import parse_channels
from live_gradcam.preprocessing.settings import Interpolation, Preprocessing, Size

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")
_SIZE = re.compile(r"\s*(\d{1,6})\s*(?:[xX*\u00d7,]\s*(\d{1,6})\s*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessingChanges:
    """Numbers of a preprocessing that were said; ``None`` leaves one to the network.

    Attributes:
        input_size: Size of the network's input, see `Preprocessing.crop_size`.
        resize_size: See `Preprocessing`; by default the input's, where only that was said.
        mean: See `Preprocessing`.
        std: See `Preprocessing`.
        channels: See `Preprocessing`.
        value_range: See `Preprocessing`; without ``mean`` and ``std`` it is all there is.
        interpolation: See `Preprocessing`.
        resample: See `Preprocessing`.
    """

    input_size: Size | None = None
    resize_size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str | None = None
    value_range: tuple[float, float] | None = None
    interpolation: Interpolation | None = None
    resample: Resample | None = None

    @property
    def given(self) -> Mapping[str, Any]:
        """What was said, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def only_resample(self) -> bool:
        """True if nothing of it says what the network wants."""
        return set(self.given) <= {"resample"}

    def updated(self, other: PreprocessingChanges) -> PreprocessingChanges:
        """Return both together; the other one counts where both say something."""
        return replace(self, **other.given)

    def apply(self, base: Preprocessing) -> Preprocessing:
        """Return a preprocessing with these changes.

        Raises:
            ModelError: They contradict each other, or the base.
            UsageError: There are no such channels.
        """
        changed = base if self.channels is None else base.with_channels(self.channels)
        given = dict(self.given)
        given.pop("channels", None)
        size = given.pop("input_size", None)
        if size is not None:
            given["crop_size"] = size
            given.setdefault("resize_size", _fitting(size, base))
        if self.value_range is not None:  # the network's own mean and std are in another unit
            given = {"mean": (0.0,), "std": (1.0,), **given}
        return replace(changed, **given)


def _fitting(size: Size, base: Preprocessing) -> Size:
    """The resize that shows as much of an image as an input of this size can hold."""
    sides = (size, size) if isinstance(size, int) else size
    return min(sides) if isinstance(base.resize_size, int) else sides


def parse_size(text: str, name: str) -> Size:
    """Read ``224`` or ``HEIGHTxWIDTH``.

    Raises:
        UsageError: It is neither.
    """
    found = _SIZE.fullmatch(text)
    if found is None or not all(int(each) for each in found.groups() if each is not None):
        raise UsageError(f"cannot use {name}", text, "", "Give 224, or height and width: 224x320")
    height, width = found.groups()
    return int(height) if width is None else (int(height), int(width))


def parse_numbers(text: str, name: str) -> tuple[float, ...]:
    """Read one number, or one for each channel, separated by commas or spaces.

    Raises:
        UsageError: It is neither.
    """
    parts = [part for part in re.split(r"[,;\s]+", text.strip("()[] \t")) if part]
    if not parts or not all(re.fullmatch(_NUMBER, part) for part in parts):
        step = "Give one number, or one for each channel: 0.485,0.456,0.406"
        raise UsageError(f"cannot use {name}", text, "", step)
    return tuple(map(float, parts))


def parse_range(text: str, name: str) -> tuple[float, float]:
    """Read ``0..1``, ``0..255`` or ``-1..1``.

    Raises:
        UsageError: It is none of these forms.
    """
    found = _RANGE.fullmatch(text)
    if found is None or not float(found[1]) < float(found[2]):
        raise UsageError(f"cannot use {name}", text, "", "Give 0..1, 0..255 or -1..1")
    return float(found[1]), float(found[2])


def checked_channels(text: str) -> str:
    """Return the name of channels, after checking that there are such channels.

    Raises:
        UsageError: There are none.
    """
    parse_channels(text)
    return text
