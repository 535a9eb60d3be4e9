"""Winograd's convolutions against the definition, and which convolutions are computed so."""

from __future__ import annotations

import copy
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine import compile_worker, package_cache, winograd
from live_gradcam.explain.engine.compile_worker import REWRITTEN, CompileRequest, compile_network
from live_gradcam.explain.engine.fused import FusedNetwork, Output, fold_batch_norm
from live_gradcam.explain.engine.winograd import (
    ConvShape,
    Tile,
    WinogradConv2d,
    choose_tile,
    filter_matrix,
    input_planes,
    is_candidate,
    output_matrix,
    with_winograd,
)
from live_gradcam.explain.explainer import Explainer
from live_gradcam.preprocessing.settings import Preprocessing
from tests.explain import support

TILES: tuple[Tile, ...] = (2, 4)


@pytest.fixture
def on_x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def convolution(channels: int = 16, filters: int = 16, **options: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    chosen: dict[str, Any] = {"padding": 1, **options}
    return nn.Conv2d(channels, filters, 3, **chosen).requires_grad_(False)


def network(name: str = "resnet18") -> FusedNetwork:
    return FusedNetwork(support.classifier(name), "fp32").requires_grad_(False).eval()


# The convolution


@pytest.mark.parametrize("tile", TILES)
def test_one_dimension_is_a_correlation_of_three_numbers(tile: Tile) -> None:
    generator = torch.Generator().manual_seed(0)
    taps = torch.randn(tile + 2, dtype=torch.float64, generator=generator)
    kernel = torch.randn(3, dtype=torch.float64, generator=generator)
    planes = torch.stack(input_planes(tile, list(taps)))
    found = output_matrix(tile) @ ((filter_matrix(tile) @ kernel) * planes)
    expected = torch.stack([taps[at : at + 3] @ kernel for at in range(tile)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("batch", "channels", "filters", "height", "width"),
    [
        (1, 16, 16, 8, 8),  # whole tiles
        (1, 16, 32, 7, 7),
        (2, 32, 16, 9, 14),  # not square, with rests below or beside
        (3, 5, 3, 6, 11),
        (1, 4, 4, 1, 1),
        (2, 4, 4, 1, 5),
    ],
)
def test_it_equals_the_definition(
    tile: Tile, bias: bool, batch: int, channels: int, filters: int, height: int, width: int
) -> None:
    direct = convolution(channels, filters, bias=bias).double()
    maps = torch.randn(batch, channels, height, width, dtype=torch.float64)
    for given in (maps, maps.contiguous(memory_format=torch.channels_last)):
        found = WinogradConv2d(direct, tile)(given)
        torch.testing.assert_close(found, direct(given), rtol=0, atol=1e-12)


def root_mean_square(errors: Tensor) -> float:
    return float(errors.double().square().mean().sqrt())


@pytest.mark.parametrize(("tile", "bound"), [(2, 5.0), (4, 12.0)])
@pytest.mark.parametrize("channels", [64, 256])
def test_in_float32_it_errs_by_a_few_roundings(channels: int, tile: Tile, bound: float) -> None:
    """So does the definition: by one to seven, depending on the order of its additions."""
    direct = convolution(channels, channels)
    assert direct.bias is not None
    maps = torch.randn(1, channels, 14, 14).relu()
    exact = functional.conv2d(
        maps.double(), direct.weight.double(), direct.bias.double(), padding=1
    )
    rounding = root_mean_square(exact) * torch.finfo(torch.float32).eps
    assert root_mean_square(direct(maps) - exact) <= 7 * rounding
    assert root_mean_square(WinogradConv2d(direct, tile)(maps) - exact) <= bound * rounding


# The rule


@pytest.mark.parametrize(
    ("shape", "tile"),
    [
        # The four stages of ResNet-18 at 224 pixels: the smaller the maps, the more weigh weights.
        (ConvShape(1, 56, 56, 64, 64), 4),
        (ConvShape(1, 28, 28, 128, 128), 4),
        (ConvShape(1, 14, 14, 256, 256), 2),
        (ConvShape(1, 7, 7, 512, 512), None),
        # A batch shares the weights.
        (ConvShape(8, 14, 14, 256, 256), 4),
        (ConvShape(8, 7, 7, 512, 512), 4),
        # With few channels the transforms cost more than the products save.
        (ConvShape(1, 112, 112, 16, 16), None),
        (ConvShape(1, 56, 56, 128, 32), None),
        # Large buffers are worth it where many channels make much arithmetic of them.
        (ConvShape(1, 112, 112, 128, 128), 4),
        (ConvShape(1, 224, 224, 64, 64), None),
        (ConvShape(8, 56, 56, 64, 64), 4),
        (ConvShape(8, 56, 104, 64, 64), None),
        (ConvShape(8, 56, 56, 256, 256), 4),
        # Memory is not taken without measure, though.
        (ConvShape(8, 112, 112, 256, 256), None),
        # Loops over channels would have rests.
        (ConvShape(1, 56, 56, 72, 72), None),
        (ConvShape(1, 224, 224, 3, 64), None),
    ],
)
def test_the_rule_weighs_arithmetic_against_memory(shape: ConvShape, tile: Tile | None) -> None:
    assert choose_tile(shape, "x86_64") == tile
    assert choose_tile(shape, "AMD64") == tile


@pytest.mark.parametrize("machine", ["arm64", "aarch64", "riscv64", ""])
def test_elsewhere_libraries_have_their_own(machine: str) -> None:
    assert choose_tile(ConvShape(1, 56, 56, 64, 64), machine) is None


class OwnConv2d(nn.Conv2d):
    """Whose forward may be anything."""


@pytest.mark.parametrize(
    "module",
    [
        convolution(stride=2),
        convolution(padding=0),
        convolution(dilation=2, padding=2),
        convolution(groups=2),
        convolution(padding_mode="reflect"),
        convolution().double(),
        convolution().bfloat16(),
        nn.Conv2d(16, 16, 1),
        nn.Conv2d(16, 16, 5, padding=2),
        nn.ConvTranspose2d(16, 16, 3, padding=1),
        OwnConv2d(16, 16, 3, padding=1),
        nn.utils.parametrizations.weight_norm(convolution()),
    ],
    ids=lambda module: str(module)[:60],
)
def test_only_plain_convolutions_in_float32_are_candidates(module: nn.Module) -> None:
    assert not is_candidate(module)


def test_a_plain_convolution_is_a_candidate() -> None:
    assert is_candidate(convolution())
    assert is_candidate(convolution(bias=False))


# The rewritten network


@pytest.mark.usefixtures("on_x86")
def test_a_rewritten_network_is_as_exact_as_the_definition() -> None:
    eager = network()
    rewritten, names = with_winograd(eager, 2, 224, 224)
    assert len(names) == 13
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8, generator=generator)
    selection = torch.tensor([3, 417])
    with torch.no_grad():
        normalised = eager.normalised(pixels)
        exact_trunk = copy.deepcopy(eager.trunk).double()
        exact_head = copy.deepcopy(eager.head).double()
        exact = exact_head.explain(exact_trunk(normalised.double()), lambda _: selection[None])
        ours, direct = Output(*rewritten(pixels, selection)), Output(*eager(pixels, selection))
    for at in (0, 2):
        bound = 3 * root_mean_square(direct[at] - exact[at])
        assert root_mean_square(ours[at] - exact[at]) <= bound, Output._fields[at]


@pytest.mark.usefixtures("on_x86")
def test_the_eager_network_stays_as_it_is() -> None:
    eager = network()
    trunk, weights = eager.trunk, {name: id(part) for name, part in eager.named_parameters()}
    rewritten, names = with_winograd(eager, 1, 224, 224)
    assert eager.trunk is trunk
    assert {name: id(part) for name, part in eager.named_parameters()} == weights
    assert not any(isinstance(part, WinogradConv2d) for part in eager.modules())
    assert rewritten.trunk is not trunk
    assert rewritten.head is eager.head
    assert names


@pytest.mark.usefixtures("on_x86")
def test_only_what_is_worth_it_is_rewritten() -> None:
    eager = network()
    rewritten, names = with_winograd(eager, 1, 224, 224)
    assert {name.split(".")[0] for name in names} == {"layer1", "layer2", "layer3"}
    direct = fold_batch_norm(eager.trunk)
    for name, module in direct.named_modules():
        if isinstance(module, nn.Conv2d):
            found = rewritten.trunk.get_submodule(name)
            assert type(found) is (WinogradConv2d if name in names else nn.Conv2d), name
            assert (name in names) <= (module.stride == (1, 1) and module.kernel_size == (3, 3))


@pytest.mark.usefixtures("on_x86")
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "squeezenet1_1"])
def test_a_network_with_nothing_to_rewrite_is_the_same_object(name: str) -> None:
    eager = network(name)
    assert with_winograd(eager, 1, 64, 64) == (eager, ())


