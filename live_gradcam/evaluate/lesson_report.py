"""The report of what a network was taught: one HTML file, as `live_gradcam.evaluate.report`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from live_gradcam.reports.page import data_uri, open_template
from live_gradcam.teaching.covers import ClassPicture, Shown
from live_gradcam.teaching.learned import Learned
from live_gradcam.wording import percent

# A table of more classes is none that anybody reads: those that are confused most are shown.
_MOST_COLUMNS, _MOST_CONFUSED = 16, 30


@dataclass(frozen=True, slots=True)
class _Pair:
    """A picture of a class, and the same covered, as the page shows them.

    Attributes:
        label: Name of the class.
        images: JPEG as a data URI and what the network says of it, in words.
        is_told: The class is told by its background.
    """

    label: str
    images: tuple[tuple[str, str], ...]
    is_told: bool


def render_lesson(
    learned: Learned, pictures: Iterable[ClassPicture] = (), *, network: str, folder: str
) -> str:
    """Return the report as one page.

    Args:
        learned: What was learned.
        pictures: Of some of the classes.
        network: Name of the network that was taught, and of its layer.
        folder: Name of the folder with the examples.
    """
    told = {each.label for each in learned.classes if each.by_background}
    return open_template("live_gradcam.evaluate", "lesson.html").render(
        learned=learned,
        classes=sorted(learned.classes, key=lambda each: _worst_first(each.accuracy)),
        confusions=learned.confusions(_MOST_CONFUSED),
        matrix=_matrix(learned),
        pairs=[_pair(each, each.label in told) for each in pictures],
        network=network,
        folder=folder,
    )


def _worst_first(accuracy: float | None) -> float:
    return 2.0 if accuracy is None else accuracy


def _matrix(learned: Learned) -> Sequence[tuple[str, Sequence[tuple[int, float]]]]:
    """Return rows of the confusion, with each count's share of its row; none of many classes."""
    if not learned.held_out or len(learned.classes) > _MOST_COLUMNS:
        return []
    totals = np.maximum(learned.confusion.sum(1), 1)
    return [
        (each.label, [(int(count), float(count / totals[row])) for count in learned.confusion[row]])
        for row, each in enumerate(learned.classes)
    ]


def _pair(picture: ClassPicture, is_told: bool) -> _Pair:
    label = picture.label
    images = [(data_uri(picture.whole.image), _said(picture.whole, label))]
    if picture.covered is not None:
        said = f"covered: {_said(picture.covered, label)}"
        images.append((data_uri(picture.covered.image), said))
    return _Pair(label, tuple(images), is_told)


def _said(shown: Shown, label: str) -> str:
    share = percent(shown.share, in_words=True)
    return f"{label} {share}" if shown.says == label else f"{label} {share}, says {shown.says}"
