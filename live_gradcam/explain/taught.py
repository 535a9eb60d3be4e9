"""Files of taught classifiers: a linear head, and with it the trunk that it was taught on.

A ``.safetensors`` file: ``head.weight`` and ``head.bias``, the trunk's numbers under their own
names behind ``trunk.``, and in the metadata what these are of, see `TaughtFacts`. A file without
the trunk goes with the very trunk that it was taught on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.networks.weight_files import read_content
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.explain.pooled import (
    ChannelsToFront,
    PatchGrid,
    hash_of_trunk,
    with_layout,
    with_linear_head,
)
from live_gradcam.explain.seen_layers import blank_pixels
from live_gradcam.explain.skeletons import build_trunk, names_in_trunk
from live_gradcam.explain.taught_facts import FILE, GIVEN_MODULE, WHAT, TaughtFacts
from live_gradcam.values import SOFTMAX

EXAMPLES = "examples"
"""Name of the tensor ``uint8 (n, 8)`` of what the files of examples are known by; optional."""

_HEAD, _TRUNK = "head.", "trunk."
_TAUGHT = re.compile(r"^.*taught \d+ classes; trunk: ", re.DOTALL)


def taught_origin(count: int, trunk: str) -> str:
    """Return the source of a taught classifier's weights as a short sentence.

    Args:
        count: Number of its classes.
        trunk: Source of its trunk's weights; of a taught one, what stands behind it is taken.
    """
    return f"taught {count} classes; trunk: {_TAUGHT.sub('', trunk)}"


def facts_of(classifier: Classifier, *, whole: bool) -> TaughtFacts:
    """Return what a file would say about a taught classifier.

    Raises:
        ModelError: Its head is no linear one on pooled features.
    """
    if not isinstance(classifier.head, LinearHead) or classifier.output.name != SOFTMAX.name:
        cause = "its head is no linear layer on pooled features"
        raise ModelError("cannot save as taught", classifier.name, cause, "Teach it first")
    grid = getattr(classifier.trunk, "grid", None)
    layout: tuple[str | int, ...] = ()
    if isinstance(grid, PatchGrid):
        layout = ("tokens", grid.channels, grid.prefix, *grid.grid)
    elif isinstance(grid, ChannelsToFront):
        layout = ("last", grid.channels)
    return TaughtFacts(
        network=classifier.name,
        layer=classifier.layer,
        labels=classifier.labels,
        preprocessing=classifier.preprocessing,
        trunk=hash_of_trunk(classifier),
        layout=layout,
        whole=whole,
        origin=_without_folder(_TAUGHT.sub("", classifier.weights_origin)),
    )


def _without_folder(origin: str) -> str:
    """Return an origin with a file's name only: where it lies is nobody else's business."""
    if not origin.startswith(FILE):
        return origin
    path, comma, rest = origin.removeprefix(FILE).partition(", which ")
    return f"{FILE}{Path(path).name}{comma}{rest}"


@short_lived_thread
@torch.no_grad()
def contents_of(classifier: Classifier, *, whole: bool) -> tuple[dict[str, Tensor], TaughtFacts]:
    """Return what a file of a taught classifier holds: tensors by name, and what it says.

    Args:
        classifier: Taught.
        whole: With its trunk.

    Raises:
        ModelError: Its head is no linear one, or the network cannot be built again by its name, so
            that a file with its trunk would be of no use.
    """
    facts = facts_of(classifier, whole=whole)
    head = classifier.head
    assert isinstance(head, LinearHead), "see facts_of"
    found = {"head.weight": head.weight, "head.bias": head.bias}
    if whole:
        trunk = classifier.trunk
        named = names_in_trunk(trunk if not facts.layout else trunk.get_submodule("trunk"))
        found |= {f"{_TRUNK}{name}": tensor for name, tensor in named.items()}
        shape = blank_pixels(classifier).shape
        pixels = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        try:
            built = _build(facts, named)
        except ModelError as exc:
            raise _unbuildable(facts, str(exc)) from exc
        ours, theirs = trunk.forward(pixels), built.forward(pixels)
        if ours.shape != theirs.shape and not facts.layout:
            facts = replace(facts, layout=("last", ours.shape[1]))
            theirs = theirs.permute(0, 3, 1, 2)
        if ours.shape != theirs.shape or not torch.allclose(ours, theirs, 1e-4, 1e-4):
            raise _unbuildable(facts, "built again by its name it computes something else")
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in found.items()}
    return plain, facts


@short_lived_thread
@torch.no_grad()
def load_taught(
    path: Path, facts: TaughtFacts, name: str, load: Callable[[str, str], Classifier]
) -> Classifier:
    """Load a taught classifier.

    Args:
        path: The file.
        facts: What it says.
        name: The network, or the file of weights, that the user names; empty if none.
        load: Loads the network of such a name at a layer, for a file that has the head only.

    Raises:
        ModelError: The file is damaged, the user names another network, or the trunk is not the one
            that was taught.
    """
    if not facts.whole:
        _refuse_unnamed(path, facts, name)
        return put_head(path, facts, load(name or facts.network, facts.layer))
    if name not in ("", facts.network):
        cause = f"it is a whole network by itself, taught on {facts.network} and not on {name}"
        raise ModelError(WHAT, str(path), cause, "Leave out --model")
    tensors = read_tensors(path)
    head = _head(path, facts, tensors)
    named = {
        key.removeprefix(_TRUNK): each for key, each in tensors.items() if key.startswith(_TRUNK)
    }
    try:
        trunk = _build(facts, named)
    except ModelError as exc:
        raise ModelError(WHAT, str(path), f"its trunk cannot be built: {exc}") from exc
    taught = Classifier(
        name=facts.network,
        layer=facts.layer,
        labels=facts.labels,
        preprocessing=facts.preprocessing,
        trunk=trunk,
        head=head,
        weights_origin=_origin(path, facts),
        output=SOFTMAX,
        notes=_notes(path, facts),
    )
    if hash_of_trunk(taught) != facts.trunk:
        raise ModelError(WHAT, str(path), "its trunk is damaged", "Save it again")
    return _checked(path, taught)


def put_head(path: Path, facts: TaughtFacts, base: Classifier) -> Classifier:
    """Put the head of a file onto the trunk that it was taught on.

    Args:
        path: The file.
        facts: What it says.
        base: The network, cut at the same layer; its trunk is shared.

    Raises:
        ModelError: The file is damaged, or the trunk is another one.
    """
    head = _head(path, facts, read_tensors(path))
    if hash_of_trunk(base) != facts.trunk:
        known = f"{facts.network} with {facts.origin or 'weights of its own'}, at {facts.layer}"
        this = f"{base.name} with {_TAUGHT.sub('', base.weights_origin)}, at {base.layer}"
        cause = f"it is a head for {known}, and this is {this}"
        raise ModelError(WHAT, str(path), cause, _step(facts))
    preprocessing = facts.preprocessing
    wanted = len(preprocessing.planes)
    if wanted != len(base.preprocessing.planes):
        raise ModelError(WHAT, str(path), "its pictures have other channels", "Save it again")
    base = replace(base, preprocessing=preprocessing)
    taught = with_linear_head(
        base,
        head.weight,
        head.bias,
        facts.labels,
        origin=_origin(path, facts),
        notes=_notes(path, facts),
    )
    return _checked(path, taught)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file; those of fractions are float32.

    Raises:
        ModelError: It cannot be read, or holds values that are not finite.
    """
    found = {}
    for name, tensor in read_content(path).items():
        if isinstance(tensor, Tensor):
            if not bool(tensor.double().sum().isfinite()):
                cause = f"its tensor {name!r:.80} holds values that are not finite"
                raise ModelError(WHAT, str(path), cause, "Save it again")
            found[name] = tensor.float() if tensor.is_floating_point() else tensor
    return found


