"""Measure a scenes network on freshly generated scenes and print the table.

    python scripts/evaluate_scenes.py --scenes 2000 --seed 1

The network runs as torchvision runs it: plain ``resnet18``, the card's own preprocessing, 224x224.
Grad-CAM at layer4 is in closed form (the head is average pooling and one linear layer): the map of
class c is ``sum_k W_ck A_k / (h * w)``. Training draws its scenes from other seeds than any that
can be given here, see ``train_scenes.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18
from torchvision.transforms import v2

from live_gradcam.native import cv2
from live_gradcam.scenes import SCENE_CLASSES, Scene, render_scene

MODEL = Path(__file__).resolve().parent.parent / "live_gradcam" / "models" / "scenes"
TOLERANCE = 15  # pixels at the network's input size (Zhang et al., arXiv 1608.00507)
SEEDS_PER_RUN = 1_000_000

BARS: dict[str, float] = {
    "single_top1": 0.98,
    "several_all_in_top3": 0.95,
    "pointing_top_class": 0.97,
    "pointing_all_objects": 0.92,
    "pointing_worst_class": 0.92,
    "evidence_inside": 0.65,
}
NAMES: dict[str, str] = {
    "single_top1": "one object: top-1",
    "several_all_in_top3": "two or three objects: all in the top-3",
    "pointing_top_class": "pointing game, top class",
    "pointing_all_objects": "pointing game, every object, mean over classes",
    "pointing_worst_class": "pointing game, every object, worst class",
    "evidence_inside": "positive evidence inside the object (+ one cell)",
}


@dataclass
class Counts:
    """Everything that was counted over the scenes."""

    single: list[bool] = field(default_factory=list)
    several: list[bool] = field(default_factory=list)
    top: list[bool] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    per_class: dict[str, list[bool]] = field(
        default_factory=lambda: {label: [] for label in SCENE_CLASSES}
    )
    misses: list[tuple[int, str, str]] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return shares in 0..1 by the keys of `BARS`."""
        by_class = [float(np.mean(hits)) for hits in self.per_class.values() if hits]
        return {
            "single_top1": float(np.mean(self.single)),
            "several_all_in_top3": float(np.mean(self.several)),
            "pointing_top_class": float(np.mean(self.top)),
            "pointing_all_objects": float(np.mean(by_class)),
            "pointing_worst_class": float(np.min(by_class)),
            "evidence_inside": float(np.mean(self.inside)),
        }


def class_maps(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Compute logits ``(B, N)`` and Grad-CAM maps ``(B, N, h, w)`` of a torchvision ResNet."""
    x: Tensor = images
    for name, module in network.named_children():
        if name == "avgpool":
            break
        x = module(x)
    weight, bias = network.get_parameter("fc.weight"), network.get_parameter("fc.bias")
    maps = torch.einsum("nk,bkhw->bnhw", weight, x.float()) / (x.shape[2] * x.shape[3])
    return maps.sum(dim=(2, 3)) + bias, maps


def load_network(folder: Path) -> tuple[nn.Module, Callable[[Tensor], Tensor], int]:
    """Load the network, its preprocessing (``uint8`` RGB to input), and its input size."""
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    weights = folder / card["weights"]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != card["sha256"] or tuple(card["labels"]) != SCENE_CLASSES:
        sys.exit(f"{folder}: the weights or the labels are not those of the card")
    network = resnet18(num_classes=len(card["labels"]))
    network.load_state_dict({k: v.float() if v.is_floating_point() else v
                             for k, v in load_file(weights).items()})  # fmt: skip
    preprocessing = card["preprocessing"]
    size = int(preprocessing["crop_size"])
    transform = v2.Compose(
        [
            v2.Resize(preprocessing["resize_size"], antialias=preprocessing["antialias"]),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocessing["mean"], preprocessing["std"]),
        ]
    )
    return network.eval(), transform, size


def _square_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Cut out the mask's central square at the network's input size."""
    height, width = mask.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = mask[top : top + side, left : left + side].astype(np.uint8)
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask, kernel) > 0


