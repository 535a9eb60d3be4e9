"""Description of a whole network with its weights: the result of every search for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import nn

from live_gradcam.choices import DEFAULT_OUTPUT, DEFAULT_THRESHOLD, OutputChoice
from live_gradcam.explain.networks.labels import Labels
from live_gradcam.preprocessing.settings import Preprocessing

IMAGENET_CLASSES = 1000

TIMM_PREFIX = "timm:"
"""Prefix of the names of timm's networks."""

LayoutChoice: TypeAlias = Literal["auto", "maps", "nchw", "nhwc", "tokens"]
"""``(N, C, h, w)``, ``(N, h, w, C)`` or ``(N, T, C)``; ``auto`` tells them by their shape.

``maps`` does so, too, but refuses tokens, where nothing says which of them are patches.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkSpec:
    """A whole network with its weights, and what is known of it.

    Attributes:
        name: Short name.
        network: In evaluation mode, without gradients.
        layer: Dotted name of the layer to explain.
        labels: Names of the classes, or a file with them; ``None`` where they are unknown.
        preprocessing: Resizing, cropping and normalisation of its images.
        origin: Source of the weights, as a short sentence.
        probe_size: Height and width in pixels of the images that the network is checked with.
        layout: Layout of the layer's output.
        prefix_tokens: Number of tokens before those of the patches, if the layer puts out tokens;
            ``None`` derives it from their number.
        output: Meaning of its output.
        output_name: Name or index of the logits where it puts out several tensors.
        threshold: Probability above which a class is true.
        in_channels: Number of channels of its images.
        notes: One sentence for each thing that had to be interpreted.
        is_own: A user's own module, of which nothing is known: cut with every proof that there is.
    """

    name: str
    network: nn.Module
    layer: str
    labels: Labels
    preprocessing: Preprocessing
    origin: str
    probe_size: tuple[int, int]
    layout: LayoutChoice = "auto"
    prefix_tokens: int | None = None
    output: OutputChoice = DEFAULT_OUTPUT
    output_name: str | int | None = None
    threshold: float = DEFAULT_THRESHOLD
    in_channels: int = 3
    notes: tuple[str, ...] = ()
    is_own: bool = False
