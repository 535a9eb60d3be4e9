"""Transformers: tokens and channels-last maps are explained as pytorch-grad-cam explains them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchvision.models import VisionTransformer
from torchvision.models.swin_transformer import SwinTransformer

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.engine.verify import check_equal
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import ChannelsLastHead, GradientHead, LinearHead, TokenHead
from live_gradcam.explain.layers import at_layer, list_layers
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks.spec import LayoutChoice
from live_gradcam.native import cv2
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import Evidence, Image
from tests.explain import support
from tests.explain.heads.support import assert_near

SIDE = 64
TOLERANCE = 1e-5
SMALL = Preprocessing(SIDE, SIDE)

Reshape: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


def vision_transformer() -> nn.Module:
    module = VisionTransformer(SIDE, 8, 3, 4, 48, 96, num_classes=6)
    return support.randomised(module, seed=3, probe_size=SIDE)


def swin() -> nn.Module:
    module = SwinTransformer([4, 4], 24, [2, 2], [2, 4], [4, 4], num_classes=6)
    return support.randomised(module, seed=3, probe_size=SIDE)


class Registers(nn.Module):
    """Four registers and a class token before the patches, and a mean over all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 8, 8)
        self.extra = nn.Parameter(torch.randn(1, 5, 24, generator=torch.Generator().manual_seed(0)))
        self.norm = nn.LayerNorm(24)
        self.attention = nn.MultiheadAttention(24, 4, batch_first=True)
        self.fc = nn.Linear(24, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.extra.expand(x.shape[0], -1, -1), tokens], 1)
        normal = self.norm(tokens)
        tokens = tokens + self.attention(normal, normal, normal, need_weights=False)[0]
        logits: torch.Tensor = self.fc(tokens.mean(1))
        return logits


def to_maps(prefix: int) -> Reshape:
    """pytorch-grad-cam's way from tokens or channels-last maps to maps."""

    def reshape(values: torch.Tensor) -> torch.Tensor:
        if values.ndim == 3:
            edge = int((values.shape[1] - prefix) ** 0.5)
            values = values[:, prefix:].reshape(values.shape[0], edge, edge, -1)
        return values.permute(0, 3, 1, 2)

    return reshape


@pytest.fixture(scope="module")
def images() -> list[Image]:
    generator = np.random.default_rng(5)
    return list(generator.integers(0, 256, (2, SIDE, SIDE, 3), np.uint8))


def theirs(
    module: nn.Module, layer: str, pixels: torch.Tensor, wanted: int, reshape: Reshape
) -> Evidence:
    targets = [ClassifierOutputTarget(wanted)] * len(pixels)
    with GradCAM(module, [module.get_submodule(layer)], reshape_transform=reshape) as cam:
        maps: Evidence = cam(input_tensor=pixels.requires_grad_(True), targets=targets)
    return maps


def normalised(each: Evidence) -> Evidence:
    lifted = each - each.min()
    share: Evidence = lifted / (1e-7 + lifted.max())
    return share


def as_theirs(evidence: Evidence) -> Evidence:
    small = normalised(np.maximum(evidence, 0))
    large = cv2.resize(small, (SIDE, SIDE)).astype(np.float32, copy=False)
    return normalised(np.maximum(large, 0))


