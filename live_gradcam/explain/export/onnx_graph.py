"""A network with its maps as an ONNX model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.export import ExportedProgram

from live_gradcam.errors import ModelError
from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.explain.export.program import make_program
from live_gradcam.graph.metadata import (
    CLASSES,
    EVIDENCE,
    FEATURES,
    PIXELS,
    SCORES,
    SELECTION,
    ExplainedClasses,
)
from live_gradcam.wording import install_step

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""Old enough for every engine in use, new enough for sums over scattered indices."""


ACTIVATIONS = "activations"
"""Name of the value between trunk and head, inside the models that are made here."""


def make_onnx(
    network: FusedNetwork,
    *,
    classes: ExplainedClasses,
    maps: int,
    shape: Shape,
    any_size: bool = False,
) -> onnx.ModelProto:
    """Make an ONNX model of a network with its maps.

    Args:
        network: On the CPU; its head makes the maps.
        classes: Those that have a map; with ``asked`` the model has a second input, the
            ``selection int64 (K,)`` of `live_gradcam.explain.heads.choose_classes`.
        maps: Their number K.
        shape: Of an example; the batch is free in any case.
        any_size: Height and width are free, too.

    Returns:
        A model from ``pixels uint8 (N, H, W, 3)`` RGB to ``scores float32 (N, classes)``, for
        ``top`` and ``asked`` classes also ``classes int64 (N, K)``, and ``evidence float32
        (N, K, h, w)``. Weights of more than 2 GiB do not fit into one.

    Raises:
        ModelError: What makes ONNX models is not installed.
        Exception: Whatever torch raises at an operation that cannot be traced or converted.
    """
    program = make_program(network, classes=classes, maps=maps, shape=shape, any_size=any_size)
    return onnx_of(program, classes=classes, any_size=any_size)


def onnx_of(
    program: ExportedProgram,
    *,
    classes: ExplainedClasses,
    any_size: bool,
    features: bool = False,
) -> onnx.ModelProto:
    """Make an ONNX model of a program of `make_program`; see there and `make_onnx`.

    With ``features``, the program puts them out behind the evidence.
    Activations that the program puts out are no output of the model, but a value of this name.
    """
    require_onnx()
    names = [*output_names(classes), *([FEATURES] if features else [])]
    marked = len(program.graph_signature.user_outputs) > len(names)
    inputs = [PIXELS, SELECTION] if classes == "asked" else [PIXELS]
    with quiet():
        made = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=inputs,
            output_names=[*names, ACTIVATIONS] if marked else names,
            verbose=False,
            optimize=True,
        )
        assert made is not None, "asked for with dynamo"
        model = made.model_proto
    if marked:
        del model.graph.output[-1]
    _name_dims(model.graph.input[0], ("batch", *(("height", "width") if any_size else ())))
    for output in model.graph.output:
        _name_dims(output, ("batch",))
    model.producer_name = "live-gradcam"
    del model.metadata_props[:]
    for node in model.graph.node:  # where in torch's code an operation stood
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    del model.graph.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.ClearField("metadata_props")
    return model


def output_names(classes: ExplainedClasses) -> list[str]:
    """Names of a graph's outputs, in order."""
    return [SCORES, *([CLASSES] if classes in ("top", "asked") else []), EVIDENCE]


def require_onnx() -> None:
    """Check that what makes ONNX models is installed.

    Raises:
        ModelError: It is not; the message names the command that installs it.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as exc:
        raise ModelError(
            "cannot export",
            "",
            f"the package {exc.name} is not installed",
            install_step("fast"),
        ) from exc


@contextmanager
def quiet() -> Iterator[None]:
    """What the exporters say about themselves is for their developers."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _name_dims(value: onnx.ValueInfoProto, names: tuple[str, ...]) -> None:
    dims = value.type.tensor_type.shape.dim
    for dim, name in zip(dims, names, strict=False):
        dim.dim_param = name
