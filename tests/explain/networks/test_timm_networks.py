"""timm's networks: found by name, filled from a file or from timm's cache, cut and explained."""

from __future__ import annotations

import importlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
import safetensors.torch
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.frame_plan import plan_frame, prepare_batch
from live_gradcam.explain.heads import GradientHead, LinearHead, TokenHead
from live_gradcam.explain.layers import list_layers
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks.timm_networks import LAYERS, choose_layer, convert_preprocessing
from live_gradcam.images.read import from_pillow
from live_gradcam.native import cv2
from live_gradcam.values import Image
from tests.explain import support

# Its own types are too narrow for what its networks carry with them.
timm: Any = importlib.import_module("timm")

Maps = npt.NDArray[np.float32]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

# A small one of each kind: its layer, what stands behind it, and its grid.
NETWORKS = {
    "test_resnet": ("layer4", LinearHead, (5, 5)),
    "test_convnext": ("stages", GradientHead, (5, 5)),
    "test_efficientnet": ("bn2", LinearHead, (5, 5)),
    "test_byobnet": ("final_conv", LinearHead, (5, 5)),
    "test_nfnet": ("final_act", LinearHead, (5, 5)),
    "test_mambaout": ("stages", GradientHead, (5, 5)),
    "mobilenetv3_small_050": ("blocks", GradientHead, (7, 7)),
    "mobilenetv4_conv_small_035": ("blocks", GradientHead, (7, 7)),
    "regnetx_002": ("final_conv", LinearHead, (7, 7)),
    "ghostnet_050": ("blocks", GradientHead, (7, 7)),
    "starnet_s1": ("norm", LinearHead, (7, 7)),
    "visformer_tiny": ("stage3", GradientHead, (7, 7)),  # not in the table: timm's own word
    "test_vit": ("blocks.5.norm1", TokenHead, (10, 10)),
    "deit_tiny_distilled_patch16_224": ("blocks.11.norm1", TokenHead, (14, 14)),
    "eva02_tiny_patch14_224": ("blocks.11.norm1", TokenHead, (16, 16)),
    "swin_tiny_patch4_window7_224": ("norm", LinearHead, (7, 7)),
    "xcit_nano_12_p16_224": ("blocks.11", TokenHead, (14, 14)),
    "convit_tiny": ("blocks.11.norm1", TokenHead, (14, 14)),
    "hiera_tiny_224": ("blocks.11", TokenHead, (7, 7)),
    "mvitv2_tiny": ("norm", TokenHead, (7, 7)),
}
PARITY = {"test_vit": 1, "test_convnext": 0}


def build(name: str, class_count: int = 5) -> Any:
    module = timm.create_model(name, num_classes=class_count).eval()
    return support.randomised(module, probe_size=module.pretrained_cfg["input_size"][1])


def saved(module: nn.Module, folder: Path) -> Path:
    torch.save(module.state_dict(), folder / "mine.pth")
    return folder / "mine.pth"


def noise(side: int, seed: int = 2) -> Image:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_NEAREST), np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_timm_are_cut_and_explained(name: str, tmp_path: Path) -> None:
    module = build(name)
    classifier = load_classifier(f"timm:{name}", weights=saved(module, tmp_path))
    layer, head, grid = NETWORKS[name]
    assert (classifier.layer, type(classifier.head)) == (layer, head)
    assert classifier.labels == tuple(f"class {index}" for index in range(5))
    side, _ = classifier.preprocessing.input_size
    assert side == module.pretrained_cfg["input_size"][1]
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = classifier.head(classifier.trunk(pixels))
        torch.testing.assert_close(found, module(pixels), rtol=1e-4, atol=1e-4)
    with Explainer(classifier, precision="fp32", compile="off") as explainer:
        explanation = explainer.explain(noise(side), classes="all", view="stretch")
    assert explanation.evidence.shape == (5, *grid)
    assert (np.abs(explanation.evidence).max((1, 2)) > 0).all()
    assert [each.grid for each in list_layers(classifier) if each.name == layer] == [grid]


