"""How far an exported file is from the network, in figures, and how far it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.graph.engine import GraphResult
from live_gradcam.graph.metadata import GraphPrecision
from live_gradcam.values import Image

Run: TypeAlias = Callable[[Image], GraphResult]
"""Runs a graph on ``uint8 (N, H, W, 3)`` RGB."""

# A map with so small a share of the largest one's maximum is nothing but rounding.
_NOTHING = 1e-6
_MOST_MAPS = 16


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Differences between a graph and the network, over all compared pictures.

    Attributes:
        pictures: Number of pictures.
        scores: Largest difference of two scores, as a share of the picture's largest score.
        maps: Largest difference of two maps of one class, as a share of the map's maximum.
        same_best: Share of the pictures with the same best class.
        ties: Share of the pictures with another best class, whose score in the network is the best
            one's, but for ``scores``.
        median_cosine: Of the maps of one class.
        worst_cosine: The smallest.
        features: Largest difference of two features, the means of channels, as a share of the
            picture's largest; 0 where the graph puts out none.
    """

    pictures: int
    scores: float
    maps: float
    same_best: float
    ties: float
    median_cosine: float
    worst_cosine: float
    features: float = 0.0

    def as_record(self) -> Mapping[str, float]:
        """Return the figures for a file's metadata."""
        measured = {"features": self.features} if self.features else {}
        return {
            "pictures": self.pictures,
            "scores": self.scores,
            "maps": self.maps,
            "top1_agreement": self.same_best,
            "median_cosine": self.median_cosine,
            "worst_cosine": self.worst_cosine,
            **measured,
        }

    def describe(self, precision: GraphPrecision) -> str:
        """Return the figures in words."""
        best = f"the best class is the same in {_share(self.same_best)}"
        if precision == "int8":
            return (
                f"{best}, map cosine {self.median_cosine:.4f} (median), "
                f"{self.worst_cosine:.4f} (worst)"
            )
        return f"scores within {self.scores:.1e}, maps within {self.maps:.1e}, {best}"


def compare(
    network: FusedNetwork, run: Run, pixels: Image, layout: nn.Module | None = None
) -> Fidelity:
    """Compare a graph with the network that it was made from, in float32.

    Args:
        network: The reference; its head makes the maps.
        run: The graph.
        pixels: ``uint8 (N, H, W, 3)``, RGB.
        layout: Lays out what the graph should put out as its features; ``None`` where it has none.
    """
    scores, maps, cosines, features = [], [], [], []
    same = ties = 0
    for rows in _batches(len(pixels)):
        part = np.ascontiguousarray(pixels[rows])
        found = run(part)
        with torch.no_grad():
            bgr = torch.from_numpy(np.ascontiguousarray(part[..., ::-1]))
            # The maps of the classes that the graph has, which half precision may rank otherwise.
            places = _compared(found.classes.shape[1])
            expected = [
                network(bgr[row : row + 1], torch.from_numpy(found.classes[row, places]))
                for row in range(len(part))
            ]
            if layout is not None:
                wanted = layout(network.features(network.normalised(bgr))).mean((2, 3)).numpy()
                features += _compare_features(found.features, wanted)
        for row, (logits, _, evidence, _) in enumerate(expected):
            wanted, got = logits[0].numpy(), found.scores[row]
            scale = max(float(np.abs(wanted).max()), 1e-12)
            difference = float(np.abs(got - wanted).max()) / scale
            scores.append(difference)
            best, guess = int(wanted.argmax()), int(got.argmax())
            if best == guess:
                same += 1
            elif (wanted[best] - wanted[guess]) / scale <= 2 * difference:
                ties += 1
            apart, angle = _compare_maps(found.evidence[row, places], evidence[0].numpy())
            maps.append(apart)
            cosines += angle
    count = len(pixels)
    return Fidelity(
        count,
        _worst(scores),
        _worst(maps),
        same / count,
        ties / count,
        float(np.median(cosines)),
        float(np.min(cosines)),
        _worst(features),
    )


def complaint(fidelity: Fidelity, precision: GraphPrecision) -> str:
    """Return why a graph is too far from the network; empty if it is not."""
    if precision == "int8":
        short = [
            f"{what} {value:.3f} (at least {bar:g})"
            for what, value, bar in (
                ("the same best class in a share of", fidelity.same_best, 0.97),
                ("median map cosine", fidelity.median_cosine, 0.99),
                ("worst map cosine", fidelity.worst_cosine, 0.95),
            )
            if not value >= bar
        ]
        return ", ".join(short)
    bar = {"fp32": 1e-3, "fp16": 2e-2}[precision]
    if not fidelity.scores <= bar:
        return f"a score differs by {fidelity.scores:.1e} of the largest, more than {bar:g}"
    if not fidelity.features <= bar:
        return f"a feature differs by {fidelity.features:.1e} of the largest, more than {bar:g}"
    if precision == "fp32" and not fidelity.maps <= bar:
        return f"a map differs by {fidelity.maps:.1e} of its maximum, more than {bar:g}"
    if precision == "fp16" and not fidelity.worst_cosine >= 0.995:
        return f"the cosine of two maps is {fidelity.worst_cosine:.4f}, less than 0.995"
    if fidelity.same_best + fidelity.ties < 1.0:
        return f"another class is the best one in {_share(1 - fidelity.same_best)}"
    return ""


def _compare_maps(found: np.ndarray, wanted: np.ndarray) -> tuple[float, list[float]]:
    """Largest difference of maps ``(K, h, w)`` as a share of a maximum, and their cosines."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf"), [0.0]
    largest = float(np.abs(wanted).max())
    apart, cosines = 0.0, []
    for ours, theirs in zip(found.astype(np.float64), wanted.astype(np.float64), strict=True):
        size = float(np.abs(theirs).max())
        if size <= _NOTHING * largest or largest == 0.0:
            apart = max(
                apart, float(np.abs(ours).max()) / largest if largest else float(ours.any())
            )
            continue
        apart = _worst([apart, float(np.abs(ours - theirs).max()) / size])
        lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
        cosines.append(float((ours * theirs).sum()) / lengths if lengths > 0 else 0.0)
    return apart, [each if np.isfinite(each) else 0.0 for each in cosines] or [1.0]


def _compare_features(found: np.ndarray | None, wanted: np.ndarray) -> list[float]:
    """Largest difference of the means of channels, of each picture as a share of its largest."""
    if found is None or found.shape[:2] != wanted.shape:
        return [float("inf")]
    means = found.astype(np.float64).mean((2, 3))
    scale = np.maximum(np.abs(wanted).max(1), 1e-12)
    return [float(each) for each in np.abs(means - wanted).max(1) / scale]


def _compared(maps: int) -> list[int]:
    """Positions of the maps that are compared: all, or a sample of very many."""
    return sorted({round(place) for place in np.linspace(0, maps - 1, min(maps, _MOST_MAPS))})


def _batches(count: int) -> list[slice]:
    """One picture alone first, then batches of other sizes, because the batch is free."""
    edges = [0, 1]
    while edges[-1] < count:
        edges.append(min(count, edges[-1] + 2 + len(edges) % 3))
    return [slice(a, b) for a, b in pairwise(edges) if a < b <= count]


def _worst(values: list[float]) -> float:
    """The largest value; what is no number is worse than any."""
    return max((value if np.isfinite(value) else float("inf") for value in values), default=0.0)


def _share(share: float) -> str:
    return f"{share * 100:.4g} %"
