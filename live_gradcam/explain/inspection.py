"""What a checkpoint or a network is, and how to explain it: for people, and as a record."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from live_gradcam.errors import LiveGradcamError, ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.layers import list_layers
from live_gradcam.explain.load import list_layers_by_name, load_classifier
from live_gradcam.explain.networks.catalogue import list_models
from live_gradcam.explain.networks.file_networks import is_onnx
from live_gradcam.explain.networks.hf_files import HF_PREFIX
from live_gradcam.explain.networks.labels import Labels
from live_gradcam.explain.networks.recognise import CheckpointReport, describe_checkpoint
from live_gradcam.explain.networks.spec import TIMM_PREFIX
from live_gradcam.explain.networks.torchvision_networks import weights_entries
from live_gradcam.explain.seen_layers import Layer
from live_gradcam.explain.taught_facts import TaughtFacts, read_facts
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import SOFTMAX
from live_gradcam.wording import percent

# Share of tensors in common from which a network is tried on a checkpoint.
_LIKELY = 0.8
_SHOWN_LABELS = 5
_WEIGHTS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".tar", ".pkl", ".onnx", ".pt2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found out about a checkpoint or a network.

    Attributes:
        target: What was asked about.
        kind: ``checkpoint``, ``ONNX file``, ``Hugging Face network``, ``network``, ``taught
            classifier`` or ``taught head for NETWORK``.
        network: Name for ``--model``; empty where it is not recognised.
        origin: Source of the weights.
        parameters: Number of its numbers; ``None`` where they are not here.
        input: Size, channels, range, mean and std of its pictures; ``None`` where unknown.
        classes: Number of classes; ``None`` where unknown.
        output: Meaning of its output, where it is known.
        labels: Names of the classes; ``None`` where they have none.
        layers: Layers that can be explained, early to late.
        layer: The one that is explained by default; empty where none is known.
        reason: Why that one.
        command: Command that explains a picture with it; empty where it cannot be explained.
        states: Sets of weights in the file, for ``--state``.
        state: The one that is taken.
        nearest: Networks that a checkpoint may belong to, and the share of tensors in common.
        notes: One sentence for each thing that had to be interpreted.
        problem: Why it cannot be explained as it is; empty where it can.
    """

    target: str
    kind: str
    network: str = ""
    origin: str = ""
    parameters: int | None = None
    input: str | None = None
    classes: int | None = None
    output: str = ""
    labels: tuple[str, ...] | None = None
    layers: tuple[Layer, ...] = ()
    layer: str = ""
    reason: str = ""
    command: str = ""
    states: tuple[str, ...] = ()
    state: str = ""
    nearest: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = field(default=())
    problem: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return asdict(self)


def inspect_network(
    target: str, *, weights: Path | None = None, labels: Labels = None, state: str | None = None
) -> Inspection:
    """Find out what a checkpoint or a network is.

    Nothing of a file is run, and torchvision's weights are not downloaded for it.

    Args:
        target: A file, a folder of Hugging Face's, or a name as for `load_classifier`.
        weights: A checkpoint for the network of this name.
        labels: Names of the classes, or a file with them.
        state: Key of the set of weights to take where the file has several.

    Raises:
        ModelError: The file is none of weights or of a network, or the name is not known.
    """
    path = Path(target)
    if weights is None and path.is_dir():
        target = f"{HF_PREFIX}{target}"
    elif weights is None and (path.is_file() or path.suffix in _WEIGHTS) and not is_onnx(path):
        taught = read_facts(path)
        return (
            _inspect_checkpoint(path, labels, state)
            if taught is None
            else _inspect_taught(path, taught, labels, state)
        )
    row = next((row for row in list_models() if row.name == target), None)
    if weights is None and row is not None and not row.cached:
        return _inspect_absent(target)
    notes: list[str] = []
    classifier = load_classifier(
        target, weights=weights, labels=labels, state=state, on_notice=notes.append
    )
    return _inspect_loaded(target, target, weights, classifier, notes, labels, state)