@pytest.mark.usefixtures("on_x86")
def test_half_precision_is_not_rewritten() -> None:
    half = FusedNetwork(support.classifier("resnet18"), "bf16").eval()
    assert with_winograd(half, 1, 224, 224) == (half, ())


class Wide(nn.Module):
    """Two convolutions that are worth it, and a third that runs twice."""

    def __init__(self, *, traceable: bool = True) -> None:
        super().__init__()
        self.traceable = traceable
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, stride=2, padding=1), nn.ReLU())
        self.block = nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
        )
        self.last = nn.Conv2d(64, 64, 3, padding=1)
        self.twice = nn.Conv2d(64, 64, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.traceable and x.sum() > 1e9:
            return x
        x = self.stem(x)
        x = (self.block(x) + x).relu()
        maps: Tensor = self.last(self.twice(self.twice(x).relu()).relu()).relu()
        return maps


def wide_classifier(**options: bool) -> Classifier:
    trunk, head = (
        Wide(**options),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 5)),
    )
    support.randomised(nn.Sequential(trunk, head))
    preprocessing = Preprocessing(resize_size=112, crop_size=100)  # 13 tiles of 4, without a rest
    return Classifier.from_parts(trunk, head, preprocessing=preprocessing)


@pytest.mark.usefixtures("on_x86")
def test_what_runs_twice_stays() -> None:
    eager = FusedNetwork(wide_classifier(), "fp32").eval()
    _, names = with_winograd(eager, 1, 100, 100)
    assert names == ("block.0", "last")


