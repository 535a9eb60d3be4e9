"""What a network is given: any channels, range, shape and size, as torchvision would give it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import transformers
from hypothesis import example, given, settings, strategies
from PIL import Image as PilImages
from torch import Tensor, nn
from torchvision import transforms

from live_gradcam.cli.main import run_command_line
from live_gradcam.errors import LiveGradcamError, ModelError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.engine.package_cache import package_key
from live_gradcam.explain.engine.pixels import InputPixels
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.frame_plan import plan_frame, prepare_batch
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks.preprocessing_files import convert_record, read_preprocessing
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import Image

CLASSES = 4


def photograph(height: int = 97, width: int = 140) -> Image:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)
    picture = PilImages.fromarray(coarse).resize((width, height), PilImages.Resampling.BICUBIC)
    return np.asarray(picture)


def small(channels: int, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, CLASSES),
    ).eval()


def network_input(image: Image, preprocessing: Preprocessing) -> Tensor:
    """The network's input, as the engine makes it."""
    plan = plan_frame(*image.shape[:2], preprocessing, "crop")
    pixels: Tensor = InputPixels(preprocessing)(prepare_batch([image], [plan]))
    return pixels[0]


def explained(classifier: Classifier, image: Image) -> tuple[list[float], npt.NDArray[np.float32]]:
    with Explainer(
        classifier, device="cpu", precision="fp32", compile="off", top_k=CLASSES
    ) as explainer:
        found = explainer.explain(image, classes=range(CLASSES))
    logits = {each.class_index: each.logit for each in found.predictions}
    return [logits[index] for index in range(CLASSES)], found.evidence


def by_autograd(
    module: nn.Sequential, pixels: Tensor
) -> tuple[list[float], npt.NDArray[np.float32]]:
    values = module[:4](pixels[None]).detach().requires_grad_(True)
    logits = module[4:](values)[0]
    maps = []
    for index in range(CLASSES):
        (gradient,) = torch.autograd.grad(logits[index], values, retain_graph=True)
        maps.append((gradient.mean((2, 3), keepdim=True) * values).sum(1)[0].detach().numpy())
    return logits.tolist(), np.stack(maps)


