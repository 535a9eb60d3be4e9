"""Whether a network gets a graph for other engines, and what the graph says about itself."""

from __future__ import annotations

from collections.abc import Callable

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.explain.engine.graph_files import Exporter
from live_gradcam.explain.engine.graphs import GraphNetworks
from live_gradcam.explain.engine.runtime import Runtime
from live_gradcam.explain.methods import Method
from live_gradcam.graph.engines.opening import INSTALL
from live_gradcam.graph.metadata import GraphMetadata

# Number of parameters up to which a graph is made: the file holds 2 GB at most.
_UP_TO = 500_000_000
# Beyond this number exporting takes gigabytes, which is not done unasked.
_UNASKED_UP_TO = 100_000_000


def open_graphs(
    classifier: Classifier,
    method: type[Method],
    network: FusedNetwork,
    runtime: Runtime,
    exporter: Exporter | None,
    *,
    make_exact: Callable[[], FusedNetwork],
    depth: int,
    wait: bool,
    is_compiled: Callable[[Shape], bool],
    on_notice: Callable[[str], None],
) -> GraphNetworks | None:
    """Return what runs a network's graphs in other engines; ``None`` where nothing will.

    Args:
        classifier: The network.
        method: Makes the maps.
        network: The eager one, on torch's device.
        runtime: Says which engines may run it.
        exporter: Makes the graphs, if any.
        make_exact: Makes the eager network in float32 on the CPU.
        depth: Number of maps that a graph makes.
        wait: The first image waits for the graph.
        is_compiled: Says whether torch would run a batch of a shape compiled.
        on_notice: Called with a sentence where an engine was named that will not run it.
    """
    if not runtime.candidates or exporter is None:
        return None
    measured = runtime.engine_choice == "auto" and all(
        each.device == "cpu" for each in runtime.candidates
    )
    if why_not := _why_no_graph(classifier, method, network, exporter, unasked=measured):
        if not measured:
            label = runtime.candidates[0].label
            on_notice(f"{label} cannot run the network, torch runs it: {why_not}")
        return None
    metadata = GraphMetadata(
        network=classifier.name,
        layer=classifier.layer,
        labels=tuple(classifier.labels),
        preprocessing=classifier.preprocessing,
        method=method.name,
        unit=method.unit,
        classes="asked",
        maps=depth,
        class_specific=method.class_specific,
        output=classifier.output,
    )
    return GraphNetworks(
        network if runtime.device == "cpu" else None,
        make_exact,
        runtime.candidates,
        exporter,
        metadata,
        threads=runtime.threads,
        measure=measured,
        wait=wait,
        is_compiled=is_compiled,
        on_failure=on_notice,
    )


def _why_no_graph(
    classifier: Classifier,
    method: type[Method],
    network: FusedNetwork,
    exporter: Exporter,
    *,
    unasked: bool,
) -> str:
    """Return why there will be no graph of this network; an empty text if there may be one."""
    if not network.compilable:
        many = f"{method.title} is many forwards, which are no graph"
        return classifier.head.why_uncompiled or many
    if exporter.missing:
        return f"the package {exporter.missing} is not installed. {INSTALL}"
    parameters = sum(each.numel() for each in network.state_dict().values())
    if parameters > (_UNASKED_UP_TO if unasked else _UP_TO):
        return f"it has {parameters // 1_000_000} M parameters"
    return ""
