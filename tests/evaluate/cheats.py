"""Two small classifiers of the same pictures: one looks at the object, one at the background.

A picture is a reddish object on a bluish ground, each with stripes of its own. For the honest
classifier the stripes of the object are the class; for the cheat, those of the ground.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.preprocess import Preprocessing
from live_gradcam.native import cv2

Clue = Literal["object", "ground"]

LABELS = ("across", "down", "slanting")
SIDE = 64


_TINTS = {"object": (0.45, 0.6, 1.0), "ground": (1.0, 0.8, 0.5)}  # BGR


def stripes(kind: int, part: Clue, rng: np.random.Generator) -> np.ndarray:
    """``uint8 (SIDE, SIDE, 3)``; ``kind`` is the direction, random grey levels and phase."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = (rows, columns, (rows + columns) / np.sqrt(2))[kind]
    wave = 128 + 90 * np.sin(along * 2 * np.pi / 7 + rng.uniform(0, 6))
    return wave[..., None] * _TINTS[part] + rng.normal(0, 8, (SIDE, SIDE, 3))


def picture(label: int, clue: Clue, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``uint8 (SIDE, SIDE, 3)`` BGR, and the object's mask."""
    other = int(rng.integers(3))
    ground, inside = (label, other) if clue == "ground" else (other, label)
    x, y = rng.integers(16, SIDE - 16, 2)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (int(x), int(y)), 13, 1, -1)
    pixels = np.where(
        mask[..., None] > 0, stripes(inside, "object", rng), stripes(ground, "ground", rng)
    )
    return np.clip(pixels, 0, 255).astype(np.uint8), mask > 0


class StripeNet(nn.Module):
    """Small enough to be trained in seconds, with a map of 16x16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 5, 2, 2), nn.BatchNorm2d(12), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(12, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(24, 24, 3, 1, 1), nn.BatchNorm2d(24), nn.ReLU())
        self.fc = nn.Linear(24, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.last(self.middle(self.stem(x))).mean((2, 3)))


def trained(clue: Clue, *, steps: int = 150) -> Classifier:
    """A classifier that has learned to go by the clue."""
    rng = np.random.default_rng(5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = StripeNet().train()
        optimiser = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(steps):
            labels = rng.integers(0, len(LABELS), 32)
            batch = np.stack([picture(int(label), clue, rng)[0] for label in labels])
            inputs = torch.from_numpy(batch[..., ::-1].transpose(0, 3, 1, 2).copy()).float() / 255
            loss = nn.functional.cross_entropy(network((inputs - 0.5) / 0.25), torch.tensor(labels))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return Classifier.from_module(
        network,
        layer="last",
        labels=LABELS,
        name=f"goes by the {clue}",
        preprocessing=Preprocessing(SIDE, SIDE, (0.5,) * 3, (0.25,) * 3),
    )


def write_folder(folder: Path, clue: Clue, per_class: int = 6) -> Path:
    """A folder for each class, and ``boxes.json`` beside it; returns the folder of pictures."""
    rng = np.random.default_rng(77)
    images, boxes = [], []
    for label, name in enumerate(LABELS):
        (folder / "pictures" / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            pixels, mask = picture(label, clue, rng)
            file = f"{name}/{number}.png"
            cv2.imwrite(str(folder / "pictures" / file), pixels)
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            images.append({"id": len(images), "file_name": file, "width": SIDE, "height": SIDE})
            boxes.append(
                {
                    "image_id": len(images) - 1,
                    "category_id": label,
                    "bbox": [int(value) for value in box],
                }
            )
    categories = [{"id": label, "name": name} for label, name in enumerate(LABELS)]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder / "pictures"
