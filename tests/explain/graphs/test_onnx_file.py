"""ONNX files: rebuilt as torch graphs, equal to onnxruntime and to the exported network."""

from __future__ import annotations

import importlib
import io
import json
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.graphs.onnx_file import read_onnx
from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.load import load_classifier
from tests.explain import support

onnx: Any = importlib.import_module("onnx")


class Attention(nn.Module):
    """A class token, positions and two blocks of torch's own attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.places = nn.Parameter(torch.randn(1, 17, 16))
        block = nn.TransformerEncoderLayer(
            16, 2, 32, 0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1)
        scores: Tensor = self.fc(self.blocks(tokens + self.places)[:, 0])
        return scores


class Blocks(nn.Module):
    """Many of the operations that convolutional networks are exported with."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU()
        )
        self.deep = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.norm = nn.GroupNorm(2, 8)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stem(x))
        y = self.norm(self.deep(x) * self.gate(x)) + x
        left, right = y.chunk(2, 1)
        y = torch.cat([nn.functional.gelu(left), nn.functional.hardswish(right)], 1)
        y = torch.cat([y, nn.functional.avg_pool2d(y, 3, 1, 1)], 1)
        scores: Tensor = self.fc(y.mean((2, 3)))
        return scores


def lively(module: nn.Module) -> nn.Module:
    return support.randomised(module, probe_size=64).requires_grad_(False)


def export(module: nn.Module, path: Path, pixels: Tensor | None = None, **options: Any) -> Path:
    chosen: dict[str, Any] = {"dynamo": False, "opset_version": 17, **options}
    pixels = torch.randn(1, 3, 64, 64) if pixels is None else pixels
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (pixels,), str(path), **chosen)
    return path


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "tiny": support.TinyNet,
    "blocks": Blocks,
    "attention": Attention,
}


@pytest.mark.parametrize(
    ("name", "opset"),
    [("tiny", 12), ("blocks", 12), ("blocks", 18), ("blocks", 20), ("attention", 17)],
)
def test_a_file_for_one_picture_takes_many_and_computes_the_same(
    name: str, opset: int, tmp_path: Path
) -> None:
    # With gradients torch's attention is exported step by step, as everybody's is.
    module = lively(NETWORKS[name]()).requires_grad_(True)
    found = read_onnx(export(module, tmp_path / "net.onnx", opset_version=opset))
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(found.network(pixels), module(pixels), rtol=1e-4, atol=1e-5)
    assert (found.channels, found.size) == (3, (64, 64))


@pytest.mark.parametrize("dynamo", [False, True])
def test_maps_are_those_of_the_exported_network(dynamo: bool, tmp_path: Path) -> None:
    module = lively(support.TinyNet())
    classifier = load_classifier(str(export(module, tmp_path / "net.onnx", dynamo=dynamo)))
    assert isinstance(classifier.head, LinearHead)
    assert classifier.layer == "last.1.Relu"
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    _, _, maps, _ = classifier.head.explain(
        classifier.trunk(pixels), lambda scores: torch.full((len(scores), 1), 3)
    )
    seen: list[Tensor] = []
    handle = module.get_submodule("last").register_forward_hook(
        lambda _module, _given, output: seen.append(output)
    )
    logits = module(pixels.requires_grad_())
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[:, 3].sum(), seen[0])
    expected = (gradient.mean((2, 3), keepdim=True) * seen[0]).sum(1).detach()
    bound = 1e-5 * float(expected.abs().max())
    torch.testing.assert_close(maps[:, 0].detach(), expected, rtol=0, atol=bound)


def test_a_softmax_at_the_end_is_taken_off(tmp_path: Path) -> None:
    module = lively(support.TinyNet())
    found = read_onnx(export(nn.Sequential(module, nn.Softmax(1)), tmp_path / "net.onnx"))
    assert found.squashing == "Softmax"
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(found.network(pixels), module(pixels), rtol=1e-4, atol=1e-5)


def test_half_precision_is_computed_in_float32(tmp_path: Path) -> None:
    module = lively(support.TinyNet())
    path = export(module, tmp_path / "net.onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == 1:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        if value.type.tensor_type.elem_type == 1:
            value.type.tensor_type.elem_type = 10
    onnx.save(model, path)
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            read_onnx(path).network(pixels), module(pixels), rtol=0.02, atol=0.02
        )