def _inspect_loaded(
    target: str,
    network: str,
    weights: Path | None,
    classifier: Classifier,
    notes: list[str],
    labels: Labels,
    state: str | None,
) -> Inspection:
    unnamed = classifier.labels == tuple(f"class {i}" for i in range(classifier.class_count))
    return Inspection(
        target=target,
        kind=_kind(network),
        network=network,
        origin=classifier.weights_origin,
        parameters=_parameters(classifier),
        input=classifier.preprocessing.describe(),
        classes=classifier.class_count,
        output=str(getattr(getattr(classifier, "output", None), "kind", "")),
        labels=None if unnamed else classifier.labels,
        layers=list_layers(classifier),
        layer=classifier.layer,
        reason=_reason(classifier),
        command=_command(network, weights, labels, state),
        notes=tuple(notes),
    )


def _inspect_checkpoint(path: Path, labels: Labels, state: str | None) -> Inspection:
    report = describe_checkpoint(path, state=state)
    best = report.nearest[0] if report.nearest else ("", 0.0)
    problem = (
        "its names are those of no network of torchvision: name the network that it was trained "
        "for with --model, a timm:NAME, or build it in Python for Classifier.from_module"
    )
    if best[1] >= _LIKELY:
        notes: list[str] = []
        try:
            classifier = load_classifier(
                best[0], weights=path, labels=labels, state=state, on_notice=notes.append
            )
        except LiveGradcamError as error:
            problem = str(error)
        else:
            found = _inspect_loaded(str(path), best[0], path, classifier, notes, labels, state)
            return _with_report(found, report)
    elif report.nearest:
        problem = f"it is most like {best[0]}, but shares {percent(best[1])} of its tensors only"
    bare = Inspection(target=str(path), kind="checkpoint", problem=problem, notes=report.notes)
    return _with_report(bare, report)


def _with_report(found: Inspection, report: CheckpointReport) -> Inspection:
    values = {name: getattr(found, name) for name in Inspection.__dataclass_fields__}
    values.update(
        kind="checkpoint",
        parameters=report.parameter_count,
        states=report.states,
        state=report.state,
        nearest=report.nearest,
        classes=found.classes or report.class_count,
        labels=found.labels or report.labels,
    )
    return Inspection(**values)


def _inspect_taught(
    path: Path, facts: TaughtFacts, labels: Labels, state: str | None
) -> Inspection:
    kind = "taught classifier" if facts.whole else f"taught head for {facts.network}"
    command = _command("", path, labels, state)
    # The head says what it is, whether its trunk is at hand or not.
    outline = Inspection(
        target=str(path),
        kind=kind,
        network=facts.network,
        origin=facts.origin,
        input=facts.preprocessing.describe(),
        classes=len(facts.labels),
        output=SOFTMAX.name,
        labels=facts.labels,
        layer=facts.layer,
    )
    row = next((row for row in list_models() if row.name == facts.network), None)
    absent = facts.network.startswith(TIMM_PREFIX) or (row is not None and not row.cached)
    if not facts.whole and absent and facts.has_name:
        note = f"its trunk, {facts.origin}, may be downloaded at the first run"
        return replace(outline, command=command, notes=(note, *facts.said))
    notes: list[str] = []
    try:
        classifier = load_classifier(
            weights=path, labels=labels, state=state, on_notice=notes.append
        )
    except LiveGradcamError as error:
        if facts.whole:
            raise
        return replace(outline, notes=facts.said, problem=str(error))
    found = _inspect_loaded(str(path), facts.network, path, classifier, notes, labels, state)
    return replace(found, kind=kind, command=command, notes=(*found.notes, *facts.said))