@pytest.mark.parametrize("name", PARITY)
def test_maps_are_those_of_pytorch_grad_cam(name: str, tmp_path: Path) -> None:
    module = build(name)
    classifier = load_classifier(f"timm:{name}", weights=saved(module, tmp_path))
    preprocessing = classifier.preprocessing
    side, _ = preprocessing.input_size
    with Explainer(classifier, precision="fp32", compile="off") as explainer:
        evidence = explainer.explain(noise(side), classes=3, view="stretch").evidence[0]

    def to_maps(values: torch.Tensor) -> torch.Tensor:
        edge = int((values.shape[1] - PARITY[name]) ** 0.5)
        patches = values[:, PARITY[name] :]
        return patches.reshape(-1, edge, edge, values.shape[2]).permute(0, 3, 1, 2)

    layer = module.get_submodule(classifier.layer)
    pixels = support.as_input([noise(side)], preprocessing).requires_grad_(True)
    reshape = to_maps if PARITY[name] else None
    with GradCAM(module, [layer], reshape_transform=reshape) as cam:
        theirs = cam(input_tensor=pixels, targets=[ClassifierOutputTarget(3)])[0]

    def normalised(each: Maps) -> Maps:
        lifted = np.maximum(each, 0) - np.maximum(each, 0).min()
        share: Maps = lifted / (1e-7 + lifted.max())
        return share

    enlarged = cv2.resize(normalised(evidence), (side, side)).astype(np.float32, copy=False)
    ours = normalised(enlarged)
    assert ours.max() > 0.9, "a blank map proves nothing"
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_the_tokens_of_a_hiera_are_row_by_row_at_its_last_block() -> None:
    with torch.device("meta"):
        names = [name for name in timm.list_models("hiera_*")]
        networks = [timm.create_model(name, num_classes=5) for name in names]
    for network in networks:
        last = len(network.blocks) - 1
        (schedule, (rows, columns)) = network.reroll.schedule[last]
        assert not schedule
        tokens = torch.arange(rows * columns).view(1, -1, 1)
        assert torch.equal(network.reroll(tokens, last)[0, :, :, 0], tokens.view(rows, columns))
    assert networks


def test_a_class_token_behind_the_last_norm_hides_the_patches() -> None:
    with torch.device("meta"):
        module = timm.create_model("mvitv2_small_cls", num_classes=5)
    with pytest.raises(ModelError, match="which layer of a MultiScaleVit to explain is not known"):
        choose_layer(module, "mvitv2_small_cls")


def test_what_timm_does_not_say_either_is_refused() -> None:
    module = timm.create_model("visformer_tiny", num_classes=5)
    assert type(module).__name__ not in LAYERS
    assert choose_layer(module, "visformer_tiny") == ("stage3", "maps")
    with pytest.raises(ModelError, match="which layer of a Linear to explain is not known"):
        choose_layer(nn.Linear(1, 1), "mine")


def test_a_layer_that_nobody_described_is_found_with_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(LAYERS, "ConVit")
    path = saved(timm.create_model("convit_tiny", num_classes=5), tmp_path)
    classifier = load_classifier("timm:convit_tiny", weights=path)
    assert classifier.layer == "blocks.11.norm1"
    assert isinstance(classifier.head, TokenHead)
    assert (classifier.head.prefix, classifier.head.grid) == (1, (14, 14))


def test_another_layer_can_be_explained(tmp_path: Path) -> None:
    path = saved(build("test_vit"), tmp_path)
    classifier = load_classifier("timm:test_vit", weights=path, layer="blocks.2")
    assert isinstance(classifier.head, TokenHead)
    assert (classifier.head.prefix, classifier.head.grid) == (1, (10, 10))
    # Channels-last maps here, because this network can take pictures of any size.
    classifier = load_classifier("timm:test_vit", weights=path, layer="patch_embed")
    assert type(classifier.head) is GradientHead
    assert list_layers(classifier)[-1].grid == (10, 10)


