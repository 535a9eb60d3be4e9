"""Networks that were changed before training: other heads, other stems, other libraries' names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from live_gradcam.errors import ModelError
from live_gradcam.explain.load import load_classifier
from tests.explain import support
from tests.explain.networks.own import SMALL, alive, assert_is, load, prefixed, said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.pth"


def linear(*sizes: int, bias: bool = True) -> nn.Linear:
    return nn.Linear(sizes[0], sizes[1], bias=bias)


# Heads in place of a linear layer that reads 1024 features, and the words that describe them.
HEADS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "dropout": (lambda: nn.Sequential(nn.Dropout(), linear(1024, 4)), ""),
    "sequential": (lambda: nn.Sequential(linear(1024, 4)), ""),
    "no bias": (lambda: linear(1024, 4, bias=False), ""),
    "one output": (lambda: linear(1024, 1), ""),
    "MLP": (
        lambda: nn.Sequential(linear(1024, 64), nn.ReLU(), nn.Dropout(), linear(64, 4)),
        "Linear(1024, 64), ReLU, Linear(64, 4); ReLU is assumed",
    ),
    "batch norm": (
        lambda: nn.Sequential(
            linear(1024, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(), linear(64, 4)
        ),
        "Linear(1024, 64), BatchNorm1d(64), ReLU, Linear(64, 4); ReLU is assumed",
    ),
    "batch norm behind": (
        lambda: nn.Sequential(
            linear(1024, 64, bias=False), nn.ReLU(), nn.BatchNorm1d(64), linear(64, 4)
        ),
        "Linear(1024, 64, no bias), ReLU, BatchNorm1d(64), Linear(64, 4); ReLU is assumed",
    ),
    "batch norm before": (
        lambda: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1024, affine=False), linear(1024, 4)),
        "BatchNorm1d(1024), Linear(1024, 4)",
    ),
    "two linear": (
        lambda: nn.Sequential(linear(1024, 64), linear(64, 4)),
        "Linear(1024, 64), Linear(64, 4)",
    ),
    "three": (
        lambda: nn.Sequential(
            linear(1024, 64), nn.ReLU(), linear(64, 32), nn.ReLU(), linear(32, 3)
        ),
        "ReLU, Linear(64, 32), ReLU, Linear(32, 3)",
    ),
    "named": (
        lambda: nn.Sequential(OrderedDict(fc1=linear(1024, 64), relu=nn.ReLU(), fc2=linear(64, 4))),
        "Linear(1024, 64), ReLU, Linear(64, 4); ReLU is assumed",
    ),
    "nested": (
        lambda: nn.Sequential(
            nn.Sequential(linear(1024, 64), nn.BatchNorm1d(64), nn.ReLU()), linear(64, 4)
        ),
        "Linear(1024, 64), BatchNorm1d(64), ReLU, Linear(64, 4)",
    ),
}


@pytest.mark.parametrize("kind", HEADS)
def test_heads_are_rebuilt_from_their_shapes(path: Path, kind: str) -> None:
    make, words = HEADS[kind]
    network: Any = support.network(SMALL, 5)
    network.fc = alive(make())
    spec = load(path, prefixed("model.", network.state_dict()))
    assert_is(spec, network)
    if words:
        said(spec, words)
    assert any("rebuilt" in note for note in spec.notes) == bool(words)


class Attending(nn.Module):
    """A head that is no chain of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.ones(4, 1024))


NO_CHAINS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "layer norm": (
        lambda: nn.Sequential(nn.LayerNorm(1024), linear(1024, 4)),
        r"0\.weight \(1024,\).*1\.weight \(4, 1024\)",
    ),
    "parameter": (Attending, r"query \(4, 1024\)"),
    "other features": (lambda: linear(512, 4), "reads 512 features, and the network has 1024"),
    "broken chain": (
        lambda: nn.Sequential(linear(1024, 64), linear(32, 4)),
        r"0\.weight \(64, 1024\).*1\.weight \(4, 32\)",
    ),
    "no end": (lambda: nn.Sequential(linear(1024, 64), nn.BatchNorm1d(64)), "1.running_mean"),
}