# Each with the same transform, written with torchvision for a PIL image.
TRANSFORMS: Mapping[str, tuple[Preprocessing, list[Any]]] = {
    "gray": (
        Preprocessing(32, 28, channels="gray", mean=(0.1307,), std=(0.3081,)),
        [transforms.Resize(32), transforms.CenterCrop(28), transforms.Grayscale(),
         transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)],
    ),
    "gray three times": (
        Preprocessing(32, 28, channels="gray+gray+gray", mean=(0.5,), std=(0.5,)),
        [transforms.Resize(32), transforms.CenterCrop(28), transforms.Grayscale(3),
         transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)],
    ),
    "bgr in 0..255": (
        Preprocessing(32, 28, (104.0, 117.0, 124.0), (1.0,), channels="bgr", value_range=(0, 255)),
        [transforms.Resize(32), transforms.CenterCrop(28), transforms.PILToTensor(),
         lambda x: x.flip(0).float() - torch.tensor([104.0, 117.0, 124.0]).view(3, 1, 1)],
    ),
    "-1..1, squeezed, not square": (
        Preprocessing((24, 40), (24, 40), value_range=(-1, 1)),
        [transforms.Resize((24, 40)), transforms.ToTensor(), lambda x: x * 2 - 1],
    ),
    "with alpha": (
        Preprocessing(28, 28, channels="rgba", mean=(0.5,), std=(0.5,)),
        [transforms.Resize(28), transforms.CenterCrop(28), transforms.ToTensor(),
         lambda x: (torch.cat([x, torch.ones_like(x[:1])]) - 0.5) / 0.5],
    ),
    "two channels": (
        Preprocessing(28, 28, channels="green+zeros", value_range=(0, 255)),
        [transforms.Resize(28), transforms.CenterCrop(28), transforms.PILToTensor(),
         lambda x: torch.stack([x[1], torch.zeros_like(x[1])]).float()],
    ),
    "nearest": (
        Preprocessing(32, 28, interpolation="nearest"),
        [transforms.Resize(32, transforms.InterpolationMode.NEAREST), transforms.CenterCrop(28),
         transforms.ToTensor(),
         transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_logits_and_maps_are_those_of_torchvision_s_transform(name: str) -> None:
    preprocessing, steps = TRANSFORMS[name]
    rgb = photograph()
    expected = transforms.Compose(steps)(PilImages.fromarray(rgb))
    exact = Preprocessing(
        **{field: getattr(preprocessing, field) for field in preprocessing.__slots__}
        | {"resample": "pil"}
    )
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    torch.testing.assert_close(network_input(bgr, exact), expected, rtol=0, atol=1e-5)
    module = small(len(preprocessing.planes))
    classifier = Classifier.from_module(module, layer="3", preprocessing=exact)
    logits, maps = explained(classifier, bgr)
    expected_logits, expected_maps = by_autograd(module, expected)
    assert logits == pytest.approx(expected_logits, rel=1e-4, abs=1e-4)
    assert maps == pytest.approx(expected_maps, abs=1e-4 * float(np.abs(expected_maps).max()))


@settings(max_examples=80, deadline=None)
@given(
    height=strategies.integers(60, 400),
    width=strategies.integers(60, 400),
    resize=strategies.integers(64, 300),
    crop=strategies.integers(48, 64),
    interpolation=strategies.sampled_from(["bilinear", "bicubic"]),
)
@example(height=276, width=252, resize=256, crop=224, interpolation="bicubic")
def test_any_size_is_within_rounding_of_torchvision_s(
    height: int, width: int, resize: int, crop: int, interpolation: Any
) -> None:
    generator = np.random.default_rng(height * 1000 + width)
    image = generator.integers(0, 256, (height, width, 3), np.uint8)
    mode = transforms.InterpolationMode(interpolation)
    steps = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(crop)])
    expected = np.asarray(steps(PilImages.fromarray(image))).astype(int)
    plan = plan_frame(
        height, width, Preprocessing(resize, crop, interpolation=interpolation), "crop"
    )
    apart = np.abs(prepare_batch([image], [plan])[0].numpy().astype(int) - expected)
    assert apart.max() <= 2, "each of both passes, over rows and over columns, rounds once"
    assert (apart > 1).mean() < 1e-4


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_every_photograph_is_within_one_level_of_torchvision_s(
    shared: Path, interpolation: Any
) -> None:
    generator = np.random.default_rng(1)
    mode = transforms.InterpolationMode(interpolation)
    for path in sorted((shared / "media" / "images").glob("*.jpg")):
        picture = PilImages.open(path).convert("RGB")
        size = int(generator.integers(225, 300))
        steps = transforms.Compose([transforms.Resize(size, mode), transforms.CenterCrop(224)])
        expected = np.asarray(steps(picture)).astype(int)
        image = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
        for resample, most in (("torch", 1), ("pil", 0)):
            preprocessing = Preprocessing(
                size,
                224,
                interpolation=interpolation,
                resample=resample,  # type: ignore[arg-type]
            )
            plan = plan_frame(*image.shape[:2], preprocessing, "crop")
            found = prepare_batch([image], [plan])[0].numpy()[:, :, ::-1].astype(int)
            assert np.abs(found - expected).max() <= most, path.name


def test_an_input_that_is_not_square_is_covered() -> None:
    tall = plan_frame(400, 200, Preprocessing(64, (64, 128)), "crop")
    assert (tall.height, tall.width) == (64, 128)
    assert tall.region.as_list() == [0, 150, 200, 100]
    wide = plan_frame(100, 400, Preprocessing(64, (64, 128)), "crop")
    assert wide.region.as_list() == [100, 0, 200, 100]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, "gray"), (3, "rgb"), (4, "rgba")],
)
def test_the_first_layer_says_how_many_channels_there_are(channels: int, expected: str) -> None:
    classifier = Classifier.from_module(small(channels), layer="3")
    assert classifier.preprocessing.channels == expected
    assert len(classifier.notes) == (channels != 3)
    if channels == 1:
        assert classifier.preprocessing.mean == (0.5,)
        assert "1 channel: the network is given gray" in classifier.notes[0]
        assert "mean 0.5, std 0.5" in classifier.notes[0]


