"""Preprocessing of a network's images, as numbers: size, filter, channels, range, mean and std."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from live_gradcam.choices import DEFAULT_RESAMPLE, Resample, View
from live_gradcam.errors import ModelError
from live_gradcam.preprocessing.channels import Plane, natural_channels, parse_channels
from live_gradcam.wording import did_you_mean

Interpolation: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
"""Filter of a resize, by PIL's names."""

Size: TypeAlias = "int | tuple[int, int]"
"""Side of a square, or height and width, in pixels."""

FAST_FILTERS = ("bilinear", "bicubic")
"""Filters that torch has for ``uint8``; with the others PIL resizes."""

_IMAGENET = {
    "red": (0.485, 0.229),
    "green": (0.456, 0.224),
    "blue": (0.406, 0.225),
}
_OTHER_PLANE = (0.5, 0.5)
_UNIT = (0.0, 1.0)
_MOST_PIXELS = 8192


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Settings of a network's preprocessing: torchvision's evaluation transform as numbers.

    The image is resized, its centre is cut out, its channels are picked, its values are brought
    from 0..255 to ``value_range``, and each channel becomes ``(value - mean) / std``.

    Attributes:
        resize_size: Length in pixels that the short side is resized to; or height and width that
            the whole image is squeezed into. With an input that is not square, the length is that
            of the input's short side, and the image covers the input.
        crop_size: Side in pixels of the square that is cut from the centre, or its height and
            width: the size of the network's input.
        mean: Subtracted per channel, in the order of ``channels`` and the unit of ``value_range``;
            one number stands for all channels. If empty, ImageNet's for red, green and blue and 0.5
            for other channels, and 0 where ``value_range`` is not 0..1.
        std: Divided by per channel, likewise; if empty, ImageNet's and 0.5, or 1.
        interpolation: Filter of the resize.
        antialias: The filter is widened when shrinking; always so for PIL images.
        channels: Channels of the input: ``rgb``, ``bgr``, ``gray`` (the luma of ITU-R 601, as PIL
            and torchvision's ``Grayscale`` have it), ``rgba`` (with an opaque fourth channel), or
            several joined with ``+``: ``gray+gray``, ``rgb+zeros``.
        value_range: Values that black and white become before ``mean`` and ``std``: ``(0, 1)``,
            ``(0, 255)`` or ``(-1, 1)``.
        resample: Library that resizes. ``torch`` differs from torchvision's transform of PIL
            images by one grey level at single pixels, ``pil`` not at all; it takes many times as
            long.
            Filters other than ``bilinear`` and ``bicubic`` are always PIL's.

    Raises:
        ModelError: A value is not usable, or contradicts another.
        UsageError: There are no such channels.
    """

    resize_size: Size = 256
    crop_size: Size = 224
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    channels: str = "rgb"
    value_range: tuple[float, float] = _UNIT
    resample: Resample = DEFAULT_RESAMPLE

    def __post_init__(self) -> None:
        planes = self.planes
        for name in ("resize_size", "crop_size"):
            object.__setattr__(self, name, _size(name, getattr(self, name)))
        low, high = self._finite("value_range", 2)
        if not low < high:
            raise _refused("value_range", self.value_range, "its first value is not the smaller")
        object.__setattr__(self, "value_range", (low, high))
        whole = self.value_range == _UNIT
        for position, name in enumerate(("mean", "std")):
            usual = [
                _IMAGENET.get(plane, _OTHER_PLANE)[position] if whole else float(position)
                for plane in planes
            ]
            values = self._finite(name, len(planes)) if _given(getattr(self, name)) else usual
            object.__setattr__(self, name, tuple(values))
        self._check_numbers()
        if self.interpolation not in get_args(Interpolation):
            hint = did_you_mean(str(self.interpolation), get_args(Interpolation))
            step = f"{hint}Use one of {', '.join(get_args(Interpolation))}"
            raise _refused("interpolation", self.interpolation, "it is not supported", step)
        if self.resample not in get_args(Resample):
            step = f"Use {' or '.join(get_args(Resample))}"
            raise _refused("resample", self.resample, "it is not supported", step)
        if self.antialias is not True:
            raise _refused("antialias", self.antialias, "it is not supported")

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Channels of the network's input, in order."""
        return parse_channels(self.channels)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input in pixels."""
        size = self.crop_size
        return (size, size) if isinstance(size, int) else size

    def for_view(self, view: View) -> Preprocessing:
        """Return the preprocessing that shows by itself what a view shows.

        Args:
            view: ``stretch`` squeezes the whole image; the others show what they showed.
        """
        return replace(self, resize_size=self.input_size) if view == "stretch" else self

    @property
    def divisor(self) -> float:
        """Number that ``uint8`` pixels are divided by; `offset` is added afterwards."""
        return 255.0 / (self.value_range[1] - self.value_range[0])

    @property
    def offset(self) -> float:
        """Value that black becomes before ``mean`` and ``std``."""
        return self.value_range[0]

    @classmethod
    def from_transform(cls, transform: Any) -> Preprocessing:  # noqa: ANN401 - torchvision is untyped
        """Read the numbers of ``weights.transforms()``."""
        return cls(
            resize_size=int(transform.resize_size[0]),
            crop_size=int(transform.crop_size[0]),
            mean=tuple(map(float, transform.mean)),
            std=tuple(map(float, transform.std)),
            interpolation=transform.interpolation.value,
            antialias=bool(transform.antialias),
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Preprocessing:
        """Read the numbers of a model card's ``preprocessing`` entry."""
        return cls(
            resize_size=int(record["resize_size"]),
            crop_size=int(record["crop_size"]),
            mean=tuple(map(float, record["mean"])),
            std=tuple(map(float, record["std"])),
            interpolation=record.get("interpolation", "bilinear"),
            antialias=bool(record.get("antialias", True)),
        )

    def for_channels(self, count: int) -> Preprocessing:
        """Return what a network whose first layer wants that many channels most likely wants.

        Raises:
            ModelError: No image has that many channels by nature.
        """
        if count == len(self.planes):
            return self
        channels = natural_channels(count)
        if channels is None:
            raise ModelError(
                "cannot use the network",
                f"its input has {count} channels",
                "what each of them is cannot be known",
                'Say it with --channels, or channels= of Preprocessing: "gray+gray", '
                '"rgb+zeros", or another sum of rgb, bgr, gray, alpha and zeros',
            )
        return self.with_channels(channels)

    def with_channels(self, channels: str) -> Preprocessing:
        """Return the same for other channels.

        Each keeps its mean and std; those of new ones are the usual ones, see `Preprocessing`.
        """
        fresh = replace(self, channels=channels, mean=(), std=())
        numbers = dict(zip(fresh.planes, zip(fresh.mean, fresh.std, strict=True), strict=True))
        numbers |= dict(zip(self.planes, zip(self.mean, self.std, strict=True), strict=True))
        return replace(
            fresh,
            mean=tuple(numbers[plane][0] for plane in fresh.planes),
            std=tuple(numbers[plane][1] for plane in fresh.planes),
        )

    def describe(self) -> str:
        """Return channels, range, mean and std in words, for a note."""
        height, width = self.input_size
        low, high = (f"{value:g}" for value in self.value_range)
        mean, std = _joined(self.mean), _joined(self.std)
        return f"{self.channels}, {width}x{height} pixels in {low}..{high}, mean {mean}, std {std}"

    def _finite(self, name: str, count: int) -> tuple[float, ...]:
        """Return a field's numbers, one of them repeated as often as it takes."""
        given = getattr(self, name)
        try:
            values = [float(given)] if isinstance(given, (int, float)) else [*map(float, given)]
        except (TypeError, ValueError) as exc:
            raise _refused(name, given, "it is no number") from exc
        if not all(map(math.isfinite, values)):
            raise _refused(name, given, "it is not finite")
        if len(values) == 1:
            values *= count
        if len(values) != count:
            what = f"{self.channels} has {count}" if name != "value_range" else f"it needs {count}"
            raise _refused(name, given, f"these are {len(values)} numbers, {what}")
        return tuple(values)

    def _check_numbers(self) -> None:
        if not all(value > 0 for value in self.std):
            raise _refused("std", self.std, "it is not positive")
        low, high = self.value_range
        shown = f"{low:g}..{high:g}"
        outside = [value for value in self.mean if not low <= value <= high]
        if outside:
            cause = f"the values are {shown}, and {outside[0]:g} is not among them"
            step = "Say the range of the values, such as 0..255" if high == 1 else ""
            raise _refused("mean", self.mean, cause, step)
        if high - low > 2 and 0 < max(map(abs, self.mean)) <= 1 and max(self.std) <= 1:
            cause = f"the values are {shown}, and these are numbers for 0..1"
            raise _refused("mean", self.mean, cause, "Give both in the same unit")
        if self.crop_size != self.resize_size:
            height, width = self.input_size
            tall, wide = _resized_at_least(self)
            if tall < height or wide < width:
                cause = f"it is smaller than the input of {width}x{height}"
                raise _refused("resize_size", self.resize_size, cause)


def _resized_at_least(preprocessing: Preprocessing) -> tuple[float, float]:
    """Height and width that every image has at least when it has been resized."""
    size = preprocessing.resize_size
    if not isinstance(size, int):
        return size
    height, width = preprocessing.input_size
    share = size / min(height, width)
    return height * share, width * share


def _given(values: object) -> bool:
    return not isinstance(values, Sequence) or len(values) > 0


def _size(name: str, given: Any) -> Size:  # noqa: ANN401 - of a user or a file
    """Return a size as a number where it is a square's, and as height and width elsewhere."""
    sides = list(given) if isinstance(given, (list, tuple)) else [given]
    whole = all(
        (isinstance(side, int) and not isinstance(side, bool))
        or (isinstance(side, float) and side.is_integer())
        for side in sides
    )
    if (
        len(sides) not in (1, 2)
        or not whole
        or not all(1 <= side <= _MOST_PIXELS for side in sides)
    ):
        step = f"Use a number from 1 to {_MOST_PIXELS}, or height and width"
        raise _refused(name, given, "it is no size in pixels", step)
    if len(sides) == 1:
        return int(sides[0])
    height, width = map(int, sides)
    # A squeezed image stays apart from one whose short side is resized, even into a square.
    return height if name == "crop_size" and height == width else (height, width)


def _joined(values: Sequence[float]) -> str:
    distinct = [f"{value:g}" for value in values]
    return distinct[0] if len(set(distinct)) == 1 else "/".join(distinct)


def _refused(name: str, value: object, cause: str, step: str = "") -> ModelError:
    return ModelError("cannot use this preprocessing", f"{name}={value!r:.80}", cause, step)