def count(counts: Counts, seed: int, scene: Scene, logits: Tensor, maps: Tensor) -> None:
    """Add one scene; ``maps`` are ``(N, size, size)``, already at the input's size."""
    size = maps.shape[-1]
    order = logits.argsort(descending=True).tolist()
    present = {o.class_index: o for o in scene.objects}
    truth = ",".join(o.label for o in scene.objects)
    seen = ",".join(SCENE_CLASSES[i] for i in order[:3])
    if len(present) == 1:
        counts.single.append(order[0] in present)
        if not counts.single[-1]:
            counts.misses.append((seed, truth, f"says {seen}"))
    else:
        counts.several.append(set(present) <= set(order[:3]))
        if not counts.several[-1]:
            counts.misses.append((seed, truth, f"says {seen}"))
    if order[0] not in present:
        counts.top.append(False)
    for class_index, item in present.items():
        mask = _square_mask(item.mask, size)
        evidence = maps[class_index]
        y, x = divmod(int(evidence.argmax()), size)
        hit = bool(_grown(mask, TOLERANCE)[y, x])
        counts.per_class[item.label].append(hit)
        if class_index == order[0]:
            counts.top.append(hit)
        if not hit:
            counts.misses.append((seed, truth, f"{item.label} points beside it"))
        positive = evidence.clamp(min=0.0).numpy()
        total = float(positive.sum())
        near = _grown(mask, size // 7)
        counts.inside.append(float(positive[near].sum()) / total if total > 0.0 else 0.0)


def scenes(number: int, seed: int, width: int, height: int) -> Iterator[tuple[int, Scene]]:
    """Yield seeds and scenes: half of them with one object, a quarter each with two and three."""
    for index in range(number):
        key = seed * SEEDS_PER_RUN + index
        yield key, render_scene(key, width=width, height=height, objects=(1, 2, 1, 3)[index % 4])


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    transform: Callable[[Tensor], Tensor],
    *,
    number: int,
    seed: int,
    width: int = 256,
    height: int = 256,
) -> Counts:
    """Count over a number of fresh scenes."""
    counts = Counts()
    batch: list[tuple[int, Scene]] = []

    def flush() -> None:
        images = [
            transform(torch.from_numpy(scene.image[..., ::-1].copy()).permute(2, 0, 1))
            for _, scene in batch
        ]
        inputs = torch.stack(images).to(next(network.parameters()).device)
        logits, maps = class_maps(network, inputs)
        maps = functional.interpolate(
            maps.cpu(), inputs.shape[-2:], mode="bilinear", align_corners=False
        )
        for (key, scene), row, own in zip(batch, logits.cpu(), maps, strict=True):
            count(counts, key, scene, row, own)
        batch.clear()

    for item in scenes(number, seed, width, height):
        batch.append(item)
        if len(batch) == 32:
            flush()
    if batch:
        flush()
    return counts


def table(figures: dict[str, float]) -> str:
    """Format one line for each figure, with its bar."""
    return "\n".join(
        f"{NAMES[key]:<52} {100 * figures[key]:6.2f} %   bar {100 * bar:3.0f} %   "
        f"{'ok' if figures[key] >= bar else 'MISSED'}"
        for key, bar in BARS.items()
    )


def main() -> int:
    """Print the table; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description="Measure the scenes network on fresh scenes.")
    parser.add_argument("--model", type=Path, default=MODEL, help="folder with card.json")
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="0 to 999999")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--misses", action="store_true", help="list every scene that went wrong")
    options = parser.parse_args()
    if not 0 <= options.seed < SEEDS_PER_RUN or not 4 <= options.scenes <= SEEDS_PER_RUN:
        parser.error("--seed must be 0 to 999999 and --scenes 4 to 1000000")
    torch.set_num_threads(options.threads)
    network, transform, _ = load_network(options.model)
    counts = evaluate(
        network,
        transform,
        number=options.scenes,
        seed=options.seed,
        width=options.width,
        height=options.height,
    )
    figures = counts.figures()
    print(f"{options.scenes} scenes of {options.width}x{options.height}, seed {options.seed}")
    print(table(figures))
    hits = sorted((float(np.mean(h)), label) for label, h in counts.per_class.items() if h)
    print("pointing by class: " + ", ".join(f"{label} {100 * h:.1f} %" for h, label in hits))
    if options.misses:
        for seed, truth, what in counts.misses:
            print(f"scene {seed} ({truth}): {what}")
    return int(any(figures[key] < bar for key, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
