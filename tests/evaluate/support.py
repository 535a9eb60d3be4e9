"""Small classifiers, data sets and made-up results for the tests of the evaluation.

Two classifiers of the same images: one looks at the object, one at the background. An image is a
reddish object on a bluish ground, each with stripes of its own. For the honest classifier the
stripes of the object are the class; for the cheat, those of the ground.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.evaluate.summary import summarise
from live_gradcam.evaluate.values import (
    ClassProbability,
    EvaluationResult,
    ImageResult,
    MethodResult,
    ObjectResult,
    Provenance,
    SanityStage,
)
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.omp import torch_threads
from live_gradcam.native import cv2
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.values import Image
from tests.explain.support import TinyNet

DATA = Path(__file__).parent / "data"
"""Results of format 2, as they were written when the format was new."""

Clue = Literal["object", "ground"]

LABELS = ("across", "down", "slanting")
SIDE = 64

_TINTS = {"object": (0.45, 0.6, 1.0), "ground": (1.0, 0.8, 0.5)}  # BGR


def stripes(kind: int, part: Clue, rng: np.random.Generator) -> NDArray[np.float64]:
    """``uint8 (SIDE, SIDE, 3)``; ``kind`` is the direction, random grey levels and phase."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = (rows, columns, (rows + columns) / np.sqrt(2))[kind]
    wave = 128 + 90 * np.sin(along * 2 * np.pi / 7 + rng.uniform(0, 6))
    tinted: NDArray[np.float64] = wave[..., None] * _TINTS[part]
    return tinted + rng.normal(0, 8, (SIDE, SIDE, 3))


def striped_image(
    label: int, clue: Clue, rng: np.random.Generator
) -> tuple[Image, NDArray[np.bool_]]:
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
        logits: torch.Tensor = self.fc(self.last(self.middle(self.stem(x))).mean((2, 3)))
        return logits


def trained(clue: Clue, *, steps: int = 110) -> Classifier:
    """A classifier that has learned to go by the clue."""
    rng = np.random.default_rng(5)
    # The order of sums, and with it what a network learns, may hang on the number of threads.
    with torch.random.fork_rng(devices=[]), torch_threads(2):
        torch.manual_seed(5)
        network = StripeNet().train()
        optimiser = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(steps):
            labels = rng.integers(0, len(LABELS), 32)
            batch = np.stack([striped_image(int(label), clue, rng)[0] for label in labels])
            inputs = torch.from_numpy(batch[..., ::-1].transpose(0, 3, 1, 2).copy()).float() / 255
            loss = nn.functional.cross_entropy(network((inputs - 0.5) / 0.25), torch.tensor(labels))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return Classifier.from_module(
        network,
        layer="last",
        labels=LABELS,
        name=f"goes by the {clue}",
        preprocessing=Preprocessing(SIDE, SIDE, (0.5,) * 3, (0.25,) * 3),
    )


def write_folder(folder: Path, clue: Clue, per_class: int = 6) -> Path:
    """A folder for each class, and ``boxes.json`` beside it; returns the folder of images."""
    rng = np.random.default_rng(77)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for label, name in enumerate(LABELS):
        (folder / "pictures" / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            pixels, mask = striped_image(label, clue, rng)
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


def arithmetic_classifier() -> Classifier:
    """A classifier of scenes whose weights are the same numbers, to the bit, on every machine."""
    module = TinyNet(len(SCENE_CLASSES))
    with torch.no_grad():
        for place, parameter in enumerate(module.parameters()):
            numbers = torch.arange(parameter.numel()) * 7919 + 31 * place
            parameter.copy_(((numbers % 101 - 45) / 128).view_as(parameter))
    return Classifier.from_module(
        module.eval(),
        layer="last",
        labels=SCENE_CLASSES,
        name="arithmetic",
        preprocessing=Preprocessing(resize_size=72, crop_size=64),
    )


FORMAT_2 = EvaluationOptions(
    methods=("gradcam", "eigencam"),
    steps=2,
    seed=3,
    sanity_images=2,
    device="cpu",
    precision="fp32",
)
"""Options of the results in `DATA`: of five scenes, ``scenes:3``, by `arithmetic_classifier`."""


def make_provenance(model: str = "made up", **options: Any) -> Provenance:
    """Provenance of results that nothing has computed."""
    return Provenance(
        model=model,
        layer="none",
        fuse=None,
        weights="0",
        labels="0",
        runtime="cpu fp32",
        images=0,
        data="0",
        options=EvaluationOptions(**options),
    )


def make_method_result(
    index: int,
    *,
    inside: float | None = 0.9,
    drop: float = 0.5,
    control: float = 0.1,
    hit: bool = True,
) -> MethodResult:
    """A result of one method that looks right, unless it is told otherwise."""
    return MethodResult(
        class_index=index,
        probability=0.8,
        blank=False,
        removal_drop=drop,
        control_drop=control,
        average_drop=0.2,
        increase=False,
        deletion=0.1,
        insertion=0.7,
        objects=(ObjectResult(index, hit=hit, chance=0.3, inside=inside, area=0.25),),
        completeness_residual=1e-6,
    )


def make_image_result(
    index: int,
    label: int,
    *,
    said: int | None = None,
    name: str = "",
    methods: Mapping[str, MethodResult] | None = None,
    **figures: Any,
) -> ImageResult:
    """A result of one image; ``figures`` are those of `make_method_result`."""
    said = label if said is None else said
    return ImageResult(
        index,
        name or f"{index}.png",
        (label,),
        (ClassProbability(said, f"class {said}", 0.8),),
        said == label,
        True,
        methods or {"gradcam": make_method_result(label, **figures)},
    )


def make_result(
    images: Sequence[ImageResult],
    labels: Sequence[str],
    *,
    model: str = "made up",
    sanity: Sequence[SanityStage] = (),
    methods: Sequence[str] = ("gradcam",),
    **more: Any,
) -> EvaluationResult:
    """A whole result of made-up images; ``more`` are attributes of `EvaluationResult`."""
    chosen: dict[str, Any] = {
        "source": "made up",
        "notes": (),
        "skipped": (),
        "sanity_findings": (),
        **more,
    }
    return EvaluationResult(
        provenance=make_provenance(model),
        summary=summarise(images, labels, list(methods)),
        sanity=tuple(sanity),
        images=tuple(images),
        **chosen,
    )