@pytest.mark.parametrize("kind", NO_CHAINS)
def test_heads_that_are_no_plain_chains_are_refused_with_their_shapes(
    path: Path, kind: str
) -> None:
    make, words = NO_CHAINS[kind]
    network: Any = support.network(SMALL, 5)
    network.fc = make()
    with pytest.raises(ModelError, match=words) as caught:
        load(path, network.state_dict())
    assert "Classifier.from_module" in str(caught.value)


FAMILIES = ("vgg11_bn", "mobilenet_v3_small", "efficientnet_b0", "swin_t")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_layer_of_any_family_may_be_a_chain(path: Path, name: str) -> None:
    network: Any = support.network(name, 5)
    last = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    parent, _, child = last.rpartition(".")
    features = network.get_submodule(last).in_features
    chain = alive(nn.Sequential(linear(features, 32), nn.ReLU(), linear(32, 3)))
    setattr(network.get_submodule(parent), child, chain)
    assert_is(load(path, network.state_dict(), name), network, side=96)


@pytest.mark.parametrize("name", ["vgg11_bn", "mobilenet_v2"])
def test_a_whole_classifier_may_be_a_chain(path: Path, name: str) -> None:
    network: Any = support.network(name, 5)
    features = next(m for m in network.classifier if isinstance(m, nn.Linear)).in_features
    network.classifier = alive(nn.Sequential(linear(features, 32), nn.ReLU(), linear(32, 3)))
    assert_is(load(path, network.state_dict(), name), network, side=96)


class Wrapped(nn.Module):
    """A backbone whose head is elsewhere."""

    def __init__(self, head: nn.Module, name: str = "head") -> None:
        super().__init__()
        self.backbone: Any = support.network(SMALL, 5)
        self.backbone.fc = nn.Identity()
        self.drop = nn.Dropout()
        self.add_module(name, head)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.get_submodule(self.name)(self.drop(self.backbone(x)))
        return logits


@pytest.mark.parametrize("name", ["head", "classifier", "fc", "linear"])
def test_a_head_beside_the_backbone_is_found_and_said(path: Path, name: str) -> None:
    network = Wrapped(alive(linear(1024, 3)), name)
    state = {**prefixed("lit.", network.state_dict()), "criterion.weight": torch.ones(3)}
    spec = load(path, state)
    assert_is(spec, network)
    said(spec, f"the head was found as 'lit.{name}'", "'criterion.weight'")


def test_an_unusual_name_of_the_head_is_found(path: Path) -> None:
    network = support.network(SMALL, 5)
    state = {n.replace("fc.", "last_linear."): t for n, t in network.state_dict().items()}
    assert_is(load(path, state), network)


def _with(**parts: nn.Module) -> nn.Module:
    network = support.network(SMALL, 5)
    for name, part in parts.items():
        network.add_module(name, part)
    return network


def _with_a_layer_inside() -> nn.Module:
    network = support.network(SMALL, 5)
    network.get_submodule("stage2.0").add_module("se", linear(48, 48))
    return network


def _two_heads() -> nn.Module:
    wrapped = Wrapped(linear(1024, 5), "head_a")
    wrapped.add_module("head_b", linear(1024, 2))
    return wrapped


def _outer(**parts: nn.Module) -> nn.Module:
    outer = nn.Module()
    outer.add_module("net", support.network(SMALL, 5))
    for name, part in parts.items():
        outer.add_module(name, part)
    return outer


