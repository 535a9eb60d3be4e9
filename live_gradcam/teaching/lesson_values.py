"""Values of a lesson: what is being shown, what was taught of it, and what was taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from live_gradcam.explain.classifier import Classifier
from live_gradcam.teaching.examples import Burst, Examples, KeptFrame, thumbnail_of
from live_gradcam.teaching.features import FrameFeatures
from live_gradcam.teaching.fit import FittedHead
from live_gradcam.teaching.learned import Learned


class TakenBack(NamedTuple):
    """What was taken back.

    Attributes:
        label: Name of the class.
        examples: Number of them.
    """

    label: str
    examples: int


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """The newest head, and what is known of it.

    Attributes:
        version: Of the examples that the head knows, see `LessonState.version`; it may know frames
            of a burst that is still being shown, too.
        classifier: With the newest head; ``None`` while fewer than two classes have examples.
        head: The same, as it was fitted; its rows are the classifier's labels.
        learned: What was learned, as soon as it is known; of an older head before.
        learned_of: Version of the examples that `learned` tells of; -1 for none.
        trouble: Why the newest examples could not be learned, as a sentence; empty if they were.
    """

    version: int = -1
    classifier: Classifier | None = None
    head: FittedHead | None = None
    learned: Learned | None = None
    learned_of: int = -1
    trouble: str = ""

    @property
    def is_learned(self) -> bool:
        """True if `learned` tells of the same examples that the head knows."""
        return self.learned is not None and self.learned_of == self.version


class Snapshot(NamedTuple):
    """A moment of a lesson.

    Attributes:
        version: Of its examples, see `LessonState.version`.
        examples: With the frames of the burst that is being shown, as a burst.
        showing: Number of these frames.
    """

    version: int
    examples: Examples
    showing: int


@dataclass(slots=True, eq=False)
class OpenBurst:
    """A burst that is being shown; of a long one every second, fourth, ... frame is kept whole.

    Attributes:
        ends: When it ends by itself; ``None`` if it does not.
        cuts: When it becomes the next burst, earliest first.
    """

    label: str
    name: str
    ends: float | None = None
    cuts: list[float] = field(default_factory=list)
    pooled: list[NDArray[np.float32]] = field(default_factory=list)
    kept: list[KeptFrame] = field(default_factory=list)
    step: int = 1

    def add(self, frame: FrameFeatures, room: int) -> None:
        """Add a frame; of more than twice as many as there is room for, half are let go."""
        if len(self.pooled) % self.step == 0:
            # A frame's arrays may be parts of a batch's, which would stay in memory with them.
            kept = KeptFrame(frame.maps.astype(np.float16), frame.pixels.copy())
            self.kept.append(kept)
            if len(self.kept) > 2 * room:
                self.kept, self.step = self.kept[::2], 2 * self.step
        self.pooled.append(frame.pooled.copy())

    def burst(self) -> Burst:
        """Return it as one that has ended."""
        small = thumbnail_of(self.kept[len(self.kept) // 2].pixels)
        return Burst(self.label, np.stack(self.pooled), self.name, thumbnail=small)
