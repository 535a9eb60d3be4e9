"""Options of an evaluation: decided once, and written into every result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from live_gradcam.choices import (
    DEFAULT_CURVE_STEPS,
    DEFAULT_DEVICE,
    DEFAULT_ENGINE,
    DEFAULT_METHOD,
    DEFAULT_PRECISION,
    DEFAULT_SEED,
    DEFAULT_VIEW,
    EngineChoice,
    PrecisionChoice,
    View,
)
from live_gradcam.errors import UsageError
from live_gradcam.faithfulness.removal import CONTROLS
from live_gradcam.wording import did_you_mean

Measure: TypeAlias = Literal["accuracy", "removal", "curves", "drop", "pointing", "completeness"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
"""All measures; ``live_gradcam.faithfulness.measures`` defines each one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """All that results depend on, beside the network and the images.

    Attributes:
        methods: Names of the methods, evaluated side by side; the first one orders the classes.
        measures: Names of the measures.
        view: The part of an image that the network is shown.
        steps: Intervals of the deletion and insertion curves.
        seed: Seed of the controls, of the choice of images and of the random weights.
        sanity: ``True`` to run the sanity check with random weights.
        sanity_images: Number of images in the sanity check.
        device: As of `live_gradcam.Explainer`.
        precision: As of `live_gradcam.Explainer`.
        engine: Explains every image from the first one on; ``auto`` is torch here. What is
            perturbed, and networks with random weights, torch computes always.

    Raises:
        UsageError: No method is named, one is named twice, or there is no such measure.
    """

    methods: tuple[str, ...] = (DEFAULT_METHOD,)
    measures: tuple[Measure, ...] = MEASURES
    view: View = DEFAULT_VIEW
    steps: int = DEFAULT_CURVE_STEPS
    seed: int = DEFAULT_SEED
    sanity: bool = True
    sanity_images: int = 8
    device: str = DEFAULT_DEVICE
    precision: PrecisionChoice = DEFAULT_PRECISION
    engine: EngineChoice = DEFAULT_ENGINE

    def __post_init__(self) -> None:
        if not self.methods:
            raise UsageError("no method is named", "--method", "", "Name at least one")
        twice = {name for name in self.methods if self.methods.count(name) > 1}
        if twice:
            raise UsageError("a method is named twice", sorted(twice)[0], "", "Name it once")
        parse_measures(self.measures)

    def to_dict(self) -> dict[str, Any]:
        """Return the options that change results, ready for JSON."""
        same = ("view", "steps", "seed", "sanity")
        return {
            "methods": list(self.methods),
            "measures": list(self.measures),
            "controls": CONTROLS,
            **{name: getattr(self, name) for name in same},
            "sanity_pictures": self.sanity_images if self.sanity else 0,
        }


def parse_measures(texts: Sequence[str]) -> tuple[Measure, ...]:
    """Return the named measures in their usual order; all of them where none is named.

    Args:
        texts: Names, each of them perhaps several with commas between.

    Raises:
        UsageError: There is no such measure.
    """
    wanted = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown:
        step = f"{did_you_mean(unknown[0], MEASURES)}Choose from {', '.join(MEASURES)}"
        raise UsageError("unknown measure", unknown[0], "", step)
    return tuple(name for name in MEASURES if name in wanted or not wanted)