IN_THE_WAY: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "attention among its layers": (lambda: _with(ca=linear(64, 64)), "'ca.weight'"),
    "a layer inside": (_with_a_layer_inside, "'stage2.0.se.weight'"),
    "two heads": (_two_heads, "could be 'head_a' or 'head_b'"),
    "a layer behind": (lambda: _outer(final=linear(5, 2)), "'final.weight' may stand"),
    "another head": (lambda: _outer(final=linear(1024, 2)), "'final.weight' may stand"),
    "a layer before": (lambda: _outer(adapter=nn.Conv2d(1, 3, 1)), "'adapter.weight' may stand"),
    "a stem of several": (
        lambda: _with(conv1=nn.Sequential(nn.Sequential(nn.Conv2d(3, 24, 3)))),
        "conv1",
    ),
}


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_what_may_take_part_in_the_forward_is_refused(path: Path, kind: str) -> None:
    make, words = IN_THE_WAY[kind]
    with pytest.raises(ModelError, match=words) as caught:
        load(path, make().state_dict())
    assert caught.value.exit_code == 5
    assert f"a changed or wrapped {SMALL}" in str(caught.value)


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
@pytest.mark.parametrize("name", [SMALL, "squeezenet1_1", "densenet121"])
def test_first_convolutions_of_other_channels_are_read(
    path: Path, name: str, channels: int
) -> None:
    if name == "densenet121" and channels != 1:
        pytest.skip("one will do")
    network = support.network(name, 5)
    stem, old = next((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    new = nn.Conv2d(
        channels,
        old.out_channels,
        (old.kernel_size[0], old.kernel_size[1]),
        (old.stride[0], old.stride[1]),
        (int(old.padding[0]), int(old.padding[1])),
        bias=channels == 2 or old.bias is not None,
    )
    parent, _, child = stem.rpartition(".")
    setattr(network.get_submodule(parent), child, new)
    named = {2: {"channels": "gray+gray"}, 6: {"channels": "rgb+rgb"}}.get(channels)
    state = prefixed("model.", network.state_dict())
    spec = load(path, state, name, preprocessing=named)
    assert_is(spec, network, channels=channels)
    assert len(spec.preprocessing.planes) == channels
    said(spec, f"reads {channels} channel")


@lru_cache(maxsize=1)
def resnet() -> Any:
    return support.network("resnet18", 5)


def small_resnet(channels: int) -> nn.Module:
    network: Any = support.network("resnet18", 5)
    network.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()
    return alive(network)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_resnet_for_small_images_is_recognised_and_said(path: Path, channels: int) -> None:
    network = small_resnet(channels)
    spec = load(path, {"net": prefixed("module.", network.state_dict())}, "resnet18")
    assert_is(spec, network, channels=channels, side=32)
    said(spec, "stride 1 and no pooling behind it; images of 32x32 pixels are assumed")
    assert spec.preprocessing.crop_size == 32


def test_a_small_resnet_is_explained_as_it_is(path: Path) -> None:
    network = small_resnet(3)
    torch.save(network.state_dict(), path)
    classifier = load_classifier("resnet18", weights=path)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        found = classifier.head(classifier.trunk(pixels))
        torch.testing.assert_close(found, network(pixels), rtol=1e-4, atol=1e-4)
    assert classifier.all_maps_are_cheap


def test_a_stem_of_unknown_stride_is_refused_with_its_shape(path: Path) -> None:
    network = support.network("resnet18", 5)
    network.conv1 = nn.Conv2d(3, 64, 5, 2, 2, bias=False)
    with pytest.raises(ModelError, match=r"conv1\.weight is \(64, 3, 5, 5\), not \(64, 3, 7, 7\)"):
        load(path, network.state_dict(), "resnet18")


def test_the_resnets_of_pytorch_cifar_are_read(path: Path) -> None:
    network = small_resnet(3)
    state = {
        n.replace("downsample.", "shortcut.").replace("fc.", "linear."): t
        for n, t in network.state_dict().items()
    }
    assert_is(load(path, {"net": state, "acc": 93.1}, "resnet18"), network, side=32)


def numbered(*, apart: bool) -> nn.Module:
    """A network's children as a sequence, with its head or apart from it."""
    children = list(resnet().children())
    head = nn.Sequential(nn.Flatten(), resnet().fc)
    if apart:
        return nn.Sequential(nn.Sequential(*children[:-1]), head)
    return nn.Sequential(*children[:-1], *head)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("prefix", ["", "model.body."])
def test_numbered_children_are_matched_by_order_and_shapes(
    path: Path, apart: bool, prefix: str
) -> None:
    spec = load(path, prefixed(prefix, numbered(apart=apart).state_dict()), "resnet18")
    assert_is(spec, resnet())
    said(spec, "matched by order and shapes")


def test_features_and_a_head_of_another_name(path: Path) -> None:
    body = nn.Sequential(*list(resnet().children())[:-1])
    state = {
        **prefixed("features.", body.state_dict()),
        **prefixed("out.", resnet().fc.state_dict()),
    }
    spec = load(path, state, "resnet18")
    assert_is(spec, resnet())
    said(spec, "the head was found as 'out'")


class ConcatPool(nn.Module):
    """fastai's AdaptiveConcatPool2d: maxima, then means."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([nn.AdaptiveMaxPool2d(1)(x), nn.AdaptiveAvgPool2d(1)(x)], 1)


def fastai(classes: int = 5) -> nn.Module:
    body = nn.Sequential(*list(support.network("resnet18", 5).children())[:-2])
    head = nn.Sequential(
        ConcatPool(),
        nn.Flatten(),
        nn.BatchNorm1d(1024),
        nn.Dropout(0.25),
        linear(1024, 512, bias=False),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(512),
        nn.Dropout(0.5),
        linear(512, classes, bias=False),
    )
    return nn.Sequential(body, alive(head))


def test_fastais_checkpoints_are_read(path: Path) -> None:
    network = fastai()
    content = {
        "model": network.state_dict(),
        "opt": {"state": [], "hypers": []},
        "dls": {"vocab": list("abcde")},
    }
    spec = load(path, content, "resnet18")
    assert_is(spec, network)
    assert spec.labels == tuple("abcde")
    said(spec, "largest values and means", "ReLU is assumed")


def test_fastais_networks_are_explained_through_their_own_pooling(path: Path) -> None:
    network = fastai()
    torch.save(network.state_dict(), path)
    classifier = load_classifier("resnet18", weights=path)
    pixels = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        found = classifier.head(classifier.trunk(pixels))
        torch.testing.assert_close(found, network(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "kind"), [("resnet18", "basic"), ("resnet50", "bottleneck")])
def test_names_of_hugging_face_are_understood(path: Path, name: str, kind: str) -> None:
    transformers: Any = pytest.importorskip("transformers")
    depths, last = ([2, 2, 2, 2], 512) if kind == "basic" else ([3, 4, 6, 3], 2048)
    sizes = [last // 8, last // 4, last // 2, last]
    config = transformers.ResNetConfig(
        depths=depths, hidden_sizes=sizes, layer_type=kind, num_labels=5
    )
    theirs = alive(transformers.ResNetForImageClassification(config))

    class Logits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = theirs(x).logits
            return logits

    spec = load(path, prefixed("model.", theirs.state_dict()), name)
    assert_is(spec, Logits())
    said(spec, "Hugging Face's ResNet")


@pytest.mark.parametrize("channels", [1, 3])
def test_timms_networks_are_fitted_in_the_same_way(path: Path, channels: int) -> None:
    import timm

    network: Any = timm.create_model("test_resnet", num_classes=5, in_chans=channels)
    network.fc = nn.Sequential(linear(network.num_features, 16), nn.ReLU(), linear(16, 3))
    state = {
        **prefixed("model.encoder.", alive(network).state_dict()),
        "loss.weight": torch.ones(3),
    }
    spec = load(path, {"state_dict": state}, "timm:test_resnet")
    assert_is(spec, network, channels=channels)
    said(spec, "'model.encoder.'", "'loss.weight'", "ReLU is assumed")


def test_the_error_names_the_network_that_the_weights_are_of(path: Path) -> None:
    state = models.resnet50(num_classes=7).state_dict()
    with pytest.raises(ModelError, match="weights of resnet50: add --model resnet50") as caught:
        load(path, {"model": prefixed("backbone.", state)}, "resnet18")
    said_of_it = str(caught.value)
    for part in ("320 tensors", "'model'", "backbone.conv1.weight' (64, 3, 7, 7)", "7 rows"):
        assert part in said_of_it
    assert "\n" not in said_of_it
