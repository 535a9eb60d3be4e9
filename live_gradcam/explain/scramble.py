"""The same network with other numbers in it: a sanity check for explanations.

A map that stays the same when every weight is drawn anew shows the picture, not the network
(Adebayo et al., arXiv 1810.03292).
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from live_gradcam.explain.cam import Head, LinearHead, PointwiseHead
from live_gradcam.explain.classifier import Classifier

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


def scramble(classifier: Classifier, *, seed: int = 4) -> Classifier:
    """A copy of a classifier with all of its weights drawn at random, from the first to the last.

    Args:
        classifier: Not modified.
        seed: Decides the weights.
    """
    trunk: nn.Module = copy.deepcopy(classifier.trunk)
    head: Head = copy.deepcopy(classifier.head)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in (trunk, head):
            for module in part.modules():
                _draw(module, generator)
    return replace(
        classifier,
        name=f"{classifier.name}, scrambled",
        trunk=trunk,
        head=head,
        weights_origin="random numbers",
    )


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the numbers that belong to this very module."""
    if isinstance(module, (*_WEIGHTED, LinearHead, PointwiseHead)):
        # He et al., arXiv 1502.01852: signals neither die nor explode on their way.
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        if module.bias is not None:
            nn.init.normal_(module.bias, std=0.01, generator=generator)
        return
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for numbers in module.parameters(recurse=False):
        # Whatever it is, the same numbers elsewhere keep its scale.
        order = torch.randperm(numbers.numel(), generator=generator)
        numbers.copy_(numbers.flatten()[order].view_as(numbers))
