"""The two places of a network whose shapes depend on what it was trained for: stem and head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from live_gradcam.explain.networks.matching import Shapes

SMALL_SIDE = 32
"""Side in pixels of the images that a network with a small first convolution is taken to be for."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a network's stem and head are.

    Attributes:
        stem: Dotted name of the first convolution; empty where it is not known.
        head: Dotted name of the last layer; empty where it is not known.
    """

    stem: str
    head: str

    @property
    def container(self) -> str:
        """Dotted name of the part of the network that is nothing but its head."""
        return self.head.rpartition(".")[0] or self.head

    def body(self, network: nn.Module) -> Shapes:
        """Return the shapes of all that is neither stem nor head, by name."""
        skipped = tuple(f"{each}." for each in (self.stem, self.container) if each)
        return {
            name: tuple(tensor.shape)
            for name, tensor in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
            and not (skipped and name.startswith(skipped))
        }


def find_places(network: nn.Module) -> Places:
    """Return the stem and the head of a network of torchvision: its first convolution, its end."""
    *_, last = network.state_dict()
    stem = next(
        (n for n, m in network.named_modules() if isinstance(m, nn.Conv2d) and m.groups == 1), ""
    )
    return Places(stem, last.rpartition(".")[0])


def replace_module(network: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module into a network in place of the one at a dotted name."""
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


def fit_stem(network: nn.Module, stem: str, tensors: dict[str, Tensor]) -> tuple[str, ...] | None:
    """Give a network the first convolution that a checkpoint's tensors have the shapes of.

    Args:
        network: Changed in place.
        stem: Dotted name of the convolution.
        tensors: The checkpoint's, under the network's names.

    Returns:
        One sentence for each thing that was interpreted; ``None`` where the shapes are not those
        of a convolution that could stand there.
    """
    old = network.get_submodule(stem)
    weight = tensors.get(f"{stem}.weight")
    if not isinstance(old, nn.Conv2d) or weight is None or weight.ndim != 4:
        return None
    wanted, found = tuple(old.weight.shape), tuple(weight.shape)
    has_bias = f"{stem}.bias" in tensors
    notes: list[str] = []
    if found == wanted and has_bias == (old.bias is not None):
        return ()
    if found[0] != wanted[0] or found[1] < 1:
        return None
    kernel: Sequence[int] = found[2:]
    small = tuple(kernel) == (3, 3) and wanted[2:] == (7, 7)
    pool = getattr(network, "maxpool", None)
    if small and isinstance(pool, nn.MaxPool2d) and stem == "conv1":
        with torch.device("meta"):
            conv = nn.Conv2d(found[1], found[0], 3, 1, 1, bias=has_bias)
        replace_module(network, stem, conv.eval())
        replace_module(network, "maxpool", nn.Identity())
        size = f"{SMALL_SIDE}x{SMALL_SIDE}"
        notes.append(
            f"the first convolution is {found[1]}x3x3: read as a network for small images, "
            f"stride 1 and no pooling behind it; images of {size} pixels are assumed"
        )
    elif found[2:] != wanted[2:]:
        return None
    else:
        # Changed in place: it may be of a class that pads or standardises in its own way.
        old.in_channels = found[1]
        old.weight = nn.Parameter(torch.empty(found, device="meta"), requires_grad=False)
        old.bias = None
        if has_bias:
            bias = torch.empty(found[0], device="meta")
            old.bias = nn.Parameter(bias, requires_grad=False)
    if found[1] != wanted[1]:
        plural = "s" if found[1] > 1 else ""
        notes.append(f"the first convolution reads {found[1]} channel{plural}")
    return tuple(notes)


def is_small_stem(network: nn.Module) -> bool:
    """Return ``True`` for a ResNet that was built for images of some 32 pixels."""
    return isinstance(getattr(network, "maxpool", None), nn.Identity)
