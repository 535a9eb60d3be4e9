"""See live what an image classifier sees, and why: exact Grad-CAM on every frame.

Three lines explain a picture::

    import live_gradcam as lg

    explainer = lg.Explainer(lg.load_classifier("resnet18"))
    explanation = explainer.explain("mug.jpg")

Names are loaded when they are first used, so that importing the package loads neither torch nor
OpenCV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live_gradcam.air.open import open_sink
    from live_gradcam.capture.open import open_source
    from live_gradcam.capture.scene import SceneSource
    from live_gradcam.capture.source import LiveSource, Source
    from live_gradcam.errors import (
        DeviceError,
        LiveGradcamError,
        ModelError,
        SinkError,
        SourceError,
        UsageError,
    )
    from live_gradcam.evaluate.dataset import Dataset, open_dataset
    from live_gradcam.evaluate.evaluation import Evaluation, run_evaluation
    from live_gradcam.evaluate.options import EvaluationOptions
    from live_gradcam.evaluate.values import EvaluationResult
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.explain.layers import list_layers
    from live_gradcam.explain.load import load_classifier
    from live_gradcam.explain.seen_layers import Layer
    from live_gradcam.exports import export
    from live_gradcam.faithfulness import (
        Removal,
        cascading_randomization,
        rank_correlation,
        removal_test,
    )
    from live_gradcam.graph.explainer import GraphExplainer
    from live_gradcam.graph.open import open_graph
    from live_gradcam.images import read_image
    from live_gradcam.images.parts import Roi
    from live_gradcam.painter import Painter
    from live_gradcam.pipeline import RunOptions, Summary, run_offline
    from live_gradcam.preprocessing.settings import Preprocessing
    from live_gradcam.present import draw
    from live_gradcam.scenes import Scene, render_scene
    from live_gradcam.session import run_session
    from live_gradcam.show.memory import MemorySink
    from live_gradcam.show.overlay import OverlayOptions
    from live_gradcam.show.sink import Sink
    from live_gradcam.teaching.examples import Examples
    from live_gradcam.teaching.explainer import TaughtExplainer
    from live_gradcam.teaching.features import FeatureExtractor
    from live_gradcam.teaching.learned import Learned
    from live_gradcam.teaching.lesson import teach
    from live_gradcam.teaching.saving import load_taught, save_taught
    from live_gradcam.teaching.session import TeachingSession
    from live_gradcam.values import (
        Explanation,
        Frame,
        OutputKind,
        Prediction,
        Region,
        SourceInfo,
    )

    __version__: str

_NAMES = {
    "capture.open": "open_source",
    "capture.scene": "SceneSource",
    "air.open": "open_sink",
    "capture.source": "LiveSource Source",
    "errors": "DeviceError LiveGradcamError ModelError SinkError SourceError UsageError",
    "evaluate.dataset": "Dataset open_dataset",
    "evaluate.evaluation": "Evaluation run_evaluation",
    "evaluate.options": "EvaluationOptions",
    "evaluate.values": "EvaluationResult",
    "graph.explainer": "GraphExplainer",
    "graph.open": "open_graph",
    "explain.classifier": "Classifier",
    "explain.explainer": "Explainer",
    "explain.layers": "list_layers",
    "explain.load": "load_classifier",
    "preprocessing.settings": "Preprocessing",
    "explain.seen_layers": "Layer",
    "exports": "export",
    "faithfulness": "Removal cascading_randomization rank_correlation removal_test",
    "images": "read_image",
    "images.parts": "Roi",
    "painter": "Painter",
    "present": "draw",
    "pipeline": "RunOptions Summary run_offline",
    "scenes": "Scene render_scene",
    "session": "run_session",
    "show.memory": "MemorySink",
    "show.overlay": "OverlayOptions",
    "show.sink": "Sink",
    "teaching.examples": "Examples",
    "teaching.explainer": "TaughtExplainer",
    "teaching.features": "FeatureExtractor",
    "teaching.learned": "Learned",
    "teaching.lesson": "teach",
    "teaching.saving": "load_taught save_taught",
    "teaching.session": "TeachingSession",
    "values": "Explanation Frame OutputKind Prediction Region SourceInfo",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Classifier",
    "Dataset",
    "DeviceError",
    "Evaluation",
    "EvaluationOptions",
    "EvaluationResult",
    "Examples",
    "Explainer",
    "Explanation",
    "FeatureExtractor",
    "Frame",
    "GraphExplainer",
    "Layer",
    "Learned",
    "LiveGradcamError",
    "LiveSource",
    "MemorySink",
    "ModelError",
    "OutputKind",
    "OverlayOptions",
    "Painter",
    "Prediction",
    "Preprocessing",
    "Region",
    "Removal",
    "Roi",
    "RunOptions",
    "Scene",
    "SceneSource",
    "Sink",
    "SinkError",
    "Source",
    "SourceError",
    "SourceInfo",
    "Summary",
    "TaughtExplainer",
    "TeachingSession",
    "UsageError",
    "__version__",
    "cascading_randomization",
    "draw",
    "export",
    "list_layers",
    "load_classifier",
    "load_taught",
    "open_dataset",
    "open_graph",
    "open_sink",
    "open_source",
    "rank_correlation",
    "read_image",
    "removal_test",
    "render_scene",
    "run_evaluation",
    "run_offline",
    "run_session",
    "save_taught",
    "teach",
]


def __getattr__(name: str) -> object:
    value: object
    if name == "__version__":
        value = import_module("importlib.metadata").version("live-gradcam")
    elif name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
