"""The person's choices: one frozen value, replaced at every key."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from live_gradcam.choices import VIEWS, View
from live_gradcam.images.parts import Roi
from live_gradcam.protocol import ExplainerKey, MethodFacts
from live_gradcam.show.options import OverlayOptions
from live_gradcam.values import Prediction

MOST_CLASSES = 9
"""Number of classes that can be taught in the window: one for each digit."""

Mode: TypeAlias = Literal["single", "mosaic", "contrast"]
"""One map, the best maps side by side, or the first class's map minus the second's."""

MOSAIC_TILES = 3
"""Number of maps that the mosaic shows at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainSettings:
    """The choices that the explaining thread obeys.

    Events (a step, the next image) are counts: the thread acts where a count has grown.

    Attributes:
        key: Layer, method and weights that are explained.
        view: Part of the frame, or of each of its parts, that the network is shown.
        rois: Parts of the frame that are explained by themselves, of the mirrored one if it is;
            empty for all of it.
        mirror: Flip frames left to right.
        mode: Kind of maps.
        held: Class that is explained whatever the network prefers; ``None`` follows the top one.
        kept: Class that stays explained while the weights are random.
        frozen: Keep the frame.
        truth: Run the removal test every few frames.
        steps: Number of frames asked for one by one.
        advances: Number of times that the next camera or image was asked for.
    """

    key: ExplainerKey
    view: View = "crop"
    rois: tuple[Roi, ...] = ()
    mirror: bool = False
    mode: Mode = "single"
    held: int | None = None
    kept: int | None = None
    frozen: bool = False
    truth: bool = False
    steps: int = 0
    advances: int = 0

    @property
    def fused(self) -> bool:
        """True if several layers are explained at once."""
        return "," in self.key.layer

    @property
    def target(self) -> int | None:
        """Class to explain; ``None`` follows the top one."""
        if self.held is not None:
            return self.held
        return self.kept if self.key.randomized else None

    @property
    def measured(self) -> bool:
        """True if the truth meter runs, as it always does on random weights."""
        return self.truth or self.key.randomized

    @property
    def context(self) -> Hashable:
        """The meaning of a class's map: maps of one class are comparable within it."""
        return (self.key, self.view, self.rois, self.mirror, self.mode == "contrast")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingChoices:
    """The choices of a person who teaches. Events are counts, as in `ExplainSettings`.

    Attributes:
        open: The row of classes is there, and its keys hold.
        naming: What has been typed of the name of a new class; ``None`` where none is named.
        held: Class whose key is held down: 1 is the first one, 0 anything else.
        presses: Number of times that such a key went down.
        added: Names of classes in the order in which they were added.
        undos: Number of times that the last burst was taken back.
        own: The network's own classes are explained, whatever was taught.
    """

    open: bool = False
    naming: str | None = None
    held: int | None = None
    presses: int = 0
    added: tuple[str, ...] = ()
    undos: int = 0
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """All choices of the person. Keys make a new state from an old one; nothing else does.

    Attributes:
        settings: The choices that the explaining thread obeys.
        overlay: The way frames are rendered: layout, colours, opacity, signed, what is written.
        teaching: What is taught.
        fullscreen: Fill the screen.
        show_help: Show the keys.
        recording: Record what is shown.
        snapshots: Number of snapshots asked for; one is taken where it has grown.
        returns: Number of times that the previous picture was asked for.
        jumps: Number of times that the picture at an end was asked for.
        jump_end: Which end that was.
        message: What the last key did, in a few words.
        quit: Leave.
    """

    settings: ExplainSettings
    overlay: OverlayOptions
    teaching: TeachingChoices = TeachingChoices()
    fullscreen: bool = False
    show_help: bool = False
    recording: bool = False
    snapshots: int = 0
    returns: int = 0
    jumps: int = 0
    jump_end: Literal["first", "last"] = "first"
    message: str = ""
    quit: bool = False


def _no_layers() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The facts that a key's effect depends on: what is shown, and what can be chosen.

    Attributes:
        predictions: The labels on the screen, in their order there.
        explained: The class whose map is shown.
        frame: Width and height of the frame that is shown; ``None`` before the first one.
        layers: Lists the names of the layers, from early to late, where a key needs them.
        methods: The methods that there are.
        views: The views that the network can be given.
        fixed: Why layer, method and weights cannot be chosen; empty if they can.
        mapped: The only classes that have maps; ``None`` where all have.
        advance: Meaning of "next" for this source; ``None`` where there is no next one.
        by_hand: Images are shown one after the other, by hand.
        slideshow: They advance by themselves as well.
        may_quit: A key may end the session.
        unteachable: Why nothing can be taught, in a few words; empty if it can.
        taught: There is a head that was taught.
        taught_classes: The classes of the row, in order, without anything else.
        taken_names: Names that no new class can have.
        own_classes: Number of the network's own classes.
    """

    predictions: tuple[Prediction, ...] = ()
    explained: int | None = None
    frame: tuple[int, int] | None = None
    layers: Callable[[], tuple[str, ...]] = _no_layers
    methods: tuple[MethodFacts, ...] = ()
    views: tuple[View, ...] = VIEWS
    fixed: str = ""
    mapped: tuple[int, ...] | None = None
    advance: Literal["camera", "picture"] | None = None
    by_hand: bool = False
    slideshow: bool = False
    may_quit: bool = True
    unteachable: str = ""
    taught: bool = False
    taught_classes: tuple[str, ...] = ()
    taken_names: tuple[str, ...] = ()
    own_classes: int = 0

    def method(self, name: str) -> MethodFacts:
        """Return what is known of a method."""
        return next(each for each in self.methods if each.name == name)
