"""Figures and hints as people read them, the same in the window, on the page and in reports."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"
# Sums of shares in float32 miss 0 and 1 by no more.
_ROUNDING = 1e-6


def percent(share: float, *, in_words: bool = False) -> str:
    """Format a probability or a share in whole percent, e.g. ``93 %``.

    Never ``100 %`` or ``0 %`` for what is neither.

    Args:
        share: In 0..1, but for rounding errors; anything else becomes ``?``.
        in_words: For running text: ``under 1 %``, with a space that no line breaks at.
    """
    if not -_ROUNDING <= share <= 1.0 + _ROUNDING:
        return "?"
    if 0.0 < share <= 0.005:  # a half would be rounded to the even 0
        text = "under 1 %" if in_words else "<1 %"
    elif 0.995 <= share < 1.0:
        text = "over 99 %" if in_words else ">99 %"
    else:
        text = f"{abs(share) * 100:.0f} %"
    return f"{text[:-2]}{_SPACE}%" if in_words else text


def number(value: float) -> str:
    """Format a number that is no share for people, in about four digits, e.g. ``12.5``."""
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"
    return f"{_MINUS}{text[1:]}" if text.startswith("-") else text


def strength(value: float, *, is_share: bool, in_words: bool = False) -> str:
    """Format how strongly a class is predicted: a probability in percent, or a plain number.

    Args:
        value: The probability, or the number.
        is_share: ``True`` for a probability.
        in_words: As for `percent`.
    """
    return percent(value, in_words=in_words) if is_share else number(value)


def did_you_mean(text: str, known: Iterable[str], *, prefix: str = "") -> str:
    """The question after a name that does not exist: ``Did you mean magma? ``, or nothing.

    Args:
        text: The name as it was typed.
        known: Every name that exists.
        prefix: What stands before each of them where it is typed.
    """
    near = get_close_matches(text.lower(), known, 3, 0.5)
    return f"Did you mean {' or '.join(prefix + each for each in near)}? " if near else ""


def edit_distance(one: str, other: str, limit: int) -> int:
    """Count the typing errors between two words: a letter too many, missing, wrong, or two swapped.

    The optimal string alignment distance (Damerau 1964, doi:10.1145/363958.363994).

    Args:
        one: A word.
        other: Another one.
        limit: The largest number of interest.

    Returns:
        The number of errors; ``limit + 1`` where there are more.
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, row, earlier = row, [i], before
        for j, wanted in enumerate(other, 1):
            least = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                least = min(least, earlier[j - 2] + 1)
            row.append(least)
        if min(row) > limit:
            return limit + 1
        before = last
    return min(row[-1], limit + 1)


def near_in_spelling(text: str, names: Iterable[Iterable[str]], count: int = 3) -> list[int]:
    """Find what was probably meant by a misspelt name.

    At most every third letter may be wrong, and what is more than one error further off than the
    best is left out. Of several typed words, one may be the name.

    Args:
        text: As it was typed.
        names: For each thing its names; single words of them count as well, a little less.
        count: The most that is returned.

    Returns:
        Places in ``names``, nearest first; empty where nothing is near.
    """
    wanted = " ".join(text.casefold().split())
    limit = max(1, len(wanted) // 3)
    typed = [word for word in wanted.split() if len(word) > 3 and word != wanted]
    found: list[tuple[float, int]] = []
    if not wanted:
        return []
    for place, several in enumerate(names):
        forms = [name.casefold() for name in several]
        words = [word for name in forms for word in name.split() if len(word) > 2]
        distances = [limit + 1.0]
        distances += [edit_distance(wanted, form, limit) for form in forms]
        distances += [edit_distance(wanted, word, limit) + 0.5 for word in words]
        for part in typed:
            few = len(part) // 6
            near = (edit_distance(part, form, few) for form in forms)
            distances += [distance + 1.0 for distance in near if distance <= few]
        if min(distances) <= limit:
            found.append((min(distances), place))
    found.sort()
    return [place for nearest, place in found if nearest <= found[0][0] + 1][:count]
