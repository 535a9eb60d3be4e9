"""A run begins with the graph that an earlier one has kept, without torch, if it still stands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from PIL import Image as PilImages
from torchvision.models import squeezenet1_1

from live_gradcam.cli.console import Console
from live_gradcam.cli.kept_graph import keeping_graph
from live_gradcam.cli.network import NetworkOptions
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.run_values import Run
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.graph.engines import installed_engines
from live_gradcam.show.options import OverlayOptions
from live_gradcam.timing import StepProgress
from live_gradcam.values import Explanation
from tests.graph.test_without_torch import run as run_without_torch

pytest.importorskip("onnxscript")
if "onnxruntime" not in installed_engines():
    pytest.skip("onnxruntime is not installed", allow_module_level=True)

TYPED = ("--model", "squeezenet1_1", "--weights", "net.pth")
ENGINE = ("--engine", "onnxruntime", "--precision", "fp32")
NEEDS_TORCH = 5


@pytest.fixture(scope="module")
def expected() -> dict[str, Explanation]:
    return {}


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, expected: dict[str, Explanation]
) -> Iterator[Path]:
    """A network that an earlier run has explained, in a cache of its own."""
    folder = tmp_path_factory.mktemp("kept")
    torch.manual_seed(0)
    torch.save(squeezenet1_1().state_dict(), folder / "net.pth")
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    PilImages.fromarray(pixels).save(folder / "a.png")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
            patch.setenv(name, str(folder / "cache"))
        patch.chdir(folder)
        network = NetworkOptions(model="squeezenet1_1", weights=Path("net.pth"), precision="fp32")
        arguments = RunArguments(network=network, engine="onnxruntime")
        run = Run(arguments, Console(), OverlayOptions(), StepProgress(), "auto")
        classifier = load_classifier("squeezenet1_1", weights="net.pth")
        with (
            Explainer(
                classifier, engine="onnxruntime", precision="fp32", compile="on"
            ) as explainer,
            keeping_graph(run, explainer),
        ):
            expected["a"] = explainer.explain("a.png", classes=7)
        yield folder


def explain(folder: Path, *options: str) -> CompletedProcess[str]:
    return run_without_torch(
        folder, "run", "a.png", *TYPED, *ENGINE, "--class", "7", "-o", "-", *options
    )


def test_the_next_run_needs_no_torch_and_says_the_same(
    folder: Path, expected: dict[str, Explanation]
) -> None:
    done = explain(folder)
    assert done.returncode == 0, done.stderr
    assert "ONNX Runtime fp32 explains by the graph that an earlier run has kept" in done.stderr
    (record,) = [json.loads(line) for line in done.stdout.splitlines()]
    wanted = expected["a"]
    for found, ours in zip(record["predictions"], wanted.predictions, strict=True):
        assert found["label"] == ours.label
        assert found["logit"] == pytest.approx(ours.logit, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    "options", [("--method", "layercam"), ("--layer", "0"), ("--top-k", "2"), ("--view", "full")]
)
def test_what_was_not_explained_before_needs_the_network(
    folder: Path, options: tuple[str, ...]
) -> None:
    done = explain(folder, *options)
    assert done.returncode == NEEDS_TORCH, done.stderr
    assert "pip install torch" in done.stderr


def change_bit(path: Path) -> None:
    """Change a file so that its size and the time of its last change stay."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_changed_weights_are_noticed_and_touched_ones_are_the_same(folder: Path) -> None:
    weights = folder / "net.pth"
    os.utime(weights)
    assert explain(folder).returncode == 0
    change_bit(weights)  # of the same size, and as if it were as old
    assert explain(folder).returncode == NEEDS_TORCH
    change_bit(weights)
    assert explain(folder).returncode == 0


def test_a_damaged_graph_is_not_used(folder: Path) -> None:
    (graph,) = (folder / "cache").rglob("*.onnx")
    change_bit(graph)
    assert explain(folder).returncode == NEEDS_TORCH
    change_bit(graph)
    assert explain(folder).returncode == 0
