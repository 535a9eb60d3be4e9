"""Check that a faster engine equals the network, on synthetic images, before it is used."""

from __future__ import annotations

import torch
from torch import Tensor

from live_gradcam.explain.engine.fused import Engine, Output, Shape

_COSINE = 0.999
# Of float32 sums in another order, as a share of the largest score.
_ROUNDING = 1e-3
# Two classes whose scores differ by less than this share of the scores' range are a tie in half
# precision.
_TIE = 0.02


class NotEqual(Exception):
    """An engine is not the network; the message says in which output."""


def check_equal(
    network: Engine, candidate: Engine, shape: Shape, depth: int, *, exact: bool = False
) -> None:
    """Compare an engine with the eager network on synthetic frames.

    Args:
        network: The reference; takes and returns tensors on the CPU, as the candidate does.
        candidate: The engine that would be used in its place.
        shape: Of the frames.
        depth: Length of the selection.
        exact: Both compute in float32, so that scores are equal but for rounding.

    Raises:
        NotEqual: The best class differs, or the cosine of two maps is below 0.999; or, where
            both are exact, a score.
    """
    generator = torch.Generator().manual_seed(0)
    batch, height, width = shape
    coarse = torch.rand(batch, 3, 6, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    noise = 0.1 * torch.randn(smooth.shape, generator=generator)
    frames = ((smooth + noise).clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    for pixels in (frames, 255 - frames):
        ranks = torch.arange(-1, -1 - depth, -1)
        expected = Output(*network(pixels, ranks))
        # The same classes for both; in a batch, those of the first image.
        fixed = expected.classes[0]
        expected = Output(*network(pixels, fixed))
        found = Output(*candidate(pixels, fixed))
        if found.logits.shape != expected.logits.shape:
            raise NotEqual("it has another output")
        best = expected.logits.max(1).values
        spread = best - expected.logits.min(1).values
        chosen = expected.logits.gather(1, found.logits.argmax(1, keepdim=True)).squeeze(1)
        if bool((best - chosen > _TIE * spread).any()):
            raise NotEqual("it names another class")
        difference = float((found.logits - expected.logits).abs().max())
        if exact and difference > _ROUNDING * float(expected.logits.abs().max()):
            raise NotEqual("it has other scores")
        if _least_cosine(found.evidence, expected.evidence) < _COSINE:
            raise NotEqual("it has other maps")


def _least_cosine(found: Tensor, expected: Tensor) -> float:
    flat, reference = found.flatten(2).double(), expected.flatten(2).double()
    scale = flat.norm(dim=2) * reference.norm(dim=2)
    cosine = (flat * reference).sum(2) / scale
    blank = (flat.norm(dim=2) == 0) & (reference.norm(dim=2) == 0)
    return float(torch.where(blank, torch.ones_like(cosine), cosine).nan_to_num(0.0).min())