@pytest.mark.usefixtures("on_x86")
def test_a_trunk_that_cannot_be_traced_stays() -> None:
    eager = FusedNetwork(wide_classifier(traceable=False), "fp32").eval()
    assert with_winograd(eager, 1, 100, 100) == (eager, ())


# In the compiler's process


def request(output: Path) -> CompileRequest:
    eager = FusedNetwork(support.tiny_classifier(), "fp32").eval()
    return CompileRequest(eager, 1, 64, 64, depth=1, threads=1, output=output)


@pytest.fixture
def own_threads() -> Iterator[None]:
    """A compiler's process sets the number of threads for itself."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize("stage", ["rewriting", "compiling"])
def test_what_fails_is_compiled_as_it_is(
    stage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = request(tmp_path / "network.pt2")
    other = copy.copy(asked.network)
    compiled: list[FusedNetwork] = []

    def rewrite(*_: object) -> tuple[FusedNetwork, tuple[str, ...]]:
        if stage == "rewriting":
            raise RuntimeError(stage)
        return other, ("conv",)

    def build(_: CompileRequest, given: FusedNetwork, options: Mapping[str, object]) -> None:
        compiled.append(given)
        if given is other:
            raise RuntimeError(stage)
        assert options == {}

    monkeypatch.setattr(winograd, "with_winograd", rewrite)
    monkeypatch.setattr(compile_worker, "build_package", build)
    compile_network(asked)
    assert compiled == ([asked.network] if stage == "rewriting" else [other, asked.network])


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.skipif(choose_tile(ConvShape(1, 56, 56, 64, 64)) is None, reason="not an x86")
def test_a_compiled_explainer_computes_in_tiles_and_equals_eager(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(package_cache, "cache_folder", lambda: tmp_path / "compiled")
    classifier, image = wide_classifier(), support.smooth_image()
    eager = Explainer(classifier, device="cpu", precision="fp32", compile="off")
    expected = eager.explain(image, classes="all")
    with Explainer(
        classifier, device="cpu", precision="fp32", engine="torch", compile="on"
    ) as explainer:
        found = explainer.explain(image, classes=list(expected.explained))
        assert explainer.compiled
    (package,) = (tmp_path / "compiled").glob("*.pt2")
    facts = torch._inductor.aoti_load_package(str(package)).loader.get_metadata()
    assert facts[REWRITTEN].split() == ["block.0", "last"]
    support.assert_maps_close(found.evidence, expected.evidence)
    assert found.predictions[0].class_index == expected.predictions[0].class_index
