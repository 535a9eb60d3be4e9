"""A network that is an exported file: recognised, and opened without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from live_gradcam.choices import (
    DEFAULT_ENGINE,
    DEFAULT_METHOD,
    DEFAULT_OUTPUT,
    EngineChoice,
    OutputChoice,
    View,
)
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import NetworkOptions
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.graph.explainer import GraphExplainer
    from live_gradcam.graph.metadata import GraphMetadata

_SUFFIXES = (".onnx", ".xml")  # what else is typed needs no look into a file

# Options that say something about a network that is not finished yet, and how they are typed.
_OPTIONS: Mapping[str, str] = {
    "weights": "--weights",
    "state": "--state",
    "labels": "--labels",
    "preprocessing": "--preprocessing",
    "input_size": "--input-size",
    "resize": "--resize",
    "channels": "--channels",
    "range": "--range",
    "mean": "--mean",
    "std": "--std",
    "transform_input": "--transform-input",
    "output_name": "--output-name",
    "threshold": "--threshold",
    "fuse": "--fuse",
}


def exported_metadata(options: NetworkOptions) -> GraphMetadata | None:
    """Return what an exported file says about itself; ``None`` where the network is none.

    Raises:
        ModelError: The file is damaged, or of a newer version.
    """
    if Path(options.model).suffix.lower() not in _SUFFIXES:
        return None
    from live_gradcam.graph.files import read_metadata

    return read_metadata(options.model)


def open_exported(
    options: NetworkOptions,
    metadata: GraphMetadata,
    console: Console,
    *,
    method: str = DEFAULT_METHOD,
    output: OutputChoice = DEFAULT_OUTPUT,
    class_name: str | None = None,
    engine: EngineChoice = DEFAULT_ENGINE,
    top_k: int,
    view: View,
) -> GraphExplainer:
    """Open an exported file.

    Args:
        options: Say which, and what it runs on.
        metadata: The file's.
        console: Takes notices.
        method: What was asked for.
        output: Meaning of the output that was asked for.
        class_name: The class that is to be explained, if one was named.
        engine: What runs the file.
        top_k: Number of classes that are predicted.
        view: Part of the pictures that the network is shown.

    Raises:
        UsageError: An option asks for something else than the file has.
        ModelError: The file cannot be read.
        DeviceError: The engine is not installed, or has no such device here.
    """
    refuse_others(options, metadata, method, output, engine)
    assert engine != "torch", "it is refused"
    from live_gradcam.graph.open import open_graph

    explainer = open_graph(
        options.model,
        engine=engine,
        device=options.device,
        top_k=top_k,
        view=view,
        on_notice=console.note,
    )
    try:
        if class_name is not None:
            explainer.require_maps(class_name)
    except BaseException:
        explainer.close()
        raise
    return explainer


def refuse_others(
    options: NetworkOptions,
    metadata: GraphMetadata,
    method: str,
    output: OutputChoice,
    engine: EngineChoice,
) -> None:
    """Refuse options that the file has decided already, unless they say the same.

    Raises:
        UsageError: One says something else.
    """
    usual = NetworkOptions()
    given = [
        name for field, name in _OPTIONS.items() if getattr(options, field) != getattr(usual, field)
    ]
    if options.layer not in (None, metadata.layer):
        given.append(f"--layer {options.layer}")
    # The default method cannot be told from one that was typed.
    if method not in (DEFAULT_METHOD, metadata.method):
        given.append(f"--method {method}")
    if output != DEFAULT_OUTPUT:
        given.append(f"-o {output}")
    if options.precision not in ("auto", metadata.precision):
        given.append(f"--precision {options.precision}")
    if given:
        what = Path(options.model).name
        cause = f"{what} explains {metadata.layer} by {metadata.method} only"
        step = "Leave it out, or export the network again with it"
        raise UsageError("cannot use", given[0], cause, step)
    if engine == "torch":
        cause = f"{Path(options.model).name} is an exported file, which runs without torch"
        raise UsageError("cannot use", "--engine torch", cause, "Use openvino or onnxruntime")
