"""The class that a name means."""

from __future__ import annotations

import operator
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from live_gradcam.errors import UsageError
from live_gradcam.spelling import near_in_spelling

LONGEST_NAME = 80
"""Characters of a name that people give to a class, at most."""

# Joiners inside emoji and of Persian and Indian scripts, which are no trick of a stranger's.
_JOINERS = "\u200c\u200d"
# Categories of Unicode: control and formatting characters, halves of characters, line ends.
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def check_label(name: str, what: str) -> str:
    """Return a name that people give to a class, in any script, as it is kept and compared.

    Blanks around it are left out; what looks the same is the same (Unicode's NFC), as some systems
    spell the names of folders in another way.

    Args:
        name: The name.
        what: What failed if it cannot be one, e.g. ``cannot add a class``.

    Raises:
        UsageError: It is empty, too long, or has line ends or other characters that nobody sees.
    """
    label = unicodedata.normalize("NFC", name).strip()
    if not label:
        raise UsageError(what, "", "its name is empty", "Give it a name")
    if len(label) > LONGEST_NAME:
        cause = f"its name has {len(label)} characters, and at most {LONGEST_NAME} are allowed"
        raise UsageError(what, f"{label[:40]} ...", cause, "Shorten it")
    unseen = [each for each in label if unicodedata.category(each) in _INVISIBLE]
    if any(each not in _JOINERS for each in unseen):
        cause = "its name has characters that cannot be shown in a line"
        raise UsageError(what, ascii(label)[1:-1], cause, "Rename it")
    return label


def find_class(labels: Sequence[str], wanted: str | int) -> int:
    """Return the index of the class that a name or an index means.

    A name matches a whole label, else one of a label's synonyms (``tabby, tabby cat``), else a part
    of exactly one label; case, ``_`` and repeated spaces do not matter.

    Args:
        labels: Of all classes, in order.
        wanted: Name or index.

    Raises:
        UsageError: No class or several classes match.
    """
    if not isinstance(wanted, str):
        return _checked_index(labels, operator.index(wanted), str(wanted))
    name = folded_name(wanted)
    folded = [folded_name(label) for label in labels]
    if name not in folded and name.lstrip("-").isdecimal():
        return _checked_index(labels, int(name), wanted)
    synonyms = [[part.strip() for part in label.split(",")] for label in folded]
    rounds = (
        [index for index, label in enumerate(folded) if label == name],
        [index for index, parts in enumerate(synonyms) if name in parts],
        [index for index, label in enumerate(folded) if name and name in label],
    )
    matches = next((found for found in rounds if found), [])
    if len(matches) == 1:
        return matches[0]
    if matches:
        listed = ", ".join(f"{labels[index]} ({index})" for index in matches[:5])
        more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
        cause = f"{len(matches)} classes match: {listed}{more}"
        raise UsageError("ambiguous class", wanted, cause, "Give the index")
    near = near_in_spelling(
        name, ([label, *parts] for label, parts in zip(folded, synonyms, strict=True))
    )
    hint = " or ".join(f"{labels[index]} ({index})" for index in near)
    step = f"Closest: {hint}" if hint else f"Classes are {_examples(labels)}"
    raise UsageError("unknown class", wanted, f"the network has {len(labels)} classes", step)


def shared_labels(labels: Sequence[str]) -> frozenset[str]:
    """Return the labels that mean several classes to `find_class`, where an index must be given.

    Args:
        labels: Of all classes, in order.
    """
    counts = Counter(folded_name(label) for label in labels)
    return frozenset(label for label in labels if counts[folded_name(label)] > 1)


def class_lookup(labels: Sequence[str]) -> Callable[[str], int | None]:
    """Return a fast and strict function from names to class indices, for labelled data.

    Unlike `find_class` it takes no parts of labels: a folder called ``cat`` is no ``catamaran``.

    Args:
        labels: Of all classes, in order.

    Returns:
        A function from a name to a class index. The name is a whole label, else a synonym, else an
        index; the result is ``None`` where no class or more than one has that name.
    """
    folded = [folded_name(label) for label in labels]
    whole = _unambiguous((label, index) for index, label in enumerate(folded))
    synonyms = _unambiguous(
        (part.strip(), index) for index, label in enumerate(folded) for part in label.split(",")
    )

    def find(name: str) -> int | None:
        wanted = folded_name(name)
        for table in (whole, synonyms):
            if wanted in table:
                return table[wanted]
        index = as_index(wanted)
        return index if index is not None and index < len(labels) else None

    return find


def _unambiguous(pairs: Iterable[tuple[str, int]]) -> dict[str, int | None]:
    table: dict[str, int | None] = {}
    for name, index in pairs:
        table[name] = index if table.get(name, index) == index else None
    return table


def _checked_index(labels: Sequence[str], index: int, wanted: str) -> int:
    if not 0 <= index < len(labels):
        cause = f"the network has {len(labels)} classes, 0 to {len(labels) - 1}"
        raise UsageError("unknown class", wanted, cause, "Give an index in this range or a name")
    return index


def folded_name(name: str) -> str:
    """Return a name without what does not matter in it: case, ``_`` and repeated spaces."""
    return " ".join(name.casefold().replace("_", " ").split())


def as_index(text: str) -> int | None:
    """Return the index that a text is; ``None`` if it is none, or has more than nine digits."""
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 10 else None


def _examples(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:5])
    return f"{shown} and {len(labels) - 5} more" if len(labels) > 5 else shown
