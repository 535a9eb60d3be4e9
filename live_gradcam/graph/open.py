"""From an exported file to what explains with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from live_gradcam.choices import DEFAULT_TOP_K, DEFAULT_VIEW, View
from live_gradcam.errors import ModelError
from live_gradcam.graph.engine import EngineName
from live_gradcam.graph.engines.devices import ONLY_HALF, parse_device
from live_gradcam.graph.engines.opening import open_engine
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.files import read_metadata
from live_gradcam.graph.integrity import check_content
from live_gradcam.preprocessing.plan import Planner, plan_frame

EngineChoice: TypeAlias = "Literal['auto'] | EngineName"
"""Engine that runs a graph; ``auto`` takes the best one that is installed."""


def open_graph(
    path: Path | str,
    *,
    engine: EngineChoice = "auto",
    device: str = "auto",
    top_k: int = DEFAULT_TOP_K,
    view: View = DEFAULT_VIEW,
    plan: Planner = plan_frame,
    on_notice: Callable[[str], None] | None = None,
) -> GraphExplainer:
    """Open an exported explanation; neither torch nor the network's own code is needed.

    Args:
        path: A file that ``live-gradcam export`` made: ``.onnx``, or OpenVINO's ``.xml``.
        engine: ``openvino``, ``onnxruntime``, or ``auto`` for what is installed.
        device: As the engine names it; see `live_gradcam.graph.engines.open_engine`.
        top_k: Number of classes that are predicted.
        view: Part of an image that the network is shown.
        plan: As for `live_gradcam.GraphExplainer`.
        on_notice: Called with each sentence that users should read.

    Raises:
        ModelError: It is no such file, or it is damaged.
        DeviceError: The engine is not installed, or has no such device here.
        UsageError: There is no such engine, device or view.
    """
    metadata = read_metadata(path)
    if metadata is None:
        file = Path(path)
        if not file.is_file():
            raise ModelError("cannot read graph", str(path), "there is no such file")
        cause = "it was not made by live-gradcam export"
        raise ModelError("cannot run graph", str(path), cause, "Give the network itself to --model")
    check_content(Path(path), metadata)
    opened = open_engine(
        Path(path),
        metadata,
        name=engine,
        device=device,
        precision="fp16" if parse_device(device).kind in ONLY_HALF else "fp32",
    )
    try:
        explainer = GraphExplainer(opened, top_k=top_k, view=view, plan=plan)
    except BaseException:
        opened.close()
        raise
    for note in metadata.notes:
        if on_notice is not None:
            on_notice(note)
    return explainer
