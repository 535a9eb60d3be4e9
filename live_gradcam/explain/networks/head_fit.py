"""Fit of a network's head to the tensors of a checkpoint: its classes, and its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from live_gradcam.explain.networks.head_chain import Chain, NoChainError, build_chain
from live_gradcam.explain.networks.places import Places, replace_module


@dataclass(frozen=True, slots=True, eq=False)
class HeadFit:
    """A head that was fitted.

    Attributes:
        tensors: Its tensors by the network's names.
        class_count: Number of classes.
        taken: Names of the entries that were taken from beside the network's own.
        notes: One sentence for each thing that had to be interpreted.
    """

    tensors: dict[str, Tensor]
    class_count: int
    taken: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def fit_head(
    network: nn.Module,
    places: Places,
    inside: Mapping[str, Tensor],
    beside: Mapping[str, Mapping[str, Tensor]],
) -> HeadFit:
    """Give a network the head that a checkpoint's tensors have the shapes of.

    Args:
        network: Changed in place.
        places: Where its head is.
        inside: The checkpoint's tensors under the network's names.
        beside: Tensors that belong to no part of the network, grouped by the part that they are
            of in the file; a head may be among them.

    Raises:
        NoChainError: The head is none that can be rebuilt, or there is none, or more than one.
    """
    container, head = places.container, places.head
    expected = _under(container, network.state_dict())
    found = _under(container, inside)
    own = head.removeprefix(container).lstrip(".")
    rest = {n: tuple(t.shape) for n, t in expected.items() if not _belongs(n, own)}
    kept = {n: t for n, t in found.items() if not _belongs(n, own)}
    if head != container and {n: tuple(t.shape) for n, t in kept.items()} == rest and found:
        last = {_rest(n, own): t for n, t in found.items() if _belongs(n, own)}
        fit = _put(network, head, last)
        kept_tensors = {f"{container}.{name}": tensor for name, tensor in kept.items()}
        return HeadFit({**kept_tensors, **fit.tensors}, fit.class_count, notes=fit.notes)
    if found:
        return _put(network, container, found)
    candidates = _heads_beside(network, places, beside)
    if len(candidates) != 1:
        there = " or ".join(repr(each) for each in candidates)
        raise NoChainError(
            f"its head could be {there}" if there else "there is no head in the file"
        )
    name, entries = next(iter(candidates.items()))
    at = head if head == container or not rest else container
    fit = _put(network, at, entries)
    note = f"the head was found as {name!r}"
    taken = frozenset(f"{name}.{each}" for each in beside[name])
    return HeadFit(fit.tensors, fit.class_count, taken, (note, *fit.notes))


def _belongs(name: str, part: str) -> bool:
    return not part or name.startswith(f"{part}.")


def _rest(name: str, part: str) -> str:
    return name.removeprefix(f"{part}.") if part else name


def _under(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{part}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{part}.")
    }


def _heads_beside(
    network: nn.Module, places: Places, beside: Mapping[str, Mapping[str, Tensor]]
) -> dict[str, Mapping[str, Tensor]]:
    features = feature_count(network.get_submodule(places.container))
    found = {}
    for name, entries in beside.items():
        try:
            chain = build_chain(entries)
        except NoChainError:
            continue
        if chain.in_features == features or _is_concatenated(network, places, chain, features):
            found[name] = entries
    return found


def feature_count(head: nn.Module) -> int:
    """Return the number of features that a head reads; 0 where it has no linear layer."""
    first = next((each for each in head.modules() if isinstance(each, nn.Linear)), None)
    return first.in_features if first is not None else 0


def _is_concatenated(network: nn.Module, places: Places, chain: Chain, features: int) -> bool:
    """Return ``True`` for fastai's heads, which read the largest and the mean of all positions."""
    pool = getattr(network, "avgpool", None)
    pooled = isinstance(pool, nn.AdaptiveAvgPool2d) and pool.output_size in (1, (1, 1))
    return pooled and places.head == "fc" and chain.in_features == 2 * features


class ConcatenatedPool(nn.Module):
    """fastai's pooling: the largest value of each channel, then the means, ``(N, 2 C, 1, 1)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Pool maps ``(N, C, h, w)``."""
        largest = nn.functional.adaptive_max_pool2d(x, 1)
        return torch.cat([largest, nn.functional.adaptive_avg_pool2d(x, 1)], 1)


def _put(network: nn.Module, at: str, tensors: Mapping[str, Tensor]) -> HeadFit:
    """Build a head from its tensors and put it into the network."""
    old = network.get_submodule(at)
    weight = tensors.get("weight")
    if (
        isinstance(old, nn.Conv2d)
        and weight is not None
        and weight.shape[1:] == old.weight.shape[1:]
    ):
        return _put_convolution(network, at, old, tensors)
    chain = build_chain(tensors)
    features = feature_count(old)
    notes: list[str] = []
    pool = Places("", at)
    if chain.in_features != features:
        if not _is_concatenated(network, pool, chain, features):
            raise NoChainError(
                f"its head reads {chain.in_features} features, and the network has {features}: "
                f"{chain.text}"
            )
        replace_module(network, "avgpool", ConcatenatedPool())
        notes.append("the head reads largest values and means of the last maps, as fastai's do")
    module: nn.Module = chain.module
    lead = ""
    if not isinstance(old, nn.Linear):
        if not isinstance(old, nn.Sequential):
            raise NoChainError(f"its head is {chain.text}, in place of a {type(old).__name__}")
        if any(isinstance(each, nn.Flatten) for each in old):
            module, lead = nn.Sequential(nn.Flatten(1), module).eval(), "1."
    replace_module(network, at, module)
    if not isinstance(chain.module, nn.Linear):
        assumed = "; ReLU is assumed, shapes do not show activations" if chain.assumed else ""
        notes.append(f"the head was rebuilt from its shapes: {chain.text}{assumed}")
    named = {f"{at}.{lead}{name}": tensor for name, tensor in chain.tensors.items()}
    return HeadFit(named, chain.class_count, notes=tuple(notes))


def _put_convolution(
    network: nn.Module, at: str, old: nn.Conv2d, tensors: Mapping[str, Tensor]
) -> HeadFit:
    """Give a head that is a convolution another number of classes."""
    count = int(tensors["weight"].shape[0])
    if tensors.keys() - {"weight", "bias"} or not count:
        raise NoChainError("its head is a convolution and more")
    with torch.device("meta"):
        new = nn.Conv2d(
            old.in_channels,
            count,
            (old.kernel_size[0], old.kernel_size[1]),
            bias="bias" in tensors,
        )
    replace_module(network, at, new.eval())
    return HeadFit({f"{at}.{name}": tensor for name, tensor in tensors.items()}, count)
