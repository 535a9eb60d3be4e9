"""The bundled network is what its card says, and has learnt the generated scenes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import live_gradcam
from live_gradcam.native import cv2
from live_gradcam.scenes import SCENE_CLASSES, render_scene

MODEL = Path(live_gradcam.__file__).parent / "models" / "scenes"


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MODEL / "card.json").read_text(encoding="utf-8"))
    return content


def test_the_bundled_files_are_what_the_card_says(card: dict[str, Any]) -> None:
    data = (MODEL / card["weights"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == card["sha256"]
    assert len(data) <= 23_000_000
    assert card["arch"] == "resnet18"
    assert tuple(card["labels"]) == SCENE_CLASSES
    assert (MODEL / "labels.txt").read_text(encoding="utf-8").split() == list(SCENE_CLASSES)
    assert card["training"]["finished"]
    assert card["training"]["command"].startswith("python scripts/train_scenes.py")
    assert card["limits"]


def test_the_bundled_network_names_and_finds_objects_it_never_saw(card: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file
    from torchvision.models import resnet18
    from torchvision.transforms import v2

    network = resnet18(num_classes=len(card["labels"]))
    state = load_file(MODEL / card["weights"])
    network.load_state_dict(
        {
            name: value.float() if value.is_floating_point() else value
            for name, value in state.items()
        }
    )
    network.eval()
    preprocessing = card["preprocessing"]
    transform = v2.Compose(
        [
            v2.Resize(preprocessing["resize_size"], antialias=preprocessing["antialias"]),
            v2.CenterCrop(preprocessing["crop_size"]),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocessing["mean"], preprocessing["std"]),
        ]
    )
    activations: list[Any] = []
    network.layer4.register_forward_hook(lambda _m, _i, output: activations.append(output))
    right = found = 0
    scenes = [render_scene(seed, objects=1) for seed in range(800_000_000, 800_000_100)]
    for start in range(0, len(scenes), 25):
        part = scenes[start : start + 25]
        rgb = [torch.from_numpy(s.image[..., ::-1].copy()).permute(2, 0, 1) for s in part]
        with torch.inference_mode():
            logits = network(torch.stack([transform(image) for image in rgb]))
            maps = torch.einsum("nk,bkhw->bnhw", network.fc.weight, activations.pop())
        for scene, row, evidence in zip(part, logits, maps, strict=True):
            (item,) = scene.objects
            right += int(row.argmax()) == item.class_index
            y, x = divmod(int(evidence[item.class_index].argmax()), evidence.shape[2])
            cells = cv2.resize(item.mask.astype(np.float32), (7, 7), interpolation=cv2.INTER_AREA)
            found += bool(cells[y, x] > 0.0)
    assert right >= 95
    assert found >= 95
