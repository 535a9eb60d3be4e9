"""Which name was meant by a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


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
