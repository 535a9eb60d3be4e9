"""Copies of a classifier with random weights: a sanity check for explanations.

A map that stays the same when every weight is drawn anew shows the image, not the network
(Adebayo et al., arXiv 1810.03292). `randomize_weights` draws all of them at once,
`cascading_randomization` one part after the other, from the scores down to the first layer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import ClosedFormHead, Head
from live_gradcam.explain.heads.replay import ReplayHead
from live_gradcam.explain.omp import short_lived_thread

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)
_FEWEST_STAGES, _MOST_STAGES = 4, 12


@short_lived_thread
def randomize_weights(classifier: Classifier, *, seed: int = 4) -> Classifier:
    """Return a copy of a classifier with all of its weights drawn at random.

    Args:
        classifier: Not modified.
        seed: Of the random weights.
    """
    trunk, head = _copy_parts(classifier)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in (trunk, head):
            for module in part.modules():
                _draw(module, generator)
    return replace(
        classifier,
        name=f"{classifier.name}, scrambled",
        trunk=trunk,
        head=head,
        weights_origin="random numbers",
        source=None,
    )


def cascading_randomization(
    classifier: Classifier, *, seed: int = 4
) -> Iterator[tuple[str, Classifier]]:
    """Yield copies of a classifier, each with one part more drawn at random, from the head down.

    The cascading randomisation of Adebayo et al., arXiv 1810.03292, section 3.1.

    Args:
        classifier: Not modified.
        seed: Of the random weights.

    Yields:
        The name of the part that was drawn last, and the classifier with all parts drawn so far.
        It shares its weights with the next ones: use it before asking for the next.
    """
    trunk, head = _copy_parts(classifier)
    # A head that runs the whole network again has the trunk's weights, too.
    behind = head.modules_behind() if isinstance(head, ReplayHead) else list(head.modules())
    parts = [("head", behind)]
    parts += reversed(_stages(trunk))
    generator = torch.Generator().manual_seed(seed)
    for index, (name, modules) in enumerate(parts):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed + index)
            for module in modules:
                _draw(module, generator)
        yield (
            name,
            replace(
                classifier,
                name=f"{classifier.name}, scrambled down to {name}",
                trunk=trunk,
                head=head,
                weights_origin="random numbers",
                source=None,
            ),
        )


def count_stages(classifier: Classifier) -> int:
    """Return the number of classifiers that `cascading_randomization` yields."""
    return 1 + len(_stages(classifier.trunk))


def _copy_parts(classifier: Classifier) -> tuple[nn.Module, Head]:
    """Copy both parts at once: what they share stays shared."""
    trunk, head = copy.deepcopy((classifier.trunk, classifier.head))
    return trunk, head


def _stages(trunk: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """Return the parts of a trunk that have weights, in order, at most `_MOST_STAGES` of them."""
    named = [
        (name or "trunk", module)
        for name, module in trunk.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    depth = _depth([name for name, module in named if isinstance(module, _WEIGHTED)])
    groups: dict[str, list[nn.Module]] = {}
    key = ""
    for name, module in named:
        own = ".".join(name.split(".")[:depth])
        # A norm belongs to what stands before it.
        if own in groups or not key or any(isinstance(m, _WEIGHTED) for m in _under(trunk, own)):
            key = own
        groups.setdefault(key, []).append(module)
    stages = list(groups.items())
    step = -(-len(stages) // _MOST_STAGES) if stages else 1
    return [
        (stages[start][0], [module for _, part in stages[start : start + step] for module in part])
        for start in range(0, len(stages), step)
    ]


def _depth(names: Sequence[str]) -> int:
    """Return the number of parts of a name that tells enough parts of the network apart."""
    counts = {
        depth: len({tuple(name.split(".")[:depth]) for name in names}) for depth in range(1, 5)
    }
    enough = (depth for depth, count in counts.items() if count >= _FEWEST_STAGES)
    return next(enough, max(counts, key=lambda depth: counts[depth]))


def _under(trunk: nn.Module, name: str) -> list[nn.Module]:
    return list((trunk if name == "trunk" else trunk.get_submodule(name)).modules())


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of this module, not those of its children."""
    if isinstance(module, (*_WEIGHTED, ClosedFormHead)):
        two_sides = isinstance(module, ClosedFormHead) and module.has_two_sides
        # He et al., arXiv 1502.01852: signals neither die nor explode on their way.
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        if module.bias is not None:
            nn.init.normal_(module.bias, std=0.01, generator=generator)
        if two_sides and module.bias is not None:
            for tensor in (module.weight, module.bias):
                tensor[0] = -tensor[1]
        return
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for parameter in module.parameters(recurse=False):
        # Whatever it is, the same values in another order keep its scale.
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