CASES = {
    "vit, the usual layer": (vision_transformer, "encoder.layers.-1.ln_1", TokenHead, 1),
    "vit, an earlier block": (vision_transformer, "encoder.layers.encoder_layer_0", TokenHead, 1),
    "vit, inside a block": (vision_transformer, "encoder.layers.-1.ln_2", TokenHead, 1),
    "registers": (Registers, "norm", TokenHead, 5),
    "swin, the usual layer": (swin, "norm", LinearHead, 0),
    "swin, its last stage": (swin, "features", GradientHead, 0),
    "swin, inside a block": (swin, "features.-1.-1.norm1", ChannelsLastHead, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_maps_are_those_of_pytorch_grad_cam(case: str, images: list[Image]) -> None:
    build, layer, head, prefix = CASES[case]
    module = build().eval()
    classifier = Classifier.from_module(module, layer=layer, preprocessing=SMALL)
    assert type(classifier.head) is head
    explainer = Explainer(classifier, device="cpu", precision="fp32", compile="off")
    explanations = explainer.explain_batch(images, classes=[2, 4])
    pixels = support.as_input(images)
    with torch.no_grad():
        logits = module(pixels).numpy()
    for position, wanted in enumerate((2, 4)):
        found = theirs(module, classifier.layer, pixels, wanted, to_maps(prefix))
        for index, explanation in enumerate(explanations):
            ours = as_theirs(explanation.evidence[position])
            if "ln_2" not in layer:  # behind the last attention, no score depends on a patch
                assert ours.max() > 0.9, "a blank map proves nothing"
            np.testing.assert_allclose(ours, found[index], rtol=0, atol=TOLERANCE)
            scores = {each.class_index: each.logit for each in explanation.predictions}
            near = TOLERANCE * float(abs(logits).max())
            assert scores[wanted] == pytest.approx(logits[index, wanted], abs=near)


def test_the_evidence_is_the_definition_in_logit_units(images: list[Image]) -> None:
    """Not normalised: eq. 1 and 2 with the gradient of torch's own backward pass."""
    module = vision_transformer()
    classifier = Classifier.from_module(
        module, layer="encoder.layers.encoder_layer_2.ln_1", preprocessing=SMALL
    )
    explainer = Explainer(classifier, device="cpu", precision="fp32", compile="off")
    explanation = explainer.explain(images[0], classes="all")
    kept: list[torch.Tensor] = []
    layer = module.get_submodule(classifier.layer)
    layer.register_forward_hook(lambda _m, _i, output: kept.append(output))
    logits = module(support.as_input(images[:1]).requires_grad_(True))
    for index in range(6):
        (gradient,) = torch.autograd.grad(logits[0, index], kept[0], retain_graph=True)
        weights = gradient[0, 1:].mean(0)
        expected = (kept[0][0, 1:] @ weights).reshape(8, 8).detach().numpy()
        near = TOLERANCE * float(abs(expected).max())
        np.testing.assert_allclose(explanation.evidence[index], expected, rtol=0, atol=near)


def test_prefix_tokens_and_layout_can_be_said() -> None:
    module = Registers().eval()
    choices: list[dict[str, Any]] = [{}, {"layout": "tokens"}, {"prefix_tokens": 5}]
    for options in choices:
        classifier = Classifier.from_module(module, layer="norm", preprocessing=SMALL, **options)
        assert layout_of(classifier) == (5, (8, 8))
    with pytest.raises(ModelError, match="69 tokens after the first 1 are not a square grid"):
        Classifier.from_module(module, layer="norm", preprocessing=SMALL, prefix_tokens=1)
    layouts: list[LayoutChoice] = ["nchw", "nhwc"]
    for layout in layouts:
        with pytest.raises(ModelError, match="is not a map"):
            Classifier.from_module(module, layer="norm", preprocessing=SMALL, layout=layout)
    with pytest.raises(UsageError, match="unknown layout: rows"):
        Classifier.from_module(module, layer="norm", layout="rows")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="prefix_tokens=1"):
        Classifier.from_module(module, layer="norm", layout="nhwc", prefix_tokens=1)


def test_as_many_channels_as_rows_are_told_apart() -> None:
    class Square(nn.Module):
        def __init__(self, last: bool) -> None:
            super().__init__()
            self.map = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.ReLU())
            self.turn = nn.Identity()
            self.last = last
            self.fc = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.map(x)
            maps = self.turn(maps.permute(0, 2, 3, 1) if self.last else maps)
            logits: torch.Tensor = self.fc(maps.mean((1, 2) if self.last else (2, 3)))
            return logits

    for last in (False, True):
        module = Square(last).eval()
        classifier = Classifier.from_module(module, layer="turn", preprocessing=SMALL)
        assert type(classifier.head) is LinearHead
        pixels = torch.randn(1, 3, SIDE, SIDE)
        with torch.no_grad():
            expected = module.map(pixels)
            assert_near(classifier.trunk(pixels), expected, terms=3 * 8 * 8)


