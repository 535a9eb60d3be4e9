"""Match of a checkpoint's names with a network's, proven by names, shapes and order.

Nothing is taken from lists of prefixes: every tensor whose name ends in one of the network's names
and has its shape is a vote for what stands before, and the prefix that most of the network fits
behind is it. Where no name fits, the network's parts may have been numbered (``nn.Sequential`` of
its children, fastai) or renamed by another library (`foreign_names`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from live_gradcam.explain.networks.foreign_names import RENAMINGS
from live_gradcam.explain.networks.states import is_averaged_name

# Trainers wrap a network, or parts of it, in modules of these names.
_WRAPPERS = frozenset(
    {
        "module",
        "_orig_mod",
        "_forward_module",
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
    }
)

# Of the places whose children are numbered, those with most tensors: the network is among them.
_MOST_PLACES = 6

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A checkpoint's tensors under a network's names.

    Attributes:
        prefix: Part of the file's names before the network's.
        inside: Tensors behind the prefix, under the network's names or their own.
        outside: All other tensors, by their names in the file.
        copies: Prefixes of further complete copies of the network.
        share: Share of the network's body that is there with its shapes, 0..1.
        notes: One sentence for each thing that had to be interpreted.
    """

    prefix: str
    inside: dict[str, Tensor]
    outside: dict[str, Tensor]
    copies: tuple[str, ...] = ()
    share: float = 0.0
    notes: tuple[str, ...] = field(default_factory=tuple)


def match_names(body: Shapes, tensors: Mapping[str, Tensor]) -> Match:
    """Find a network's tensors among those of a checkpoint.

    Args:
        body: Shapes of the network's tensors by name, without its first convolution and its head,
            whose shapes depend on what it was trained for.
        tensors: The checkpoint's.

    Returns:
        The best match, complete or not.
    """
    plain = _unwrapped(body, tensors)
    best = _by_prefix(body, plain)
    if best.share < 1:
        for note, rename in RENAMINGS:
            renamed = rename(plain)
            if renamed is not None:
                found = _by_prefix(body, renamed)
                if found.share > best.share:
                    best = _noted(found, note)
    if best.share < 1:
        best = _by_order(body, plain) or best
    if len(plain) == len(tensors) and plain.keys() != tensors.keys():
        best = _noted(best, f"the wrappers {_wrappers(tensors)} were taken out of the names")
    if best.prefix:
        best = _noted(best, f"the prefix {best.prefix!r} was taken off the names")
    if best.copies:
        others = " and ".join(repr(each) for each in best.copies)
        best = _noted(best, f"it was chosen among copies of the network; {others} was not taken")
    return best


def _noted(match: Match, note: str) -> Match:
    return Match(
        match.prefix,
        match.inside,
        match.outside,
        match.copies,
        match.share,
        (*match.notes, note),
    )


def _unwrapped(body: Shapes, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with wrappers' names taken out of theirs, wherever they stand."""
    own = {part for name in body for part in name.split(".")}
    unwanted = _WRAPPERS - own
    plain = {
        ".".join(part for part in name.split(".") if part not in unwanted): tensor
        for name, tensor in tensors.items()
    }
    return plain if len(plain) == len(tensors) else dict(tensors)


def _wrappers(tensors: Mapping[str, Tensor]) -> str:
    parts = {part for name in tensors for part in name.split(".")}
    return ", ".join(repr(each) for each in sorted(parts & _WRAPPERS))


def _suffixes(name: str) -> Iterator[tuple[str, str]]:
    """Yield a name's ways to be parted into a prefix and the rest, at its dots."""
    start = 0
    while True:
        yield name[:start], name[start:]
        dot = name.find(".", start)
        if dot < 0:
            return
        start = dot + 1


def _by_prefix(body: Shapes, tensors: Mapping[str, Tensor]) -> Match:
    votes: Counter[str] = Counter()
    for name, tensor in tensors.items():
        for prefix, rest in _suffixes(name):
            if body.get(rest) == tuple(tensor.shape):
                votes[prefix] += 1
    most = max(votes.values(), default=0)
    full = [prefix for prefix, count in votes.items() if count == most]
    if not full:
        return Match("", dict(tensors), {})
    # Of complete copies the averaged one: training programs evaluate with it.
    chosen = next((each for each in full if is_averaged_name(each)), full[0])
    copies = [each for each in full if each != chosen] if most > 1 else []
    inside = {n.removeprefix(chosen): t for n, t in tensors.items() if n.startswith(chosen)}
    if not chosen and copies:
        inside = {n: t for n, t in inside.items() if not n.startswith(tuple(copies))}
    outside = {n: t for n, t in tensors.items() if not n.startswith((chosen, *copies))}
    if not chosen:
        outside = {}
    return Match(chosen, inside, outside, tuple(copies), most / max(1, len(body)))


def _children(shapes: Shapes) -> dict[str, dict[str, tuple[int, ...]]]:
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        child, _, rest = name.partition(".")
        groups.setdefault(child, {})[rest] = shape
    return groups


def _by_order(body: Shapes, tensors: Mapping[str, Tensor]) -> Match | None:
    """Match a network whose children were numbered: the same parts, in the same order."""
    wanted = _children(body)
    counts = "num_batches_tracked"
    places = Counter(
        place
        for name in tensors
        for place, rest in _suffixes(name)
        if rest.partition(".")[0].isdecimal()
    )
    for place, _ in places.most_common(_MOST_PLACES):
        numbered = _children(
            {
                name.removeprefix(place): tuple(tensor.shape)
                for name, tensor in tensors.items()
                if name.startswith(place) and not name.endswith(counts)
            }
        )
        numbers = sorted((each for each in numbered if each.isdecimal()), key=int)
        names = _in_order(wanted, {number: numbered[number] for number in numbers})
        if names is not None:
            return _renumbered(place, names, numbers, tensors)
    return None


def _in_order(
    wanted: Mapping[str, Mapping[str, tuple[int, ...]]],
    numbered: Mapping[str, Mapping[str, tuple[int, ...]]],
) -> dict[str, str] | None:
    """Return the number of each child; ``None`` where one is not there."""
    names: dict[str, str] = {}
    rest = iter(numbered.items())
    for child, shapes in wanted.items():
        number = next((number for number, found in rest if dict(found) == dict(shapes)), None)
        if number is None:
            return None
        names[number] = child
    return names


def _renumbered(
    place: str, names: Mapping[str, str], numbers: list[str], tensors: Mapping[str, Tensor]
) -> Match:
    inside, outside = {}, {}
    # What stands before the first of the body's children is the first convolution.
    first = next(iter(names))
    before = [number for number in numbers if int(number) < int(first)]
    names = {**names, **({before[-1]: STEM} if before else {})}
    for name, tensor in tensors.items():
        number, _, rest = name.removeprefix(place).partition(".")
        if name.startswith(place) and number in names:
            inside[f"{names[number]}.{rest}"] = tensor
        else:
            outside[name] = tensor
    note = "the network's parts are numbered in the file: they were matched by order and shapes"
    return Match(place, inside, outside, share=1.0, notes=(note,))


STEM = "(first convolution)"
"""Name of the first convolution in a match by order, where the file has a number only."""