class Bytes(nn.Module):
    """Channels last, 0..255, normalised inside: as exported for a phone or a server."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.network((x.float().permute(0, 3, 1, 2) - 127.5) / 60)
        return scores


def test_bytes_with_their_channels_last_are_given_as_they_are(tmp_path: Path) -> None:
    module = Bytes(lively(support.TinyNet()))
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    path = export(module, tmp_path / "net.onnx", pixels)
    classifier = load_classifier(str(path))
    preprocessing = classifier.preprocessing
    assert (preprocessing.value_range, preprocessing.mean) == ((0.0, 255.0), (0.0, 0.0, 0.0))
    given = pixels.permute(0, 3, 1, 2).float()
    with torch.no_grad():
        found = classifier.head(classifier.trunk(given))
        torch.testing.assert_close(found, module(pixels), rtol=1e-4, atol=1e-4)


def test_a_network_that_normalises_itself_is_seen(tmp_path: Path) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = lively(support.TinyNet())
            self.mean = nn.Buffer(torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.network((x - self.mean) / 0.25)
            return scores

    classifier = load_classifier(str(export(Own(), tmp_path / "net.onnx")))
    assert classifier.preprocessing.value_range == (0.0, 1.0)
    assert (classifier.preprocessing.mean, classifier.preprocessing.std) == ((0.0,) * 3, (1.0,) * 3)
    assert any("normalises pictures itself" in note for note in classifier.notes)


@pytest.mark.parametrize(
    "text",
    [json.dumps(["a", "b", "c", "d", "e"]), str(dict(enumerate("abcde"))), "a,b,c,d,e"],
)
def test_labels_and_numbers_of_the_metadata_are_taken(text: str, tmp_path: Path) -> None:
    path = export(lively(support.TinyNet()), tmp_path / "net.onnx")
    model = onnx.load(path)
    entries = {"names": text, "mean": "[0.1, 0.2, 0.3]", "std": "0.4, 0.5, 0.6"}
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    classifier = load_classifier("resnet18", weights=path)
    assert classifier.labels == ("a", "b", "c", "d", "e")
    assert classifier.preprocessing.mean == (0.1, 0.2, 0.3)
    assert classifier.preprocessing.std == (0.4, 0.5, 0.6)


def test_weights_beside_the_file_are_read_and_missed(tmp_path: Path) -> None:
    module = lively(support.TinyNet())
    path = export(module, tmp_path / "net.onnx")
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            read_onnx(path).network(pixels), module(pixels), rtol=1e-4, atol=1e-5
        )
    (tmp_path / "net.data").unlink()
    with pytest.raises(ModelError, match=r"weights are in 'net\.data', not found"):
        read_onnx(path)


class Sorted(nn.Module):
    """Ends in the best class alone."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)).argmax(1, keepdim=True)


def test_what_is_no_classifier_or_unknown_is_named(tmp_path: Path) -> None:
    path = export(Sorted(), tmp_path / "best.onnx")
    with pytest.raises(ModelError, match="ArgMax"):
        read_onnx(path)
    path = export(nn.Conv2d(3, 4, 3), tmp_path / "maps.onnx")
    with pytest.raises(ModelError, match="it is no classifier"):
        read_onnx(path)
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x08\x12\x07pytorch" + b"\xff" * 40)
    with pytest.raises(ModelError, match="damaged"):
        read_onnx(tmp_path / "bad.onnx")
    with pytest.raises(ModelError, match="No such file"):
        read_onnx(tmp_path / "none.onnx")


def test_a_path_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    path = export(lively(support.TinyNet()), tmp_path / "net.onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not found"):
        read_onnx(path)


def test_a_huge_constant_is_refused_before_it_is_made(tmp_path: Path) -> None:
    helper = onnx.helper
    shape = onnx.numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "shape")
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
            helper.make_node("Add", ["x", "huge"], ["y"]),
        ],
        "bomb",
        [helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", 1, None)],
        [shape],
    )
    path = tmp_path / "bomb.onnx"
    onnx.save(helper.make_model(graph), path)
    with pytest.raises(ModelError, match="constant of shape"):
        read_onnx(path)