def test_two_parts_may_meet_at_tokens() -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 12, 8, 8), nn.Flatten(2), Turned())
    head = nn.Sequential(Turned(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(12, 4))
    classifier = Classifier.from_parts(trunk, head, preprocessing=SMALL)
    assert layout_of(classifier) == (0, (8, 8))
    maps = nn.Sequential(nn.Conv2d(3, 12, 8, 8), Turned())
    last = nn.Sequential(Turned(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4))
    classifier = Classifier.from_parts(maps, last, preprocessing=SMALL, layout="nhwc")
    assert type(classifier.head) is LinearHead


def layout_of(classifier: Classifier) -> tuple[int, tuple[int, int]]:
    """The number of tokens before those of the patches, and the grid of these."""
    assert isinstance(classifier.head, TokenHead)
    return classifier.head.prefix, classifier.head.grid


class Turned(nn.Module):
    """Channels to the other end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim == 3:
            return x.transpose(1, 2)
        return x.permute(0, 2, 3, 1) if x.shape[1] == 12 else x.permute(0, 3, 1, 2)


def test_one_size_only_is_said_for_the_whole_frame(
    noise_image: Callable[[int, int], Image], capfd: pytest.CaptureFixture[str]
) -> None:
    classifier = Classifier.from_module(
        vision_transformer(), layer="encoder.layers.-1.ln_1", preprocessing=SMALL
    )
    with Explainer(classifier, compile="off") as explainer:
        with pytest.raises(UsageError, match=r"does not take pictures of this size.*--view crop"):
            explainer.explain(noise_image(320, 180), view="full")
        assert explainer.explain(noise_image(320, 180), view="stretch").evidence.shape == (1, 8, 8)
    assert capfd.readouterr().err == ""
    classifier = Classifier.from_module(swin(), layer="permute", preprocessing=SMALL)
    with Explainer(classifier, compile="off") as explainer:
        assert explainer.explain(noise_image(320, 160), view="full").evidence.shape == (1, 8, 16)


def test_the_layer_keys_know_channels_last_maps() -> None:
    classifier = Classifier.from_module(swin(), layer="permute", preprocessing=SMALL)
    layers = {layer.name: (layer.channels, layer.grid) for layer in list_layers(classifier)}
    assert layers == {"features": (24, (16, 16)), "permute": (48, (8, 8))}
    earlier = at_layer(classifier, "features")
    pixels = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        assert earlier.trunk(pixels).shape == (2, 24, 16, 16)
        assert_near(
            earlier.head(earlier.trunk(pixels)), classifier.head(classifier.trunk(pixels)), terms=48
        )
    tokens = Classifier.from_module(
        vision_transformer(), layer="encoder.layers.-1.ln_1", preprocessing=SMALL
    )
    (layer,) = list_layers(tokens)
    assert (layer.name, layer.channels, layer.grid) == (tokens.layer, 48, (8, 8))


def test_half_precision_explains_alike() -> None:
    for build, layer in ((vision_transformer, "encoder.layers.-1.ln_1"), (swin, "permute")):
        classifier = Classifier.from_module(build(), layer=layer, preprocessing=SMALL)
        reference = FusedNetwork(classifier, "fp32").eval()
        half = FusedNetwork(classifier, "bf16").eval()
        with torch.no_grad():
            check_equal(reference, half, (2, SIDE, SIDE), 2)


def test_a_transformer_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: list[Image]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module = VisionTransformer(SIDE, 16, 1, 2, 16, 16, num_classes=3)
    module = support.randomised(module, seed=3, probe_size=SIDE)
    classifier = Classifier.from_module(module, layer="encoder.layers.-1.ln_1", preprocessing=SMALL)
    with Explainer(classifier, compile="off", precision="fp32") as explainer:
        expected = explainer.explain(images[0])
    notices: list[str] = []
    with Explainer(
        classifier, engine="torch", compile="on", precision="fp32", on_notice=notices.append
    ) as explainer:
        found = explainer.explain(images[0])
        assert explainer.compiled, notices
    near = 1e-4 * float(abs(expected.evidence).max())
    np.testing.assert_allclose(found.evidence, expected.evidence, rtol=0, atol=near)


@pytest.mark.parametrize("side", [224, 96])
def test_a_checkpoint_says_its_images_size(side: int, tmp_path: Path) -> None:
    """Of seven classes, under the names that torchvision's own files still have."""
    module = VisionTransformer(side, 32, 12, 12, 768, 3072, num_classes=7).eval()
    nn.init.normal_(module.heads.head.weight, std=0.02)
    state = {
        key.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): value
        for key, value in module.state_dict().items()
    }
    torch.save(state, tmp_path / "mine.pth")
    classifier = load_classifier("vit_b_32", weights=tmp_path / "mine.pth")
    assert classifier.class_count == 7
    assert classifier.layer == "encoder.layers.encoder_layer_11.ln_1"
    assert classifier.preprocessing.crop_size == side
    assert classifier.preprocessing.resize_size == (256 if side == 224 else side)
    assert layout_of(classifier) == (1, (side // 32, side // 32))
    pixels = torch.randn(1, 3, side, side)
    with torch.no_grad():
        assert_near(classifier.head(classifier.trunk(pixels)), module(pixels), terms=3072)
