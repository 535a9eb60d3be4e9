"""A run in 8 bits: the network is exported and measured once, and its file runs from then on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from live_gradcam.cli.export import read_pictures
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from live_gradcam.cli.run_values import Run
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.graph.explainer import GraphExplainer
    from live_gradcam.values import Image

# Of a film or folder, as many of its first pictures are what int8 is calibrated on by itself.
_FIRST = 128


def check_int8(run: Run) -> None:
    """Refuse at once what contradicts itself.

    Raises:
        UsageError: It does.
    """
    arguments = run.arguments
    if arguments.network.precision != "int8":
        for given, name in ((arguments.calibrate, "--calibrate"), (arguments.force, "--force")):
            if given:
                raise UsageError(f"{name} is for --precision int8", "", "", "Leave it out")
        return
    if arguments.engine == "torch":
        step = "Leave out --engine, or use openvino or onnxruntime"
        raise UsageError("cannot use", "--precision int8", "torch does not compute in it", step)
    has_own = run.exported is not None or arguments.network.model == "scenes"
    if arguments.resume and arguments.calibrate is None and not has_own:
        cause = "files may be added, and the network has to stay the same"
        step = "Name a folder of pictures with --calibrate"
        raise UsageError("int8 has to be calibrated", "--resume", cause, step)


def open_int8(run: Run, classifier: Classifier) -> GraphExplainer:
    """Open the network in 8 bits, from the user's cache where it was made before.

    Raises:
        UsageError: There are no pictures to calibrate it on.
        ModelError: It cannot be exported, or differs too much from the network.
        DeviceError: There is no engine for it.
    """
    from live_gradcam.explain.engine.package_cache import prune_cache
    from live_gradcam.explain.frame_plan import plan_frame
    from live_gradcam.exports import export
    from live_gradcam.graph.files import read_metadata
    from live_gradcam.graph.open import open_graph

    arguments, console = run.arguments, run.console
    # All classes where they cost next to nothing: any may be asked for later on.
    named = arguments.class_name
    classes = "all" if classifier.all_maps_are_cheap else "top" if named is None else [named]
    images = _calibration(run)
    path = _place(run, classifier, images, str(classes))
    if not path.exists():
        with console.waiting("making the network's 8-bit form, and comparing it"):
            export(
                classifier,
                path,
                method=arguments.method,
                classes=classes,
                top_k=arguments.top_k,
                precision="int8",
                calibrate=images,
                force=arguments.force,
                on_notice=console.note,
            )
        prune_cache(path.parent, keep=path)
    metadata = read_metadata(path)
    if metadata is not None:
        console.note(f"int8, {describe_fidelity(metadata.fidelity)}")
    assert arguments.engine != "torch", "refused above"
    return open_graph(
        path,
        engine=arguments.engine,
        device=arguments.network.device,
        top_k=arguments.top_k,
        view=arguments.view,
        plan=plan_frame,
        on_notice=console.note,
    )


def describe_fidelity(figures: Mapping[str, float]) -> str:
    """Say in words what stands in a quantised file's metadata."""
    from live_gradcam.values import Int8Fidelity

    found = Int8Fidelity.of(figures)
    if any(map(math.isnan, found)):
        return "not measured"
    return (
        f"measured on {found.pictures:.0f} pictures: the best class is the same in "
        f"{found.top1_agreement * 100:.4g} %, map cosine "
        f"{found.median_cosine:.4f} (median), {found.worst_cosine:.4f} (worst)"
    )


def _calibration(run: Run) -> Sequence[Image]:
    """Pictures of ``--calibrate``, else the first ones of a source that can be opened twice."""
    from live_gradcam.capture.open import open_source

    arguments = run.arguments
    if arguments.calibrate is not None:
        return read_pictures(arguments.calibrate, run.console)
    if arguments.network.model == "scenes":  # calibrated on scenes that are generated
        return ()
    if arguments.source == "-":
        return ()
    with open_source(arguments.source) as source:
        if source.info.live:
            step = "Name a folder of pictures with --calibrate"
            cause = "a camera or stream cannot be looked at beforehand"
            raise UsageError("int8 has to be calibrated", arguments.source, cause, step)
        return [frame.image for frame in islice(source, _FIRST)]


def _place(run: Run, classifier: Classifier, images: Sequence[Image], classes: str) -> Path:
    """Return the file's place in the user's cache, which hangs on all that it is made from."""
    from live_gradcam.explain.engine.fused import FusedNetwork
    from live_gradcam.explain.engine.package_cache import graph_key, open_cache
    from live_gradcam.explain.export.worker import GraphExporter
    from live_gradcam.explain.methods import require_method
    from live_gradcam.exports import quantise
    from live_gradcam.graph.engines import installed_engines

    arguments, exporter = run.arguments, GraphExporter()
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.tobytes())
    head = require_method(arguments.method, classifier.head).make_head(classifier.head)
    key = graph_key(
        FusedNetwork(replace(classifier, head=head), "fp32"),
        *("int8", classes, arguments.top_k, arguments.force, digest.hexdigest()),
        classifier.labels,
        classifier.preprocessing,
        modules=(*exporter.modules, quantise.__name__),
        versions=exporter.versions,
    )
    native = "openvino" in installed_engines() and arguments.engine != "onnxruntime"
    return open_cache() / f"{key}-int8{'.xml' if native else '.onnx'}"
