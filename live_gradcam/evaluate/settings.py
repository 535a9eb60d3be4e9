"""What is evaluated and how: decided once, and written into every result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from live_gradcam.choices import (
    DEFAULT_CURVE_STEPS,
    DEFAULT_METHOD,
    DEFAULT_SEED,
    DEFAULT_VIEW,
    View,
)
from live_gradcam.errors import UsageError
from live_gradcam.evaluate.dataset import Item

Measure: TypeAlias = Literal["accuracy", "removal", "curves", "drop", "pointing", "completeness"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
"""What can be measured: see ``live_gradcam.faithfulness.measures`` for what each one means."""

FORMAT = 1
"""Counts up when results of the same settings would have another form or other values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the results depend on, beside the network and the pictures.

    Attributes:
        methods: Names of the methods, side by side.
        measures: What is measured.
        view: What the network is shown of a picture.
        steps: Intervals of the deletion and insertion curves.
        seed: Of the controls, of the choice of pictures and of the random weights.
        sanity: Whether the weights are scrambled, part by part.
        sanity_pictures: How many pictures that is done with.
    """

    methods: tuple[str, ...] = (DEFAULT_METHOD,)
    measures: tuple[Measure, ...] = MEASURES
    view: View = DEFAULT_VIEW
    steps: int = DEFAULT_CURVE_STEPS
    seed: int = DEFAULT_SEED
    sanity: bool = True
    sanity_pictures: int = 8

    def __post_init__(self) -> None:
        if not self.methods:
            raise UsageError("no method is named", "--method", "", "Name at least one")
        twice = {name for name in self.methods if self.methods.count(name) > 1}
        if twice:
            raise UsageError("a method is named twice", sorted(twice)[0], "", "Name it once")

    def as_record(self) -> dict[str, Any]:
        """The settings under their names, ready for JSON."""
        return {
            "methods": list(self.methods),
            "measures": list(self.measures),
            "view": self.view,
            "steps": self.steps,
            "seed": self.seed,
            "sanity": self.sanity,
            "sanity_pictures": self.sanity_pictures if self.sanity else 0,
        }


def parse_measures(texts: Sequence[str]) -> tuple[Measure, ...]:
    """Which measures are meant; all of them where none is named.

    Args:
        texts: Names, each of them perhaps several with commas between.

    Raises:
        UsageError: There is no such measure.
    """
    wanted = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown:
        raise UsageError("unknown measure", unknown[0], "", f"Choose from {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in wanted or not wanted)


def items_digest(items: Sequence[Item]) -> str:
    """A name for the pictures and what is known about them, by file names and sizes."""
    digest = hashlib.sha256()
    for item in items:
        size = None
        if item.path is not None:
            try:
                size = item.path.stat().st_size
            except OSError:
                size = -1
        parts = (item.name, item.scene, item.labels, item.classes, item.annotated, size)
        digest.update(repr(parts).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:16]
