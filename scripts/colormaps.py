"""Compare the colour maps on photographs, for people who see all colours and for those who do not.

    python scripts/colormaps.py PICTURE ... [--model squeezenet1_1 --weights FILE] [--sheet PNG]

Each picture is explained and drawn as the window draws it, and looked at as people with
deuteranopia and protanopia see it. Distances are those of CIELAB (Delta E 1976). Printed are means
over the pictures:

- order: rank correlation of the heat with how far the overlay is from the photograph
- hot: distance of the hottest places from the photograph
- apart: distance of the hottest places from every colour of the cold ones
- step: smallest distance between two heats that differ by 0.15, from 0.35 on

The matrices are those of Machado, Oliveira and Fernandes, "A Physiologically-based Model for
Simulation of Color Vision Deficiency", 2009, at full severity; they apply to linear RGB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live_gradcam.choices import COLORMAP_NAMES, DEFAULT_OPACITY
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.images import read_image
from live_gradcam.images.geometry import resize
from live_gradcam.native import cv2
from live_gradcam.show.heat import blend_heat, heat_table, normalise, own_scale, upsample
from live_gradcam.values import Explanation, Image

VISIONS: Mapping[str, NDArray[np.float64]] = MappingProxyType(
    {
        "normal": np.eye(3),
        "deuteranopia": np.array(
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ]
        ),
        "protanopia": np.array(
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ]
        ),
    }
)
"""How linear RGB is seen."""

_SIDE = 300
_HOT, _COLD = 0.75, 0.1
_HEATS = (0.35, 0.5, 0.65, 0.8, 0.95)
_MEASURES = ("order", "hot", "apart", "step")


def seen_as(image: Image, vision: NDArray[np.float64]) -> Image:
    """Return a BGR image as it is seen with another vision."""
    share = image[..., ::-1].astype(np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    changed = np.clip(linear @ vision.T, 0.0, 1.0)
    encoded = np.where(changed <= 0.0031308, changed * 12.92, 1.055 * changed ** (1 / 2.4) - 0.055)
    return np.ascontiguousarray(np.rint(encoded * 255).astype(np.uint8)[..., ::-1])


def compare(
    seen: Image, indices: NDArray[np.uint8], name: str, vision: NDArray[np.float64]
) -> list[float]:
    """Return the measures of one colour map on one picture.

    Args:
        seen: ``uint8 (H, W, 3)`` BGR.
        indices: ``uint8 (H, W)`` heat, 255 the hottest.
        name: Of the colour map.
        vision: How it is looked at.
    """
    table, heat = heat_table(name, DEFAULT_OPACITY, False), indices / 255
    overlay = seen.copy()
    blend_heat(overlay, indices, table)
    before, after = (_lab(seen_as(each, vision)) for each in (seen, overlay))
    distance = np.linalg.norm(after - before, axis=2)
    generator = np.random.default_rng(0)
    hot = generator.permutation(after[heat > _HOT])[:200]
    cold = generator.permutation(before[heat < _COLD])[:400]
    pixels = generator.permutation(seen.reshape(-1, 3))[None, :150]
    shades = []
    for level in _HEATS:
        shade = pixels.copy()
        blend_heat(shade, np.full(shade.shape[:2], round(level * 255), np.uint8), table)
        shades.append(_lab(seen_as(shade, vision)))
    steps = [np.linalg.norm(second - first, axis=2).mean() for first, second in pairwise(shades)]
    apart = np.linalg.norm(hot[:, None] - cold[None], axis=2).min(1) if len(cold) else [np.nan]
    return [
        _rank_correlation(heat.ravel(), distance.ravel()),
        float(distance[heat > _HOT].mean()),
        float(np.median(apart)),
        float(min(steps)),
    ]


def _lab(image: Image) -> NDArray[np.float32]:
    share = image.astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(share, cv2.COLOR_BGR2LAB), np.float32)


def _rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    ranks = [np.argsort(np.argsort(each)).astype(np.float64) for each in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _heat(image: Image, explanation: Explanation) -> tuple[Image, NDArray[np.uint8]]:
    """Return what the network saw, and its heat, at one size."""
    region, evidence = explanation.region, explanation.evidence[0]
    top, left = max(region.y, 0), max(region.x, 0)
    seen = image[top : region.y + region.height, left : region.x + region.width]
    heat = normalise(evidence, own_scale(evidence))
    return np.array(resize(seen, _SIDE, _SIDE)), upsample(heat, _SIDE, _SIDE)


def _sheet(pictures: Sequence[tuple[Image, NDArray[np.uint8]]]) -> Image:
    rows = []
    for vision in VISIONS.values():
        for seen, indices in pictures:
            row = [seen]
            for name in COLORMAP_NAMES:
                row.append(seen.copy())
                blend_heat(row[-1], indices, heat_table(name, DEFAULT_OPACITY, False))
            rows.append(seen_as(np.hstack(row), vision))
    return np.vstack(rows)


def main() -> int:
    """Compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", default="squeezenet1_1")
    parser.add_argument("--weights")
    parser.add_argument("--sheet", type=Path, help="a picture of all overlays, to look at")
    arguments = parser.parse_args()
    classifier = load_classifier(arguments.model, weights=arguments.weights)
    with Explainer(classifier, device="cpu", compile="off") as explainer:
        images = [read_image(path) for path in arguments.pictures]
        pictures = [_heat(image, explainer.explain(image)) for image in images]
    lines = [f"| map | vision | {' | '.join(_MEASURES)} |", "|---|---|" + "---|" * len(_MEASURES)]
    for name in COLORMAP_NAMES:
        for vision, matrix in VISIONS.items():
            found = [compare(seen, indices, name, matrix) for seen, indices in pictures]
            means = np.nanmean(np.array(found), axis=0)
            figures = " | ".join(f"{mean:.2f}" if mean < 1 else f"{mean:.0f}" for mean in means)
            lines.append(f"| {name} | {vision} | {figures} |")
    sys.stdout.write("\n".join(lines) + "\n")
    if arguments.sheet is not None:
        cv2.imwrite(str(arguments.sheet), _sheet(pictures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
