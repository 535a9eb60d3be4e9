"""Hugging Face's networks: read from folders and the hub's cache, and explained as they are."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from live_gradcam.errors import ModelError
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks.find import find_network
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.spec import NetworkSpec

# Its own types are too narrow for what is made of it here.
transformers: Any = importlib.import_module("transformers")

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 16,
}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}
# Settings of a small one, its layer, and the number of tokens before the patches.
FAMILIES: dict[str, tuple[dict[str, Any], str, int | None]] = {
    "ResNet": (
        {"embedding_size": 8, "layer_type": "basic", **STAGES},
        "resnet.encoder.stages.3",
        None,
    ),
    "ConvNext": (STAGES, "convnext.encoder.stages.3", None),
    "RegNet": (
        {"embedding_size": 8, "groups_width": 8, **STAGES},
        "regnet.encoder.stages.3",
        None,
    ),
    "MobileNetV2": ({"depth_multiplier": 0.25}, "mobilenet_v2.conv_1x1", None),
    "ViT": (TINY, "vit.layers.1.layernorm_before", 1),
    "DeiT": (TINY, "deit.layers.1.layernorm_before", 2),
    "Beit": (TINY, "beit.layernorm", 1),
    "Dinov2": (TINY, "dinov2.layernorm", 1),
    "Swin": (
        {
            "embed_dim": 16,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "image_size": 64,
            "window_size": 4,
        },
        "swin.layernorm",
        0,
    ),
}
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 64, "width": 64},
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.5, 0.25, 0.2],
    "resample": 3,
}


def build(family: str, **more: Any) -> Any:
    kind = getattr(transformers, f"{family}ForImageClassification")
    torch.manual_seed(0)
    settings = {**FAMILIES[family][0], "num_labels": 5, **more}
    module = kind(kind.config_class(**settings)).eval()
    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, torch.nn.BatchNorm2d):
                assert each.running_mean is not None
                each.running_mean.normal_(0, 0.1)
            if isinstance(each, torch.nn.Linear):
                each.weight.normal_(0, 0.2)
    return module


def saved(module: Any, folder: Path, **options: Any) -> Path:
    module.save_pretrained(folder, **options)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR), encoding="utf-8")
    return folder


def find(folder: Path | str) -> NetworkSpec:
    return find_network(f"hf:{folder}", None, LoadOptions(), None)


def evidence_by_autograd(module: Any, layer: str, prefix: int | None, pixels: Tensor) -> Tensor:
    """Grad-CAM of class 3 by the definition, through the network itself."""
    seen: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(
        lambda _module, _given, output: seen.append(output)
    )
    logits = module(pixel_values=pixels.clone().requires_grad_()).logits
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[:, 3].sum(), seen[0])
    activations = seen[0].detach()
    if prefix is None:
        return (gradient.mean((2, 3), keepdim=True) * activations).sum(1)
    patches = activations[:, prefix:]
    edge = int(patches.shape[1] ** 0.5)
    weights = gradient[:, prefix:].mean(1, keepdim=True)
    return (weights * patches).sum(2).reshape(-1, edge, edge)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_maps_are_those_of_the_network_itself(family: str, tmp_path: Path) -> None:
    module = build(family)
    classifier = load_classifier(f"hf:{saved(module, tmp_path)}")
    _, layer, prefix = FAMILIES[family]
    assert classifier.layer == layer
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    activations = classifier.trunk(pixels)
    logits, _, maps, _ = classifier.head.explain(
        activations, lambda scores: torch.full((len(scores), 1), 3)
    )
    with torch.no_grad():
        expected = module(pixel_values=pixels).logits
    torch.testing.assert_close(logits.detach(), expected, rtol=1e-5, atol=1e-5)
    by_definition = evidence_by_autograd(module, layer, prefix, pixels)
    bound = 1e-4 * float(by_definition.abs().max())
    torch.testing.assert_close(maps[:, 0].detach(), by_definition, rtol=0, atol=bound)


def test_labels_and_preprocessing_are_the_folders_own(tmp_path: Path) -> None:
    names = ["cat", "dog", "été", "cow", "hen"]
    module = build("ViT", id2label=dict(enumerate(names)))
    classifier = load_classifier(f"hf:{saved(module, tmp_path)}")
    assert classifier.labels == tuple(names)
    preprocessing = classifier.preprocessing
    assert preprocessing.input_size == (64, 64)
    assert (preprocessing.mean, preprocessing.std) == ((0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    assert preprocessing.interpolation == "bicubic"


def test_names_that_say_nothing_are_no_labels(tmp_path: Path) -> None:
    assert find(saved(build("ViT"), tmp_path)).labels is None


def test_weights_may_be_in_several_files(tmp_path: Path) -> None:
    module = build("ViT")
    folder = saved(module, tmp_path, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").is_file()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(find(folder).network(pixels), module(pixels).logits)


def test_old_pickled_weights_are_read_safely(tmp_path: Path) -> None:
    module = build("ResNet")
    folder = saved(module, tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save(module.state_dict(), folder / "pytorch_model.bin")
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(find(folder).network(pixels), module(pixels).logits)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"model_type": "vit2", "auto_map": {"AutoModel": "mine.Net"}}, "never run"),
        ({"model_type": "bert"}, "no image classification network"),
        ({"architectures": ["ViTModel"]}, "names no classes"),
        ({"num_hidden_layers": 3}, "missing"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"hidden_size": "many"}, "configuration"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    changes: dict[str, Any], cause: str, tmp_path: Path
) -> None:
    folder = saved(build("ViT"), tmp_path)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(settings | changes), encoding="utf-8")
    with pytest.raises(ModelError, match=cause) as caught:
        find(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights_says_so(tmp_path: Path) -> None:
    folder = saved(build("ViT"), tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        find(folder)


def test_the_hubs_cache_is_used_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    place = tmp_path / "models--owner--net"
    saved(build("ResNet"), place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc", encoding="utf-8")
    assert find("owner/net").layer == "resnet.encoder.stages.3"
    with pytest.raises(ModelError, match=r"config\.json is not in the cache"):
        find("owner/other")


def test_a_name_that_is_neither_folder_nor_repository_is_refused() -> None:
    with pytest.raises(ModelError, match="no such folder"):
        find("../no/such/folder/at/all")