def _inspect_absent(name: str) -> Inspection:
    """Describe a network of torchvision whose weights are not on this machine."""
    entry = weights_entries(name).DEFAULT
    layers, layer = list_layers_by_name(name)
    names = tuple(entry.meta.get("categories", ()))
    return Inspection(
        target=name,
        kind="network",
        network=name,
        origin=f"torchvision's {entry.name}, downloaded at the first run",
        parameters=entry.meta.get("num_params"),
        input=Preprocessing.from_transform(entry.transforms()).describe(),
        classes=len(names),
        labels=names,
        layers=layers,
        layer=layer,
        reason="the last one that still has places",
        command=_command(name, None, None, None),
    )


def _kind(network: str) -> str:
    if network.startswith(HF_PREFIX):
        return "Hugging Face network"
    return "ONNX file" if is_onnx(Path(network)) else "network"


def _parameters(classifier: Classifier) -> int:
    """Count the numbers that a network was trained to, wherever its two parts keep them."""
    parts = [classifier.trunk, classifier.head]
    if classifier.source is not None:
        parts = [classifier.source.network]
    found = {id(each): each.numel() for part in parts for each in part.parameters()}
    if classifier.source is None:
        closed = (getattr(classifier.head, name, None) for name in ("weight", "bias"))
        found.update((id(each), each.numel()) for each in closed if each is not None)
    return sum(found.values())


def _reason(classifier: Classifier) -> str:
    last = re.search(r"norm(1|_before)?$|ln_1$", classifier.layer)
    if "Token" in type(classifier.head).__name__ or last:
        return "the last one whose patches every score depends on"
    return "the last one that still has places and that everything flows through"


def _command(network: str, weights: Path | None, labels: Labels, state: str | None) -> str:
    words = ["live-gradcam", "run", "picture.jpg", "-o", "explained.png"]
    if network:
        words += ["--model", network]
    if weights is not None:
        words += ["--weights", str(weights)]
    if isinstance(labels, (str, Path)):
        words += ["--labels", str(labels)]
    if state is not None:
        words += ["--state", state]
    return shlex.join(words)


def describe_lines(found: Inspection) -> list[tuple[str, str]]:
    """Return what was found in lines for people, each with its title."""
    lines = [("what", f"{found.kind} {found.target}")]
    if found.network and found.network != found.target:
        lines.append(("network", found.network))
    if found.nearest:
        shown = ", ".join(f"{name} {percent(share)}" for name, share in found.nearest)
        lines.append(("most like", f"{shown} (share of tensors in common)"))
    if found.parameters is not None:
        lines.append(("parameters", f"{found.parameters:,}"))
    if len(found.states) > 1:
        others = ", ".join(repr(each) for each in found.states)
        lines.append(("states", f"{others}; {found.state!r} is taken, --state KEY chooses"))
    lines += [(title, text) for title, text in (("input", found.input),) if text]
    if found.classes is not None:
        lines.append(
            ("classes", str(found.classes) + (f", {found.output}" if found.output else ""))
        )
    if found.labels is not None:
        shown = ", ".join(found.labels[:_SHOWN_LABELS])
        lines.append(("labels", f"{shown}{', ...' if len(found.labels) > _SHOWN_LABELS else ''}"))
    elif found.classes is not None:
        lines.append(("labels", "none: give them with --labels FILE"))
    for index, layer in enumerate(found.layers):
        size = f"{layer.channels} channels, {layer.grid[1]}x{layer.grid[0]}"
        mark = f"; chosen: {found.reason}" if layer.name == found.layer else ""
        lines.append(("layers" if index == 0 else "", f"{index} {layer.name}: {size}{mark}"))
    lines += [("notes" if index == 0 else "", note) for index, note in enumerate(found.notes)]
    if found.problem:
        lines.append(("problem", found.problem))
    if found.command:
        lines.append(("explain it", found.command))
    return lines


def require_usable(found: Inspection) -> None:
    """Check that the network can be explained.

    Raises:
        ModelError: It cannot; the message says why.
    """
    if found.problem:
        raise ModelError("cannot explain it as it is", found.target, found.problem)
