"""The network in 8 bits: exported, and run as a command runs it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from live_gradcam.choices import EngineChoice
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.frame_plan import plan_frame
from live_gradcam.exports import export
from live_gradcam.graph.engine import EngineName
from live_gradcam.graph.engines.opening import installed_engines, require_engine
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.open import open_graph
from live_gradcam.scenes import render_scene

_PICTURES = 16


def engines_of_int8(engine: EngineChoice) -> list[EngineName]:
    """Return the engines that can run it here, the one that is taken by itself first.

    Args:
        engine: As it was typed.

    Raises:
        UsageError: It is torch, which does not compute in 8 bits.
        DeviceError: It, or any for ``auto``, is not installed.
    """
    if engine == "torch":
        step = "Leave out --engine, or use openvino or onnxruntime"
        raise UsageError("cannot measure", "--precision int8", "torch does not compute in it", step)
    if engine != "auto":
        return [require_engine(engine)]
    names: tuple[EngineName, ...] = get_args(EngineName)
    return [name for name in names if name in installed_engines()] or [require_engine(names[0])]


def open_int8(classifier: Classifier, engine: EngineName, folder: Path) -> GraphExplainer:
    """Export a network in 8 bits into a folder, and open it.

    Its weights are random, so that its fidelity says nothing and is not judged.

    Args:
        classifier: The network.
        engine: Runs it.
        folder: Takes the file.

    Raises:
        ModelError: It cannot be exported, or a package is missing.
    """
    path = folder / f"int8-{engine}{'.xml' if engine == 'openvino' else '.onnx'}"
    pictures = [render_scene(seed, width=320, height=240).image for seed in range(_PICTURES)]
    export(
        classifier,
        path,
        classes="all",
        precision="int8",
        calibrate=pictures,
        force=True,
    )
    return open_graph(path, engine=engine, plan=plan_frame)
