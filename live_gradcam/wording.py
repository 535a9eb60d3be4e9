"""Figures and hints as people read them, the same in the window, on the page and in reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"
MOMENT = "One moment, please \N{HORIZONTAL ELLIPSIS}"
"""What people read who wait for something that they have no use for knowing."""

FIGURES: Mapping[str, str] = {
    "under": "under {figure}",
    "over": "over {figure}",
    "between": ", ",
    "last": "{some} and {last}",
}
"""Words of figures and lists in running text."""

# Sums of shares in float32 miss 0 and 1 by no more.
_ROUNDING = 1e-6


def percent(share: float, *, in_words: bool = False, digits: int = 0) -> str:
    """Format a probability or a share in percent, e.g. ``93 %``.

    Never ``100 %`` or ``0 %`` for what is neither.

    Args:
        share: In 0..1, but for rounding errors; anything else becomes ``?``.
        in_words: For running text: ``under 1 %``, with a space that no line breaks at.
        digits: Behind the point, for tables of means.
    """
    if not -_ROUNDING <= share <= 1.0 + _ROUNDING:
        return "?"
    least, rounded = 10.0**-digits, f"{abs(share) * 100:.{digits}f}"
    if 0.0 < share < 1.0 and float(rounded) == 0.0:
        text = _beyond("under", "<", f"{least:.{digits}f} %", in_words=in_words)
    elif 0.0 < share < 1.0 and float(rounded) == 100.0:
        text = _beyond("over", ">", f"{100 - least:.{digits}f} %", in_words=in_words)
    else:
        text = f"{rounded} %"
    return text.replace(" %", f"{_SPACE}%") if in_words else text


def _beyond(word: str, sign: str, figure: str, *, in_words: bool) -> str:
    return FIGURES[word].format(figure=figure) if in_words else f"{sign}{figure}"


def listed(parts: Sequence[str]) -> str:
    """Join names as they are said: ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return FIGURES["last"].format(some=FIGURES["between"].join(parts[:-1]), last=parts[-1])


def points(difference: float) -> str:
    """Format a difference of shares in whole percentage points, e.g. ``31 points``."""
    rounded = _whole(difference)
    return f"{_signed(rounded, plus='')} point{'' if abs(rounded) == 1 else 's'}"


def signed_points(difference: float) -> str:
    """Format a change of a share in whole percentage points with its sign, e.g. ``+31``."""
    return _signed(_whole(difference), plus="+") if _whole(difference) else "±0"


def change_in_points(before: float, after: float) -> str:
    """Format how a share changed, as whoever reads both in whole percent would work it out.

    Args:
        before: In 0..1.
        after: In 0..1.
    """
    return signed_points((_whole(after) - _whole(before)) / 100)


def _whole(share: float) -> int:
    """Round as `percent` does."""
    return int(f"{share * 100:.0f}")


def _signed(whole: int, *, plus: str) -> str:
    return f"{_MINUS if whole < 0 else plus}{abs(whole)}"


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


def change_in_strength(before: float, after: float, *, is_share: bool) -> str:
    """Format how strongly a class is predicted more or less; as `change_in_points`, or a number."""
    if is_share:
        return change_in_points(before, after)
    return f"{'+' if after > before else ''}{number(after - before)}"


def did_you_mean(text: str, known: Iterable[str], *, prefix: str = "") -> str:
    """The question after a name that does not exist: ``Did you mean magma? ``, or nothing.

    Args:
        text: The name as it was typed.
        known: Every name that exists.
        prefix: What stands before each of them where it is typed.
    """
    near = get_close_matches(text.lower(), known, 3, 0.5)
    return f"Did you mean {' or '.join(prefix + each for each in near)}? " if near else ""


def install_step(extra: str) -> str:
    """Return the step that brings the optional packages of an extra, such as ``fast``."""
    return (
        f'Install it with: pip install "live-gradcam[{extra}]", in a clone pip install ".[{extra}]"'
    )
