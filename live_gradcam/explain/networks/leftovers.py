"""Tensors of a checkpoint that belong to no layer of the network: of training, or in the way.

What training alone needs is left out, and said. What might stand before or behind the network in
the user's own forward is refused: without it the numbers on the screen would be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from live_gradcam.explain.networks.head_fit import HeadFit
from live_gradcam.explain.networks.matching import Match
from live_gradcam.explain.networks.training_names import belongs_to_training


def group_beside(match: Match, unknown: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors that are of no part of the network by the parts of the file they are of.

    Args:
        match: Of the checkpoint's names.
        unknown: Tensors among the network's own that it has no place for.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in unknown.items():
        child, _, rest = name.partition(".")
        groups.setdefault(child, {})[rest] = tensor
    lead = match.prefix.split(".")
    for name, tensor in match.outside.items():
        parts = name.split(".")
        shared = 0
        while shared < min(len(lead), len(parts) - 2) and lead[shared] == parts[shared]:
            shared += 1
        group = ".".join(parts[: shared + 1])
        groups.setdefault(group, {})[".".join(parts[shared + 1 :])] = tensor
    return {
        group: entries
        for group, entries in groups.items()
        if group and "" not in entries and not belongs_to_training(group)
    }


def touching(match: Match, head: HeadFit, channels: int, features: int) -> str | None:
    """Return the name of a layer beside the network that its images or scores may pass through.

    Args:
        match: Of the checkpoint's names.
        head: The network's.
        channels: Number of channels of the network's images.
        features: Number of features that its own head reads: another head reads them, too.
    """
    for name, tensor in match.outside.items():
        if name in head.taken or not name.endswith("weight"):
            continue
        if belongs_to_training(name):
            continue
        behind = tensor.ndim == 2 and tensor.shape[1] in (head.class_count, features)
        before = tensor.ndim == 4 and tensor.shape[0] == channels
        if behind or before:
            return name
    return None


def left_out(match: Match, unknown: Mapping[str, Tensor], head: HeadFit) -> tuple[str, ...]:
    """Return a sentence about the tensors that were not taken, if there are any."""
    names = [name for name in (*match.outside, *unknown) if name not in head.taken]
    if not names:
        return ()
    shown = ", ".join(repr(name) for name in names[:2])
    count = (
        f"1 entry was left out, {shown}"
        if len(names) == 1
        else (f"{len(names)} entries were left out, e.g. {shown}")
    )
    return (f"{count}: no layer of the network",)
