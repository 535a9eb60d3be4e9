"""Settings that the page's controls offer, and the one check of what a request says they are."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from live_gradcam.choices import (
    COLORMAP_NAMES,
    DEFAULT_COLORMAP,
    DEFAULT_OPACITY,
    DEFAULT_VIEW,
    VIEWS,
    ColormapName,
    View,
)
from live_gradcam.class_names import shared_labels
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.methods import METHODS, QUICK_METHODS
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer, ExplainerKey
from live_gradcam.show.overlay import OverlayOptions

VIEW_LABELS: Mapping[View, str] = MappingProxyType(
    {"crop": "Centre", "stretch": "Squeezed", "full": "Whole"}
)
"""Names of the views for visitors."""

CacheKey: TypeAlias = "tuple[View, str, str]"
"""View, layer and method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSettings:
    """Settings of one view of an image; the defaults are those of the page's controls.

    Attributes:
        class_name: The explained class; empty for the most likely one.
        view: What the network is shown.
        layer: The explained layer; empty for the network's own.
        method: What makes the map; empty for the page's own.
        opacity: Of full heat, 0..1.
        colormap: A name in `live_gradcam.choices.COLORMAP_NAMES`.
    """

    class_name: str = ""
    view: View = DEFAULT_VIEW
    layer: str = ""
    method: str = ""
    opacity: float = DEFAULT_OPACITY
    colormap: ColormapName = DEFAULT_COLORMAP

    @property
    def cache_key(self) -> CacheKey:
        """Everything that maps depend on, beside the class."""
        return (self.view, self.layer, self.method)

    def class_index(self, classifier: Classifier) -> int | None:
        """Index of the explained class; ``None`` for the most likely one.

        Raises:
            UsageError: There is no such class.
        """
        return classifier.class_index(self.class_name) if self.class_name else None

    def overlay_options(self, **changes: Any) -> OverlayOptions:  # noqa: ANN401 - their fields
        """Options that an image is drawn with."""
        return OverlayOptions(colormap=self.colormap, opacity=self.opacity, **changes)


def read_settings(
    class_name: object,
    view: object,
    layer: object,
    method: object,
    opacity: object,
    colormap: object,
) -> ViewSettings:
    """Check the values of the controls: a request need not come from the page.

    Classes, layers and methods are checked where they are looked up.

    Raises:
        UsageError: A value is none of those that the controls offer.
    """
    if view not in VIEWS:
        raise UsageError("unknown view", str(view), "", f"Choose from {', '.join(VIEWS)}")
    if colormap not in COLORMAP_NAMES:
        raise UsageError(
            "unknown colour map", str(colormap), "", f"Choose from {[*COLORMAP_NAMES]}"
        )
    if isinstance(opacity, bool) or not isinstance(opacity, (int, float)) or not 0 <= opacity <= 1:
        raise UsageError("unknown opacity", str(opacity), "", "Choose a number from 0 to 1")
    return ViewSettings(
        class_name=str(class_name or ""),
        view=view,
        layer=str(layer or ""),
        method=str(method or ""),
        opacity=float(opacity),
        colormap=colormap,
    )


def settings_from_query(query: Mapping[str, str]) -> ViewSettings:
    """Read the settings in the query of an address; what is missing has its default.

    Raises:
        UsageError: A value is none of those that the controls offer.
        ValueError: The opacity is not a number.
    """
    default = ViewSettings()
    return read_settings(
        query.get("class", ""),
        query.get("view", default.view),
        query.get("layer", ""),
        query.get("method", ""),
        float(query.get("opacity", default.opacity)),
        query.get("colormap", default.colormap),
    )


def settings_as_query(settings: ViewSettings) -> dict[str, str]:
    """Write settings as `settings_from_query` reads them."""
    return {
        name.removesuffix("_name"): str(value)
        for name, value in dataclasses.asdict(settings).items()
    }


@functools.lru_cache(maxsize=8)
def class_choices(labels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Title and name of each class, in order: what is read, and what `ViewSettings` takes.

    A label alone means no class where several share it: these have their index.

    Args:
        labels: Labels of all classes.
    """
    shared = shared_labels(labels)
    return tuple(
        (f"{label} ({index})", str(index)) if label in shared else (label, label)
        for index, label in enumerate(labels)
    )


def offered_methods(pool: ExplainerPool[BatchExplainer]) -> tuple[str, ...]:
    """Names of the methods that visitors can choose, the page's own among them."""
    # What takes many forwards would keep all the other visitors waiting.
    return tuple(name for name in METHODS if name in (*QUICK_METHODS, pool.method))


def explainer_key(
    pool: ExplainerPool[BatchExplainer], *, layer: str = "", method: str = ""
) -> ExplainerKey:
    """The key of the explainer that settings ask for; empty names are the page's own.

    Raises:
        UsageError: The page does not offer the method.
    """
    offered = offered_methods(pool)
    if method not in ("", *offered):
        step = f"Choose from {', '.join(offered)}"
        cause = "it is too slow for a page with many visitors" if method in METHODS else ""
        raise UsageError("no such method here" if cause else "unknown method", method, cause, step)
    return pool.key(layer, method)
