"""Labels of a data set against the classes of a network: matched, or refused where they disagree.

A label may have names and indices. A name decides; an index beside it must mean the same class, or
one of several of that name. Labels that cannot be those of this network are refused as a whole:
figures about wrong truths would look like any others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from live_gradcam.capture.class_folders import printable
from live_gradcam.class_names import as_index, folded_name
from live_gradcam.errors import SourceError

_WORDNET = re.compile(r"n\d{8}")
# From this share of unknown labels on, the data set is another network's.
_MOSTLY = 0.5


@dataclass(slots=True)
class TruthCheck:
    """Labels of one data set while they are matched.

    Attributes:
        class_labels: Of the network, in order.
        lookup: From a name to the class that it means.
        known: Labels that mean a class.
        unknown: Labels that mean none, and how often.
    """

    class_labels: Sequence[str]
    lookup: Callable[[str], int | None]
    known: set[str] = field(default_factory=set)
    unknown: Counter[str] = field(default_factory=Counter)
    _named: dict[str, set[int]] = field(default_factory=dict)
    _beyond: dict[int, str] = field(default_factory=dict)
    _indices: set[int] = field(default_factory=set)
    _disagreeing: list[tuple[str, str, int, int]] = field(default_factory=list)
    _agreeing: int = 0

    def __post_init__(self) -> None:
        for index, label in enumerate(self.class_labels):
            for name in (label, *label.split(",")):
                self._named.setdefault(folded_name(name), set()).add(index)

    def class_of(self, where: str, names: Sequence[str], indices: Sequence[str] = ()) -> int | None:
        """Return the class of an entry; ``None`` where its label means none.

        Args:
            where: The entry, for messages.
            names: Its names; a number among them is an index, unless a class is called so.
            indices: Its indices.
        """
        index = next((each for each in map(as_index, indices) if each is not None), None)
        for name in names:
            meant = self._meant(name)
            if not meant:
                continue
            self.known.add(name)
            if index is None:
                found = self.lookup(name)
                if found is None:  # several classes are called so, and nothing says which
                    continue
                return found
            if index in meant:
                self._agreeing += 1
                return index
            self._disagreeing.append((where, name, min(meant), index))
            return None
        if names:
            self._miss(names[0])
            return None
        if index is None:
            self._miss(indices[0] if indices else "")
            return None
        return self._by_index(index, str(index))

    def _meant(self, name: str) -> set[int]:
        """Return the classes that a name or a number means."""
        found = self._named.get(folded_name(name))
        if found is not None:
            return found
        index = as_index(name)
        if index is None:
            return set()
        meant = self._by_index(index, name)
        return set() if meant is None else {meant}

    def _by_index(self, index: int, text: str) -> int | None:
        self._indices.add(index)
        if index < len(self.class_labels):
            self.known.add(text)
            return index
        self._beyond.setdefault(index, text)
        return None

    def _miss(self, label: str) -> None:
        self.unknown[label] += 1

    def reason_to_skip(self, label: str) -> str:
        """Return why a label means no class, in a few words."""
        several = len(self._named.get(folded_name(label), ()))
        if several:
            return f"{several} classes are called {printable(label)}: give its index"
        return f"no class is called {printable(label)}"

    def refuse_other_networks(self, where: str) -> None:
        """Refuse a data set whose labels cannot be those of this network.

        Args:
            where: The folder or the table.

        Raises:
            SourceError: Names and indices disagree, an index is beyond the classes, or most labels
                mean no class.
        """
        self.refuse_indices(where)
        distinct = len(self.known) + len(self.unknown)
        if len(self.unknown) > _MOSTLY * distinct:
            raise _unknown_labels(where, list(self.unknown), distinct)

    def refuse_indices(self, where: str) -> None:
        """Refuse indices that cannot be those of this network; as `refuse_other_networks`.

        Raises:
            SourceError: Names and indices disagree, or an index is beyond the classes.
        """
        if self._disagreeing:
            raise self._disagreement(where)
        if self._beyond:
            raise self._out_of_range(where)

    def _disagreement(self, where: str) -> SourceError:
        entry, name, meant, index = self._disagreeing[0]
        count = len(self.class_labels)
        said = (
            f"which is {printable(self.class_labels[index])!r}"
            if index < count
            else "which is none"
        )
        cause = (
            f"{printable(entry)} is called {printable(name)}, class {meant} of this network, but "
            f"has the index {index}, {said} of its {count} classes"
        )
        total = len(self._disagreeing)
        if total > 1:
            cause = f"{cause}; {total} entries disagree"
        from_one = all(each[3] == each[2] + 1 for each in self._disagreeing)
        if from_one and not self._agreeing and total > 1:
            cause = f"{cause}, all by one: the indices count from 1"
        step = "Correct them, leave the column of indices out, or use the network they are for"
        return SourceError("names and indices disagree", where, cause, step)

    def _out_of_range(self, where: str) -> SourceError:
        count, worst = len(self.class_labels), max(self._beyond)
        cause = f"the index {worst} is beyond the network's {count} classes, 0 to {count - 1}"
        if worst == count and 0 not in self._indices:
            step = "Do they count from 1? Count from 0, or give names"
        else:
            step = "Use the network they are for, or give names"
        return SourceError("the labels are not this network's", where, cause, step)


def _unknown_labels(where: str, unknown: Sequence[str], distinct: int) -> SourceError:
    shown = ", ".join(printable(name) for name in unknown[:3])
    cause = f"{len(unknown)} of {distinct} labels mean no class of it, such as {shown}"
    step = (
        "Use the network they are for, give --labels with these names, or leave only pictures of "
        "its classes"
    )
    return SourceError(
        "the labels are not this network's", where, cause, wordnet_step(unknown, step)
    )


_WORDNET_STEP = (
    "They are WordNet's ids: call them by the network's labels or indices, or give --labels with "
    "these ids in the network's order"
)


def wordnet_step(names: Iterable[str], otherwise: str) -> str:
    """Return the next step for names that no class has: another one if they are WordNet's ids."""
    return _WORDNET_STEP if all(_WORDNET.fullmatch(name) for name in names) else otherwise
