"""Weights and activations in 8 bits: post-training quantisation, of the network's trunk alone.

Scores and maps are sums over everything that the trunk puts out; they stay in float32. Where the
result is too far from the network, the trunk's last convolutions stay in float32 as well.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from live_gradcam.explain.export.onnx_graph import ACTIVATIONS
from live_gradcam.exports.formats import openvino_model, require_package
from live_gradcam.graph.metadata import PIXELS
from live_gradcam.graph.openvino_library import without_telemetry
from live_gradcam.values import Image

if TYPE_CHECKING:
    import onnx

SPARED_SHARES = (0.0, 0.125, 0.25, 0.5)
"""Shares of the trunk's convolutions and products, from its end, that stay in float32: what is
tried, one after the other."""

MOST_PICTURES = 300
"""More than so many pictures add nothing to a range."""

_QUANTISED = ("Conv", "ConvTranspose", "MatMul", "Gemm")


def quantise(
    model: onnx.ModelProto,
    pixels: Image,
    *,
    spared: float,
    as_openvino: bool,
) -> Any:  # noqa: ANN401 - a model of either kind
    """Return a graph whose trunk computes in 8 bits, with a scale for each channel of its weights.

    Args:
        model: In float32, with a value named `ACTIVATIONS`; not modified.
        pixels: Pictures that the ranges are taken from, ``uint8 (N, H, W, 3)`` RGB.
        spared: Share of the trunk's last convolutions and products that stay in float32.
        as_openvino: Return OpenVINO's model instead of an ONNX one.

    Raises:
        ModelError: What quantises is not installed.
    """
    with _quiet(), without_telemetry():
        require_nncf()
        import nncf

        kept = _kept_nodes(model, spared)
        attends = any(node.op_type == "Softmax" for node in model.graph.node)
        source: Any = openvino_model(model) if as_openvino else model
        names = _openvino_names(source, kept) if as_openvino else kept
        return nncf.quantize(
            source,
            nncf.Dataset([pixels[row : row + 1] for row in range(len(pixels))], _feed),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=min(len(pixels), MOST_PICTURES),
            fast_bias_correction=True,
            model_type=nncf.ModelType.TRANSFORMER if attends else None,
            ignored_scope=nncf.IgnoredScope(names=sorted(names), validate=False),
        )


def require_nncf() -> None:
    """Check that what quantises is installed.

    Raises:
        ModelError: It is not.
    """
    with without_telemetry():
        require_package("nncf")


def _feed(pixels: Image) -> dict[str, np.ndarray]:
    return {PIXELS: pixels}


def _kept_nodes(model: onnx.ModelProto, spared: float) -> set[str]:
    """Names of the nodes that stay in float32: all behind the trunk, and its last ones."""
    makers = {name: node for node in model.graph.node for name in node.output}
    waiting, trunk = [ACTIVATIONS], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in trunk:
            trunk.add(node.name)
            waiting += node.input
    inside = [node for node in model.graph.node if node.name in trunk]
    heavy = [place for place, node in enumerate(inside) if node.op_type in _QUANTISED]
    number = round(len(heavy) * spared)
    first = heavy[-number] if number else len(inside)
    return {node.name for node in model.graph.node if node.name not in trunk} | {
        node.name for node in inside[first:]
    }


def _openvino_names(model: Any, kept: set[str]) -> set[str]:  # noqa: ANN401 - the library is untyped
    """Names that OpenVINO gives to the operations of these nodes, some of them several."""
    names = (operation.get_friendly_name() for operation in model.get_ops())
    return {name for name in names if name.partition("/")[0] in kept}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the quantiser says about itself and its progress off the terminal."""
    logger = logging.getLogger("nncf")
    level, disabled = logger.level, logger.disabled
    logger.disabled = True
    nothing = StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(nothing), redirect_stderr(nothing):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled
        logger.setLevel(level)


def split(pixels: Image) -> tuple[Image, Image]:
    """Return pictures to calibrate on and others to measure on, every other one each."""
    return pixels[::2], pixels[1::2]


def enough(images: Sequence[object]) -> bool:
    """True if there are enough pictures for ranges and for a measurement."""
    return len(images) >= 8