def _refuse_unnamed(path: Path, facts: TaughtFacts, name: str) -> None:
    """Refuse a head before anything is downloaded for it that cannot be its trunk.

    Raises:
        ModelError: It goes with weights that the name of the network does not bring.
    """
    if not facts.has_name and (facts.origin == GIVEN_MODULE or not Path(name).is_file()):
        cause = f"it is a head without its trunk, {facts.network} with {facts.origin}"
        raise ModelError(WHAT, str(path), cause, _step(facts))


def _step(facts: TaughtFacts) -> str:
    if facts.origin == GIVEN_MODULE:
        return "Put it on in Python: lg.load_taught(path, classifier)"
    return "Give what it was taught on, its name or its file of weights, as --model"


def _origin(path: Path, facts: TaughtFacts) -> str:
    return f"{FILE}{path}, {taught_origin(len(facts.labels), facts.origin or facts.network)}"


def _notes(path: Path, facts: TaughtFacts) -> tuple[str, ...]:
    if facts.view == "full":
        return (f"{path.name} was taught on whole pictures: --view full shows it the same",)
    return ()


def _head(path: Path, facts: TaughtFacts, tensors: Mapping[str, Tensor]) -> LinearHead:
    weight, bias = tensors.get("head.weight"), tensors.get("head.bias")
    count = len(facts.labels)
    if weight is None or bias is None or weight.ndim != 2 or tuple(bias.shape) != (count,):
        raise ModelError(WHAT, str(path), "its head is damaged", "Save it again")
    if len(weight) != count:
        raise ModelError(WHAT, str(path), f"its head is not one of {count} classes")
    head: LinearHead = LinearHead(weight.float(), bias.float()).eval()
    return head


@short_lived_thread
@torch.no_grad()
def _checked(path: Path, taught: Classifier) -> Classifier:
    """Return the classifier, whose trunk runs and has the features that its head reads.

    Raises:
        ModelError: It does not.
    """
    head = taught.head
    assert isinstance(head, LinearHead), "it is made of one"
    try:
        values = taught.trunk.forward(blank_pixels(taught))
    except Exception as exc:  # a layout or a size that is not the network's, in torch's words
        cause = f"its trunk does not run ({str(exc).partition(chr(10))[0]:.120})"
        raise ModelError(WHAT, str(path), cause, "Save it again") from exc
    if values.ndim != 4 or values.shape[1] != head.weight.shape[1]:
        cause = f"its head reads {head.weight.shape[1]} features, and its trunk has other ones"
        raise ModelError(WHAT, str(path), cause, "Save it again")
    return taught


def _layout(facts: TaughtFacts) -> nn.Module | None:
    match facts.layout:
        case ("tokens", int(channels), int(prefix), int(rows), int(columns)):
            return PatchGrid(channels, prefix, (rows, columns))
        case ("last", int(channels)):
            return ChannelsToFront(channels)
    return None


def _build(facts: TaughtFacts, tensors: Mapping[str, Tensor]) -> nn.Module:
    channels = len(facts.preprocessing.planes)
    trunk = build_trunk(
        facts.network, facts.layer, tensors, facts.preprocessing.input_size, channels
    )
    layout = _layout(facts)
    return trunk if layout is None else with_layout(trunk, layout)


def _unbuildable(facts: TaughtFacts, cause: str) -> ModelError:
    step = "Save the head only (--head-only), and keep the network beside it"
    return ModelError(f"cannot build the trunk of {facts.network} again", "", cause, step)
