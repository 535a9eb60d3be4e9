"""The values that flow through live-gradcam: frozen, without behaviour beyond themselves.

Images are ``uint8 (H, W, 3)`` in BGR order everywhere outside ``live_gradcam.explain``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.picture import Picture
from live_gradcam.presentable import Presentable

Image: TypeAlias = NDArray[np.uint8]
"""``uint8 (H, W, 3)``, BGR, C-contiguous or a view with the same meaning."""

Evidence: TypeAlias = NDArray[np.float32]
"""``float32 (K, h, w)``, signed, neither rectified nor normalised; Grad-CAM's is in logit units."""

SourceKind: TypeAlias = Literal["camera", "screen", "stream", "video", "pictures", "scene"]

OutputName: TypeAlias = Literal["softmax", "sigmoid", "binary", "raw"]
"""Relation of probabilities to logits: one class is true, each is true or not, a single logit has
two sides, or there are no probabilities because the output is plain numbers."""

SquashingName: TypeAlias = Literal["softmax", "log-softmax", "sigmoid", "log-sigmoid"]
"""Last operation of a network that makes probabilities, or their logarithms, of logits."""


@dataclass(frozen=True, slots=True)
class OutputKind:
    """Meaning of a network's output.

    Attributes:
        name: Relation of probabilities to logits.
        inside: The squashing that the network ends with itself, and that was cut off, so that
            logits are logits; ``None`` where the network puts out logits.
        threshold: Probability above which a class is true, in 0..1; of ``binary`` and ``sigmoid``.
    """

    name: OutputName = "softmax"
    inside: SquashingName | None = None
    threshold: float = 0.5

    def __str__(self) -> str:
        return self.name if self.inside is None else f"{self.name}, {self.inside} inside"

    @property
    def has_probabilities(self) -> bool:
        """``True`` unless the output is plain numbers."""
        return self.name != "raw"

    @property
    def exclusive(self) -> bool:
        """``True`` where one class is true and the probabilities add up to 1."""
        return self.name in ("softmax", "binary")

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64] | None:
        """Compute the probabilities of all classes.

        Args:
            logits: ``(..., classes)``; for ``binary`` the two sides, one the negative of the other.

        Returns:
            ``float64 (..., classes)`` in 0..1; ``None`` where the output is plain numbers.
        """
        scores = np.asarray(logits, np.float64)
        if self.name == "raw":
            return None
        if self.name == "softmax":
            powers = np.exp(scores - scores.max(-1, keepdims=True))
            return np.asarray(powers / powers.sum(-1, keepdims=True))
        small = np.exp(-np.abs(scores))  # never overflows
        return np.asarray(np.where(scores >= 0, 1.0, small) / (1.0 + small))

    def strengths(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compute what says how strongly each class is predicted: its probability, or the number.

        Args:
            logits: As for `probabilities`.
        """
        probabilities = self.probabilities(logits)
        return np.asarray(logits, np.float64) if probabilities is None else probabilities

    def ranking(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Return the class indices of one image, best first; equal ones in their order.

        Of a binary output the side that the threshold decides for is the best one.

        Args:
            logits: ``(classes,)``.
        """
        if self.name == "binary":
            positive = self.strengths(logits)[1] > self.threshold
            return np.array([1, 0] if positive else [0, 1])
        return np.argsort(-logits, kind="stable")


SOFTMAX = OutputKind()
"""The usual kind: one class is true, and the network puts out its logits."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of a source.

    Attributes:
        image: ``uint8 (H, W, 3)``, BGR. Never modified in place by any consumer.
        index: Position in the source, from 0, counting the frames that were delivered.
        pts_seconds: Presentation time, from the beginning of the source.
        source: The file's name where a source has several files, else the source's name.
        captured_seconds: ``time.monotonic()`` when the image arrived; ``None`` for files.
        start_seconds: Time that the source itself gives its beginning: ``pts_seconds`` plus this is
            the frame's original time.
        place: Number of a picture among those of its source, from 1, and how many these are;
            ``None`` for frames that follow each other in time.
    """

    image: Image
    index: int
    pts_seconds: float
    source: str = ""
    captured_seconds: float | None = None
    start_seconds: float = 0.0
    place: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(
                "a frame's image must be uint8 (H, W, 3), "
                f"not {self.image.dtype} {self.image.shape}"
            )


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a frame that the network saw, in frame pixels."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"a region needs a positive size, not {self.width}x{self.height}")

    def as_list(self) -> list[int]:
        """``[x, y, width, height]``, the form that records use."""
        return [self.x, self.y, self.width, self.height]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class and the network's score for it.

    Attributes:
        class_index: Index in the network's output.
        label: Human-readable name.
        logit: Score before any squashing; the number itself where the output is ``raw``.
        probability: In 0..1, as the network means it, see `OutputKind`; ``None`` where the output
            is plain numbers.
    """

    class_index: int
    label: str
    logit: float
    probability: float | None

    @property
    def strength(self) -> float:
        """The probability; the number itself where the output is plain numbers."""
        return self.logit if self.probability is None else self.probability


class Int8Fidelity(NamedTuple):
    """How far a network in 8 bits is from itself in float32, as its file says.

    Measured on pictures that its ranges were not taken from. What is not known is NaN.

    Attributes:
        pictures: Their number.
        top1_agreement: Share of them with the same best class.
        median_cosine: Of the maps of one class.
        worst_cosine: The smallest.
    """

    pictures: float
    top1_agreement: float
    median_cosine: float
    worst_cosine: float

    @classmethod
    def of(cls, figures: Mapping[str, float]) -> Int8Fidelity:
        """Return what stands in a file's metadata."""
        return cls(*(figures.get(name, math.nan) for name in cls._fields))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation(Presentable):
    """A network's predictions for one image, and the maps of evidence that explain them.

    It can be pickled, copied, and turned into a dictionary and back (`to_dict`, `from_dict`).

    Attributes:
        predictions: Best first.
        explained: Class index of each map in ``evidence``; the first is the one that is shown.
        evidence: ``float32 (K, h, w)``, one signed map per explained class, at the network's own
            resolution. In logit units, and for a closed-form head the map's sum plus the class's
            bias is the class's logit, for Grad-CAM and for what is like it.
        region: The part of the frame that the maps cover.
        labels: Label of each explained class, in the order of ``explained``.
        method: Name of the method that made the maps.
        unit: Of the maps; ``logits`` only where a number is a contribution to a score.
        class_specific: The maps depend on the class.
        completeness_residual: ``|sum(map) + bias - logit|`` of the first explained class for
            closed-form heads (see `live_gradcam.explain.heads`) and methods whose maps add up to
            the score; ``None`` elsewhere.
        finite: ``False`` where the network's output was not finite even in float32; the maps are
            then all zero ("no evidence").
        timings_ms: Duration of each stage in milliseconds.
        output: Meaning of the network's output, and so of the predictions' numbers.
        picture: What is remembered of the image; ``None`` where the explanation was made by hand.
        roi: The part of the frame that was explained by itself, in frame pixels; ``None`` for all.
        int8: How far the network is from itself in float32; ``None`` where none of it is in 8 bits.
    """

    predictions: tuple[Prediction, ...]
    explained: tuple[int, ...]
    evidence: Evidence
    region: Region
    labels: tuple[str, ...] = ()
    method: str = "gradcam"
    unit: str = "logits"
    class_specific: bool = True
    completeness_residual: float | None = None
    finite: bool = True
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    output: OutputKind = SOFTMAX
    picture: Picture | None = None
    roi: Region | None = None
    int8: Int8Fidelity | None = None

    def __post_init__(self) -> None:
        if self.evidence.ndim != 3 or len(self.explained) != self.evidence.shape[0]:
            raise ValueError(
                f"evidence must be (K, h, w) with one map for each of the {len(self.explained)} "
                f"explained classes, not {self.evidence.shape}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping that cannot be changed cannot be pickled either.
        values = {name: getattr(self, name) for name in self.__slots__}
        return _rebuilt, ({**values, "timings_ms": dict(self.timings_ms)},)

    def with_classes(self, classes: Sequence[int]) -> Explanation:
        """Select the maps of some of the explained classes, in this order.

        Args:
            classes: Class indices, each one of ``explained``.

        Raises:
            ValueError: There is no map of such a class.
        """
        places = [self.explained.index(each) for each in classes]
        return replace(
            self,
            explained=tuple(classes),
            evidence=np.ascontiguousarray(self.evidence[places]),
            labels=tuple(self.labels[place] for place in places) if self.labels else (),
            # It is known of the map that was the first.
            completeness_residual=self.completeness_residual if places[:1] == [0] else None,
        )


def _rebuilt(values: dict[str, Any]) -> Explanation:
    return Explanation(**values)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Properties of an open source.

    Attributes:
        name: Short name for titles and records, e.g. ``clip.mp4`` or ``camera 0``.
        kind: Sort of the source.
        live: ``True`` where frames come in real time and old ones are worthless.
        width: Width of upright frames in pixels; of the first image for images.
        height: Height of upright frames in pixels.
        fps: Nominal rate in frames per second; ``None`` where unknown (images).
        frame_count: Number of frames where known or well estimated, else ``None``.
        time_base: Seconds per tick of the original timestamps; ``None`` where there are none.
        path: The video file itself, from which sound can be copied; ``None`` elsewhere.
        duration_seconds: Length where known, else ``None``.
        several_files: ``True`` where frames come from more than one file.
        open_again: Opens the container of a film that is no file once more, for its sound;
            ``None`` where there is a ``path``, or where it can be read only once.
        has_sound: The film has sound.
        start_seconds: Time that the file itself gives its beginning, which was subtracted from the
            frames' times; the sound of ``path`` is to be shifted by as much.
    """

    name: str
    kind: SourceKind
    live: bool
    width: int
    height: int
    fps: float | None = None
    frame_count: int | None = None
    time_base: Fraction | None = None
    path: Path | None = None
    duration_seconds: float | None = None
    several_files: bool = False
    open_again: Callable[[], Any] | None = field(default=None, repr=False, compare=False)
    has_sound: bool = False
    start_seconds: float = 0.0
