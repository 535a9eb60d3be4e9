"""What the person in front of the window chose: one frozen value, replaced at every key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from live_gradcam.choices import View
from live_gradcam.explain.methods.table import QUICK_METHODS
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.values import Prediction

Mode: TypeAlias = Literal["single", "mosaic", "contrast"]
"""One map, the best maps side by side, or the first class's map minus the second's."""

MOSAIC_TILES = 3
"""How many maps the mosaic shows at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """The person's choices. Keys make a new one from an old one; nothing else does.

    What is to happen once (a snapshot, a step) is a count: the loop acts where it has grown.

    Attributes:
        overlay: How pictures are drawn: layout, colours, opacity, signed.
        layer: Name of the explained layer.
        view: What the network is shown.
        method: Name of the method.
        mode: What the maps are of.
        held: Class that is explained whatever the network prefers; ``None`` follows the top one.
        kept: Class that stays explained while the weights are scrambled.
        mirror: Flip frames left to right.
        fullscreen: Fill the screen.
        show_hud: Show the measured figures.
        show_help: Show the keys.
        frozen: Keep the frame.
        truth: Run the removal test every few frames.
        scrambled: Use the network with random weights.
        recording: Record what is shown.
        steps: Frames asked for one by one.
        snapshots: Snapshots asked for.
        advances: How often the next camera or picture was asked for.
        message: What the last key did, in a few words.
        quit: Leave.
    """

    overlay: OverlayOptions
    layer: str = ""
    view: View = "crop"
    method: str = "gradcam"
    mode: Mode = "single"
    held: int | None = None
    kept: int | None = None
    mirror: bool = False
    fullscreen: bool = False
    show_hud: bool = True
    show_help: bool = False
    frozen: bool = False
    truth: bool = False
    scrambled: bool = False
    recording: bool = False
    steps: int = 0
    snapshots: int = 0
    advances: int = 0
    message: str = ""
    quit: bool = False

    @property
    def fused(self) -> bool:
        """Whether several layers are explained at once."""
        return "," in self.layer

    @property
    def target(self) -> int | None:
        """The class that is explained; ``None`` follows the top one."""
        if self.held is not None:
            return self.held
        return self.kept if self.scrambled else None


def _no_layers() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a key's effect depends on: what is shown, and what there is to choose from.

    Attributes:
        predictions: The labels on the screen, in their order there.
        explained: The class whose map is shown.
        layers: Asked for the names of the layers, from early to late, where a key needs them.
        methods: Names of the methods that are quick enough to be tried out.
        advance: What "next" means for this source; ``None`` where there is no next one.
        by_hand: Pictures are shown one after the other, by hand.
        may_quit: A key may end the session.
    """

    predictions: tuple[Prediction, ...] = ()
    explained: int | None = None
    layers: Callable[[], tuple[str, ...]] = _no_layers
    methods: tuple[str, ...] = QUICK_METHODS
    advance: Literal["camera", "picture"] | None = None
    by_hand: bool = False
    may_quit: bool = True
