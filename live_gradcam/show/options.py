"""Options of overlays, and the figures and messages written on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_gradcam.choices import (
    COLORMAP_NAMES,
    DEFAULT_COLORMAP,
    DEFAULT_HUD_LAYOUT,
    DEFAULT_OPACITY,
    DEFAULT_TOP_K,
    HUD_LAYOUTS,
    LAYOUTS,
    HudLayout,
    Layout,
)
from live_gradcam.values import Explanation, Image

LOW_CONFIDENCE = 0.2
"""A top probability below this is called "low confidence"."""


def is_unsure(explanation: Explanation) -> bool:
    """True if no class is likely, where one of them is true."""
    softmax = explanation.output.name == "softmax"  # of two sides, one is likely
    # A list that is held keeps its order, whichever class is the likeliest.
    known = [each.probability for each in explanation.predictions if each.probability is not None]
    return softmax and bool(known) and max(known) < LOW_CONFIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayOptions:
    """Options of an overlay: how an explanation is drawn.

    Attributes:
        colormap: One of `live_gradcam.choices.COLORMAP_NAMES`; signed evidence has its own colours.
        opacity: Weight of the hottest colour against the image, 0..1.
        layout: Heat on the image, the untouched image beside it, or no heat at all.
        signed: Show evidence against the class too: for in warm, against in cool colours.
        scale: The evidence in logits that gets the full colour; ``None`` is this map's own maximum.
            Moving images pass the value of a `HeatScale`, so that the colours keep their meaning.
        show_labels: Draw the best classes and their probabilities.
        show_legend: Draw the colour bar in logits with the name of the explained class.
        show_hud: Draw rates, messages and what else the `Hud` holds, banners excepted.
        top_k: How many classes are listed.
        hud_layout: What is written: the best classes with a legend, one large sentence for an
            audience, or every figure there is.
    """

    colormap: str = DEFAULT_COLORMAP
    opacity: float = DEFAULT_OPACITY
    layout: Layout = "heatmap"
    signed: bool = False
    scale: float | None = None
    show_labels: bool = True
    show_legend: bool = True
    show_hud: bool = True
    top_k: int = DEFAULT_TOP_K
    hud_layout: HudLayout = DEFAULT_HUD_LAYOUT

    def __post_init__(self) -> None:
        if self.colormap not in COLORMAP_NAMES:
            allowed = ", ".join(COLORMAP_NAMES)
            raise ValueError(f"colormap must be one of {allowed}, not {self.colormap}")
        if not 0.0 <= self.opacity <= 1.0:
            raise ValueError(f"opacity must be from 0 to 1, not {self.opacity}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout}")
        if self.hud_layout not in HUD_LAYOUTS:
            allowed = ", ".join(HUD_LAYOUTS)
            raise ValueError(f"hud_layout must be one of {allowed}, not {self.hud_layout}")
        if self.top_k < 0:
            raise ValueError(f"top_k must not be negative, not {self.top_k}")


@dataclass(frozen=True, slots=True, eq=False)
class MarkedArea:
    """An area of the image that a sentence speaks of, to be marked where it lies.

    Attributes:
        mask: ``bool (h, w)`` of any size, over the part of the frame that the network saw, as the
            maps are: ``True`` is marked.
    """

    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class OtherPart:
    """A further part of the frame that is explained by itself, drawn beside the first one.

    Attributes:
        explanation: Of the part, whose place it has as ``roi``.
        scale: The evidence that gets the full colour there; ``None`` is its map's own maximum.
    """

    explanation: Explanation
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class HelpGroup:
    """Keys that belong together, for the help.

    Attributes:
        title: What they are about, e.g. ``the picture``.
        rows: The keys as people read them, and what they do.
    """

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class TeachingCell:
    """A class in the row of those that are taught.

    Attributes:
        key: Name of the key that is held to show it.
        label: Name of the class.
        count: Number of its examples.
        thumbnails: Small pictures of what was shown, ``uint8 (h, w, 3)`` BGR, the newest first.
        held: Its key is held: what is seen is taken for it.
    """

    key: str
    label: str
    count: int = 0
    thumbnails: tuple[Image, ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TeachingRow:
    """The row of classes that are taught.

    Attributes:
        cells: In order.
        line: A sentence: what to do, or what was learned.
        prompt: What is asked for while a name is typed, e.g. ``name of class 4``; then nothing else
            is said.
        typed: The name so far.
    """

    cells: tuple[TeachingCell, ...] = ()
    line: str = ""
    prompt: str = ""
    typed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hud:
    """Figures and messages of a run that an overlay shows; whatever is empty is not drawn.

    Attributes:
        caption: Name of the picture, and which of how many it is, e.g. ``mug.jpg · 2 of 40``.
        fps: Explained frames shown per second.
        latency_ms: From capture to show, in milliseconds.
        dropped: Frames that were replaced by newer ones.
        status: Lasting states that change what is seen, in a word each, e.g. ``frozen``.
        capture: Size and rate of the camera, e.g. ``1280x720 at 30 FPS``.
        model: Name of the network.
        precision: Number format that it computes in, e.g. ``bf16``.
        on_air: Where the picture goes and who watches, for each output that is no file.
        compiled: True if the compiled engine runs; ``None`` to say nothing.
        banner: A sentence that must be seen, e.g. that the connection is lost.
        recording_seconds: Length of the recording under way.
        notes: Short lines: what a key did, what is being waited for.
        verdict: One sentence about the marked area, for everybody.
        marked: The area that the verdict speaks of.
        figures: Measured figures behind the verdict, for experts only.
        help: The keys in groups; empty while no help is wanted.
        title: Headline of an exhibit, over the picture all the time.
        invitation: What people in front of an exhibit are asked to do, in large type.
        teaching: The classes that are taught; ``None`` while their row is closed.
    """

    caption: str = ""
    fps: float | None = None
    latency_ms: float | None = None
    dropped: int | None = None
    status: tuple[str, ...] = ()
    capture: str = ""
    model: str = ""
    precision: str = ""
    on_air: tuple[str, ...] = ()
    compiled: bool | None = None
    banner: str = ""
    recording_seconds: float | None = None
    notes: tuple[str, ...] = ()
    verdict: str = ""
    marked: MarkedArea | None = None
    figures: tuple[str, ...] = ()
    help: tuple[HelpGroup, ...] = ()
    title: str = ""
    invitation: str = ""
    teaching: TeachingRow | None = None