def test_a_network_that_makes_its_channels_itself_is_given_colours() -> None:
    class Luma(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rest = small(1)

        def forward(self, pixels: Tensor) -> Tensor:
            logits: Tensor = self.rest(pixels.mean(1, keepdim=True))
            return logits

    classifier = Classifier.from_module(Luma(), layer="rest.3")
    assert classifier.preprocessing.channels == "rgb"
    assert classifier.notes == ()


@pytest.mark.parametrize(
    ("channels", "said", "words"),
    [
        (2, None, "2 channels.*gray\\+gray"),
        (3, {"channels": "gray"}, "gray has 1, and its first layer takes 3"),
        (1, {"mean": [0.1, 0.2, 0.3]}, "3 numbers, gray has 1"),
        (3, {"mean": [0.1, 0.2, 0.3, 0.4]}, "4 numbers, rgb has 3"),
        (3, {"mean": [123.0, 117.0, 104.0]}, "0..255"),
        (3, {"range": "0..255", "mean": 0.5, "std": 0.2}, "numbers for 0..1"),
        (3, {"channels": "grey-ish"}, "unknown channels"),
        (3, {"mena": [0.5]}, "Did you mean mean"),
        (3, {"std": [0.0]}, "not positive"),
        (3, {"input_size": 224, "resize": 100}, "smaller than the input"),
        (3, {"range": "1..0"}, "Give 0..1"),
    ],
)
def test_contradictions_are_refused(channels: int, said: Any, words: str) -> None:
    with pytest.raises((ModelError, UsageError), match=words):
        Classifier.from_module(small(channels), layer="3", preprocessing=said)


PROCESSORS: Mapping[str, Any] = {
    "ViTImageProcessor": {"size": {"height": 48, "width": 64}},
    "DeiTImageProcessor": {
        "size": {"height": 64, "width": 64}, "crop_size": {"height": 48, "width": 48}
    },
    "ConvNextImageProcessor": {"size": {"shortest_edge": 56}, "crop_pct": 0.875},
    "LevitImageProcessor": {
        "size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}
    },
    "MobileViTImageProcessor": {
        "size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}
    },
    "EfficientNetImageProcessor": {
        "size": {"height": 64, "width": 64}, "crop_size": {"height": 56, "width": 56},
        "do_center_crop": True, "rescale_offset": False, "include_top": True,
    },
    "CLIPImageProcessor": {
        "size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", PROCESSORS)
def test_hugging_face_s_processors_are_read_as_they_are(kind: str, tmp_path: Path) -> None:
    processor = getattr(transformers, kind)(**PROCESSORS[kind])
    processor.save_pretrained(tmp_path)
    preprocessing = read_preprocessing(tmp_path / "preprocessor_config.json").apply(Preprocessing())
    # Of even differences, whose half all libraries agree on.
    rgb = photograph(112, 144)
    expected = processor(PilImages.fromarray(rgb), return_tensors="pt")["pixel_values"][0]
    found = network_input(np.ascontiguousarray(rgb[:, :, ::-1]), preprocessing)
    assert found.shape == expected.shape
    level = 1 / (255 * min(preprocessing.std))
    assert float((found - expected).abs().max()) <= 2.1 * level
    assert float((found - expected).abs().mean()) <= 0.3 * level


def test_timm_s_configuration_is_read_as_it_is() -> None:
    record = {
        "architecture": "resnet18",
        "pretrained_cfg": {
            "input_size": [3, 96, 96], "crop_pct": 0.75, "interpolation": "bilinear",
            "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
        },
    }  # fmt: skip
    found = convert_record(record, "config.json").apply(Preprocessing())
    assert found == Preprocessing(128, 96, (0.5,), (0.25,))


def test_the_command_line_says_what_a_network_is_given(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "preprocessing.json"
    file.write_text(json.dumps({"input_size": [64, 96], "range": [0, 255]}), encoding="utf-8")
    PilImages.fromarray(photograph()).save(tmp_path / "a.png")
    arguments = ["run", str(tmp_path / "a.png"), "-o", "-", "--model", "scenes", "--top-k", "1"]
    options = ["--preprocessing", str(file), "--range", "-1..1", "--channels", "bgr"]
    assert run_command_line([*arguments, *options]) == 0
    out, err = capfd.readouterr()
    assert "the network is given bgr, 96x64 pixels in -1..1, mean 0, std 1" in err
    record = json.loads(out.splitlines()[0])
    assert record["region"][2] / record["region"][3] == pytest.approx(1.5, abs=0.03)
    for wrong in (["--range", "0-1"], ["--mean", "x"], ["--input-size", "0"], ["--channels", "q"]):
        assert run_command_line([*arguments, *wrong]) == 2
        assert wrong[1] in capfd.readouterr().err


def test_compiled_networks_of_other_pixels_are_told_apart() -> None:
    keys = {
        package_key(FusedNetwork(classifier, "fp32"), (1, 28, 28), depth=1, threads=1)
        for classifier in (
            Classifier.from_module(small(1), layer="3", preprocessing=said)
            for said in (
                {"range": "0..1"},
                {"range": "0..255"},
                {"range": "0..1", "channels": "red"},
            )
        )
    }
    assert len(keys) == 3


def test_a_file_of_torchvision_s_is_recognised_by_its_name(tmp_path: Path) -> None:
    from torchvision import models

    path = tmp_path / "mobilenet_v2-7ebf99e0.pth"
    torch.save(models.mobilenet_v2().state_dict(), path)
    classifier = load_classifier("mobilenet_v2", weights=path)
    entry = models.MobileNet_V2_Weights.IMAGENET1K_V2
    assert classifier.preprocessing == Preprocessing.from_transform(entry.transforms())
    assert str(entry) in classifier.weights_origin
    with pytest.raises(ModelError, match="Use --model mobilenet_v2"):
        load_classifier("resnet18", weights=path)


@pytest.mark.parametrize("turned", [None, False, True])
def test_only_torchvision_s_own_weights_turn_their_input(
    tmp_path: Path, turned: bool | None
) -> None:
    from torchvision import models

    notes: list[str] = []
    path = tmp_path / "mine.pth"
    torch.manual_seed(0)
    network = models.googlenet(
        num_classes=CLASSES, aux_logits=False, init_weights=False, transform_input=bool(turned)
    ).eval()
    torch.save(network.state_dict(), path)
    classifier = load_classifier(
        "googlenet", weights=path, transform_input=turned, on_notice=notes.append
    )
    image = photograph(240, 240)
    logits, _ = explained(classifier, image)
    with torch.no_grad():
        expected = network(network_input(image, classifier.preprocessing)[None])[0]
    assert logits == pytest.approx(expected.tolist(), abs=1e-4)
    assert any("--transform-input" in note for note in notes) == (turned is None)
    with pytest.raises(UsageError, match="only GoogLeNet and Inception"):
        load_classifier("scenes", transform_input=True)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "{}",
        '{"mean": "x"}',
        '{"crop_pct": "x"}',
        '{"do_resize": true, "size": {"longest_edge": 3}}',
        '{"do_resize": true, "do_pad": true}',
        '{"input_size": [0, 2]}',
        '{"size": {"width": 3}}',
    ],
)
def test_every_error_of_a_preprocessing_file_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "preprocessing.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LiveGradcamError) as caught:
        Classifier.from_module(small(3), layer="3", preprocessing=path)
    assert "\n" not in str(caught.value)
