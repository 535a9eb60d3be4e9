"""Cases of the network: a plain forward, our forward, and explanations of one to all classes."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from live_gradcam.bench.measure import Case
from live_gradcam.errors import DeviceError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.compiled import BackgroundCompiler
from live_gradcam.explain.engine.cuda import cuda_device
from live_gradcam.explain.engine.cuda_graphs import GraphedNetwork
from live_gradcam.explain.engine.fused import Engine, FusedNetwork, Shape
from live_gradcam.explain.engine.graph_network import GraphNetwork
from live_gradcam.explain.engine.runtime import Runtime
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.export.onnx_graph import make_onnx
from live_gradcam.explain.heads import Chooser, Explained
from live_gradcam.explain.methods import Method
from live_gradcam.graph.engines import open_engine
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.metadata import GraphMetadata
from live_gradcam.painter import Painter
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.values import Image

SIZE = 224
CLASSES = 1000


class ScoresOnly(Method):
    """A head without any evidence: our forward with nothing but the forward."""

    all_maps_are_cheap = True

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        logits, _ = self.score(activations)
        classes = choose(logits)
        return logits, classes, logits.new_zeros(*classes.shape, 1, 1), activations


def plain_network() -> nn.Module:
    """Make torchvision's ResNet-18 with random weights, which do not change the time."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    network: nn.Module = resnet18(weights=None, num_classes=CLASSES)
    return network.eval()


def classifier_of(network: nn.Module) -> Classifier:
    """Wrap the plain network as a classifier of ours."""
    return Classifier.from_module(
        network,
        layer="layer4",
        labels=[f"class {index}" for index in range(CLASSES)],
        preprocessing=Preprocessing(),
        name="resnet18",
    )


def random_image(width: int, height: int, seed: int = 0) -> Image:
    """Make seeded noise, ``uint8 (height, width, 3)``."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), np.uint8)


def network_cases(
    network: nn.Module, explainer: Explainer | GraphExplainer, classifier: Classifier
) -> list[Case]:
    """Make the cases of batch 1, 8 and 32.

    Args:
        network: The plain one, on the device that counts.
        explainer: Ours.
        classifier: Explained by it.
    """
    small = random_image(SIZE, SIZE)
    large = random_image(1280, 720)
    x = torch.randn(1, 3, SIZE, SIZE, device=next(network.parameters()).device)

    def plain() -> None:
        with torch.inference_mode():
            network(x).cpu()

    cases = [Case("plain_fp32", "plain eager fp32 forward", plain)]
    if isinstance(explainer, Explainer):  # an exported network is one graph, with its maps
        cases += [_bare_case(explainer, classifier)]
    for name, classes, title in (
        ("explain_top1", None, "explain the top class"),
        ("explain_top3", "top", "explain the top 3"),
        ("explain_all", "all", f"explain all {CLASSES} classes"),
    ):
        run = partial(explainer.explain, small, classes=classes, view="stretch")
        cases.append(Case(name, title, run))
    top3 = "explain the top 3 of a 1280x720 frame"
    cases.append(Case("explain_top3_720p", top3, partial(explainer.explain, large, classes="top")))
    cases.append(_frame_case(explainer))
    for batch in (8, 32):
        images = [random_image(1280, 720, seed) for seed in range(4)] * (batch // 4)
        run_batch = partial(explainer.explain_batch, images, classes="top")
        title = f"the same in a batch of {batch}, per frame"
        cases.append(Case(f"explain_batch{batch}_720p", title, run_batch, per=batch))
    return cases


def _frame_case(explainer: Explainer | GraphExplainer) -> Case:
    """The work of a live session for a frame, from the camera's memory to the window's."""
    frame = random_image(1920, 1080)
    painter = Painter(OverlayOptions(), moving=True)

    def run() -> None:
        painter.paint(frame, explainer.explain(frame))

    return Case("picture_1080p", "a 1920x1080 frame in, its picture out", run)


def _bare_case(explainer: Explainer, classifier: Classifier) -> Case:
    runtime = explainer.runtime
    beside = runtime.engine != "torch"
    network = FusedNetwork(classifier, "fp32" if beside else runtime.precision)
    network.head = ScoresOnly(network.head)
    network = network.requires_grad_(False).eval().to(runtime.device)
    pixels = torch.from_numpy(random_image(SIZE, SIZE)[None])
    title = "our forward without evidence"
    if beside:
        graph = _bare_graph(network, classifier, runtime)
        return Case("bare", title, lambda: graph.run(pixels, (-1,)))
    if runtime.state == "recorded":
        with torch.no_grad():
            accelerator = cuda_device(torch.device(runtime.device))
            graphed = GraphedNetwork(network, accelerator, (1, SIZE, SIZE), depth=1)
        return Case("bare", title, lambda: graphed.start(pixels, (-1,))())
    selection = torch.tensor([-1], device=runtime.device)
    engine = _compiled(network, runtime.threads) if runtime.compiled else network

    def run() -> None:
        with torch.no_grad():
            engine(pixels.to(runtime.device), selection)[0].cpu()

    return Case("bare", title, run)


def _bare_graph(network: FusedNetwork, classifier: Classifier, runtime: Runtime) -> GraphNetwork:
    """Open the network's graph in the engine that the explainer uses."""
    metadata = GraphMetadata(
        network=classifier.name,
        layer=classifier.layer,
        labels=tuple(classifier.labels),
        preprocessing=classifier.preprocessing,
        method="",
        unit="",
        classes="asked",
        maps=1,
    )
    model = make_onnx(network, classes="asked", maps=1, shape=(1, SIZE, SIZE))
    (candidate,) = (each for each in runtime.candidates if each.engine == runtime.engine)
    engine = open_engine(
        model.SerializeToString(),
        metadata,
        name=candidate.engine,
        device=candidate.device,
        precision=candidate.precision,
        threads=runtime.threads,
    )
    return GraphNetwork(engine, 1)


def _compiled(network: FusedNetwork, threads: int) -> Engine:
    """Compile the network as the explainer compiles its own, from the same cache.

    Raises:
        DeviceError: It cannot be compiled.
    """
    shape = (1, SIZE, SIZE)
    engines: dict[Shape, Engine] = {}
    failures: list[str] = []
    compiler = BackgroundCompiler(
        network,
        depth=1,
        threads=threads,
        yielding=False,
        on_ready=engines.__setitem__,
        on_failure=failures.append,
    )
    compiler.request(shape, may_compile=True).wait()
    compiler.close()
    if failures:
        raise DeviceError("cannot measure", "the compiled forward", failures[0], "Use --no-compile")
    return engines[shape]
