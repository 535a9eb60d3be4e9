"""Examples of classes: bursts of features, as they were shown one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.motion import find_moved, share_of_cells
from live_gradcam.values import Image

ANYTHING_ELSE = "anything else"
"""Name of the class of all that is none of the others, such as an empty table."""

THUMBNAIL = 64
"""Longest side of a burst's small picture in pixels."""

# Shares of a picture's sides that its views show, beside the whole.
_VIEWS = (0.85, 0.7)


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrame:
    """What is kept of a frame until it is known what moves in its burst.

    Attributes:
        maps: See `FrameFeatures.maps`, float16.
        pixels: See `FrameFeatures.pixels`.
    """

    maps: NDArray[np.float16]
    pixels: Image


@dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """Frames of a burst in which something moves before a still background.

    Attributes:
        maps: The trunk's maps of these frames, float16 ``(m, C, h, w)``; see `FrameFeatures.maps`.
        share: How much of each position moves, 0..1, float32 ``(m, h, w)``.
        covered: Features of the same frames with all that moves covered, float32 ``(m, C)``.
        wall: What stands still, `motion.WALL` pixels high and wide, ``uint8 (s, s, 4)``: BGR, and
            255 where nothing ever moved.
    """

    maps: NDArray[np.float16]
    share: NDArray[np.float32]
    covered: NDArray[np.float32]
    wall: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Burst:
    """Frames that were shown in one go, or the views of one picture: near-copies of each other.

    Attributes:
        label: Name of the class.
        features: float32 ``(n, C)``.
        name: Where it comes from, such as a file; empty for a camera.
        moving: What moves in it, and before what; without frames where nothing moves, ``None``
            where the camera moves, or where these are no frames of a film.
        thumbnail: Its middle frame as the network was shown it, at most `THUMBNAIL` pixels high
            and wide, ``uint8 (h, w, 3)``, BGR; ``None`` where it is not known.
    """

    label: str
    features: NDArray[np.float32]
    name: str = ""
    moving: Moving | None = None
    thumbnail: Image | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def source(self) -> str:
        """The film that it is a part of; empty where it is no part of one.

        Parts of a film are called ``FILM#1/3``, ``FILM#2/3``, ...
        """
        film, mark, number = self.name.rpartition("#")
        return film if mark and not number.endswith("/1") else ""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Bursts of several classes, in the order in which they were shown. Immutable.

    Attributes:
        labels: Names of the classes, in order; each once.
        bursts: Each of one of the classes.
    """

    labels: tuple[str, ...] = ()
    bursts: tuple[Burst, ...] = ()

    def with_class(self, label: str) -> Examples:
        """Return the same with a class more, if it is not among them."""
        return self if label in self.labels else replace(self, labels=(*self.labels, label))

    def with_burst(self, burst: Burst) -> Examples:
        """Return the same with a burst more, and its class if need be."""
        with_class = self.with_class(burst.label)
        return replace(with_class, bursts=(*self.bursts, burst)) if len(burst) else with_class

    def without_last(self, label: str | None = None) -> Examples:
        """Return the same without the last burst, of a class or of all; classes stay."""
        for index in reversed(range(len(self.bursts))):
            if label is None or self.bursts[index].label == label:
                return replace(self, bursts=self.bursts[:index] + self.bursts[index + 1 :])
        return self

    def renamed(self, label: str, name: str) -> Examples:
        """Return the same with another name of a class."""
        labels = tuple(name if each == label else each for each in self.labels)
        bursts = (replace(e, label=name) if e.label == label else e for e in self.bursts)
        return Examples(labels, tuple(bursts))

    def without_class(self, label: str) -> Examples:
        """Return the same without a class and its bursts."""
        labels = tuple(each for each in self.labels if each != label)
        return Examples(labels, tuple(each for each in self.bursts if each.label != label))

    def with_moving(self, name: str, moving: Moving) -> Examples:
        """Return the same with what moves in the burst of a name."""
        bursts = (replace(e, moving=moving) if e.name == name else e for e in self.bursts)
        return replace(self, bursts=tuple(bursts))

    def count(self, label: str) -> int:
        """Return the number of examples of a class."""
        return sum(len(each) for each in self.bursts if each.label == label)

    def taught(self) -> Examples:
        """Return the same without the classes that have no examples."""
        return replace(self, labels=tuple(each for each in self.labels if self.count(each)))

    def features(self, bursts: Sequence[Burst] | None = None) -> NDArray[np.float32]:
        """Return the features of some bursts, or of all, ``(n, C)``."""
        return np.concatenate(
            [each.features for each in (self.bursts if bursts is None else bursts)]
        )

    def classes(self, bursts: Sequence[Burst] | None = None) -> NDArray[np.int64]:
        """Return the index of the class of each example of some bursts, or of all, ``(n,)``."""
        chosen = self.bursts if bursts is None else bursts
        indices = {label: index for index, label in enumerate(self.labels)}
        return np.repeat(
            np.array([indices[each.label] for each in chosen], np.int64),
            [len(each) for each in chosen],
        )


def make_burst(
    label: str, frames: Sequence[FrameFeatures], extractor: FeatureExtractor, *, name: str = ""
) -> Burst:
    """Make a burst of frames that follow each other, and find what moves in them.

    Args:
        label: Name of the class.
        frames: In order; at least one.
        extractor: Made them.
        name: Where they come from.
    """
    features = np.stack([each.pooled for each in frames])
    small = thumbnail_of(frames[len(frames) // 2].pixels)
    return Burst(label, features, name, find_moving(frames, extractor), small)


def picture_burst(
    label: str, image: Image, extractor: FeatureExtractor, *, name: str = ""
) -> Burst:
    """Make a burst of one picture: of its views, which are held out together."""
    frames = extractor.extract(views_of(image))
    features = np.stack([each.pooled for each in frames])
    return Burst(label, features, name, thumbnail=thumbnail_of(frames[0].pixels))


def thumbnail_of(pixels: Image) -> Image:
    """Return a picture of at most `THUMBNAIL` pixels, ``uint8 (h, w, 3)``."""
    height, width = pixels.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def views_of(image: Image) -> list[Image]:
    """Return a picture and views of it from nearer: near-copies that are no copies.

    Nothing is mirrored: an arrow to the left is none to the right.
    """
    height, width = image.shape[:2]
    views = [image]
    for share in _VIEWS:
        top, left = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
        if min(height - 2 * top, width - 2 * left) >= 8:
            views.append(image[top : height - top, left : width - left])
    return views


def find_moving(
    frames: Sequence[FrameFeatures | KeptFrame], extractor: FeatureExtractor
) -> Moving | None:
    """Return what moves in frames that follow each other, and before what.

    Returns:
        ``None`` where the camera moves, or there are too few frames to tell.
    """
    pixels: list[Image] = [each.pixels for each in frames]
    found = find_moved(pixels)
    if found is None:
        return None
    channels, height, width = frames[0].maps.shape
    maps = [frames[each.index].maps for each in found.moved]
    share = [share_of_cells(each.mask, height, width) for each in found.moved]
    return Moving(
        np.array(maps, np.float16).reshape(-1, channels, height, width),
        np.array(share, np.float32).reshape(-1, height, width),
        extractor.extract_pixels([each.covered for each in found.moved]),
        found.wall,
    )