def test_imagenet_labels_for_a_thousand_classes(tmp_path: Path) -> None:
    classifier = load_classifier(
        "timm:test_resnet", weights=saved(build("test_resnet", 1000), tmp_path)
    )
    assert classifier.class_index("zebra") == 340
    names = [f"bird {index}" for index in range(1000)]
    path = tmp_path / "mine.pth"
    assert load_classifier("timm:test_resnet", weights=path, labels=names).labels[3] == "bird 3"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("resnet18", {}),
        ("vit_tiny_patch16_224", {}),
        ("efficientnet_b0", {}),
        ("resnet18", {"crop_mode": "squash", "crop_pct": 0.9}),
        ("resnet18", {"crop_mode": "squash", "crop_pct": 1.0, "input_size": (3, 96, 160)}),
        ("resnet18", {"interpolation": "lanczos"}),
        ("resnet18", {"input_size": (3, 96, 192)}),
    ],
)
def test_pixels_are_those_of_timms_own_transform(name: str, changed: dict[str, Any]) -> None:
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    config |= changed
    preprocessing = convert_preprocessing(config, name)
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (30, 40, 3), np.uint8)
    picture = PIL.Image.fromarray(coarse).resize((640, 480), PIL.Image.Resampling.BICUBIC)
    theirs = timm.data.create_transform(**config, is_training=False)(picture)
    theirs = theirs * torch.tensor(config["std"]).view(3, 1, 1)
    theirs = (theirs + torch.tensor(config["mean"]).view(3, 1, 1)) * 255
    frame = from_pillow(picture).image
    plan = plan_frame(*frame.shape[:2], preprocessing, "crop")
    ours = prepare_batch([frame], [plan])[0].flip(2).permute(2, 0, 1).float()
    assert ours.shape == theirs.shape
    # Torch rounds the filter's weights to 16 bits, PIL to 22.
    assert float((ours - theirs).abs().max()) <= 1.01
    assert float((ours - theirs).abs().mean()) < 0.3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"interpolation": "random"}, "interpolation='random': it is not supported"),
        ({"crop_mode": "border"}, "crop mode 'border' is not supported"),
        ({"input_size": (1, 28, 28)}, "3 numbers, gray has 1"),
        ({"input_size": (2, 128, 128)}, "2 channels"),
    ],
)
def test_a_transform_that_ours_cannot_do_is_refused(changed: dict[str, Any], said: str) -> None:
    config = timm.data.resolve_data_config(pretrained_cfg={"num_classes": 5})
    assert convert_preprocessing(config, "mine").interpolation == "bicubic"
    with pytest.raises(ModelError, match=said):
        convert_preprocessing({**config, **changed}, "mine")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet19", "timm:resnet18"),
        ("resnet18.mine", "no such weights of it.*timm:resnet18.tv_in1k"),
        ("", "no such network"),
        ("hf-hub:somebody/something", "no such network"),
        ("ghostnet_050", "publishes no weights.*--weights"),
        ("vit_small_patch14_reg4_dinov2", "only features.*--weights"),
    ],
)
def test_a_name_that_cannot_be_loaded_says_why(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        load_classifier(f"timm:{name}")
    assert caught.value.exit_code == 5


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = saved(build("test_resnet"), tmp_path)
    with pytest.raises(ModelError, match=r"do not fit timm:test_byobnet.*missing"):
        load_classifier("timm:test_byobnet", weights=path)
    torch.save(build("test_resnet"), tmp_path / "whole.pth")
    with pytest.raises(ModelError, match=r"Python objects besides tensors.*nothing was loaded"):
        load_classifier("timm:test_resnet", weights=tmp_path / "whole.pth")


def test_without_timm_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError, match=r'pip install "live-gradcam\[timm\]"') as caught:
        load_classifier("timm:resnet18")
    assert caught.value.exit_code == 5


def test_models_says_how_many_there_are(command: Command) -> None:
    done = command("models")
    assert f"{len(timm.list_models())} networks of timm: --model timm:NAME" in done.stderr


@pytest.mark.parametrize("silent", [False, True], ids=["nobody there", "nobody answers"])
def test_offline_it_ends_and_names_the_way_out(
    silent: bool, command: Command, tmp_path: Path
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if silent:
            server.listen()  # and never accepts
        done = command(
            *("run", "scene", "--max-frames", "1", "-o", "-", "--model", "timm:test_resnet"),
            timeout=280,
            HF_ENDPOINT=f"http://127.0.0.1:{server.getsockname()[1]}",
            HF_HOME=str(tmp_path / "cache"),
        )
    assert done.returncode == 5
    assert done.stderr.startswith("error: cannot download the weights of timm:test_resnet: http://")
    assert len(done.stderr.splitlines()) == 1
    assert "--weights FILE" in done.stderr


def test_weights_in_the_cache_need_no_server(command: Command, tmp_path: Path) -> None:
    module = build("test_resnet", 1000)
    repository = timm.get_pretrained_cfg("test_resnet").hf_hub_id.replace("/", "--")
    folder = tmp_path / "cache" / "hub" / f"models--{repository}"
    (folder / "snapshots" / "1234").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("1234")
    file = folder / "snapshots" / "1234" / "model.safetensors"
    safetensors.torch.save_file(module.state_dict(), file)
    done = command(
        *("run", "scene:3", "--max-frames", "2", "-o", "-", "--model", "timm:test_resnet"),
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_HOME=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 2
    classifier = Classifier.from_module(module, layer="layer4")
    assert records[0]["predictions"][0]["class_index"] < classifier.class_count
