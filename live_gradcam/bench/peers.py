"""The same work by the libraries of the field, where they are installed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from live_gradcam.bench.measure import Case
from live_gradcam.bench.network import SIZE


def peer_cases(network: nn.Module, on_missing: Callable[[str], None]) -> list[Case]:
    """Make a case for each peer that can be imported, and name the others.

    All run where the network is, and their results are fetched to the CPU as ours are; OpenVINO
    always runs on the CPU.

    Args:
        network: Torchvision's.
        on_missing: Called with the name of each peer that cannot be imported.
    """
    cases = []
    for name, title, make in (
        ("pytorch_grad_cam", "pytorch-grad-cam, Grad-CAM", _pytorch_grad_cam),
        ("captum", "captum, LayerGradCam", _captum),
        ("torchcam", "torchcam, GradCAM", _torchcam),
        ("openvino_bare_bf16", "OpenVINO, bare bf16 forward", _openvino),
    ):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cases.append(Case(name, title, make(network)))
        except ImportError:
            on_missing(name)
    return cases


def _input(network: nn.Module) -> torch.Tensor:
    x = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return x.to(next(network.parameters()).device)


def _pytorch_grad_cam(network: nn.Module) -> Callable[[], object]:
    from pytorch_grad_cam import GradCAM

    cam = GradCAM(model=network, target_layers=[network.layer4[-1]])  # type: ignore[index]
    x = _input(network)
    return lambda: cam(input_tensor=x, targets=None)


def _captum(network: nn.Module) -> Callable[[], object]:
    from captum.attr import LayerGradCam

    cam = LayerGradCam(network, network.layer4)
    x = _input(network)

    def run() -> object:
        with torch.no_grad():
            best = int(network(x).argmax())
        return cam.attribute(x, target=best).cpu()

    return run


def _torchcam(network: nn.Module) -> Callable[[], object]:
    from torchcam.methods import GradCAM

    x = _input(network)

    def run() -> object:
        with GradCAM(network, "layer4") as cam:
            scores = network(x)
            return [found.cpu() for found in cam(int(scores.argmax()), scores)]

    return run


def _openvino(network: nn.Module) -> Callable[[], object]:
    import openvino

    network = copy.deepcopy(network).cpu()
    model: Any = openvino.convert_model(network, example_input=_input(network))
    model.reshape([1, 3, SIZE, SIZE])
    compiled: Any = openvino.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}
    )
    request = compiled.create_infer_request()
    x = _input(network).numpy()
    return lambda: request.infer({0: x})
