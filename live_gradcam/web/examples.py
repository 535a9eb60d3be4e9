"""Examples that the loaded network knows: generated, so that they are ours, and asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from live_gradcam.errors import LiveGradcamError
from live_gradcam.protocol import BatchExplainer
from live_gradcam.scenes import SCENE_CLASSES, render_scene
from live_gradcam.values import Image
from live_gradcam.web.drawings import DRAWINGS

_MOST = 4
_SURE = 0.5
_WIDTH, _HEIGHT = 640, 480
# Seed and number of objects: with several objects, each of the best classes has a map of its own.
_SCENES = ((2, 3), (9, 2), (7, 2), (3, 1), (10, 3), (8, 1), (4, 1), (5, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A picture that the network knows.

    Attributes:
        name: What it shows.
        image: ``uint8 (H, W, 3)`` BGR.
    """

    name: str
    image: Image


def find_examples(
    explainer: BatchExplainer, labels: Sequence[str], *, most: int = _MOST
) -> list[Example]:
    """Choose generated pictures that a network gets right, and is sure about.

    Args:
        explainer: Asked about each picture.
        labels: Labels of its classes.
        most: Largest number of examples.

    Returns:
        The best ones first; none where nothing that can be generated is among the labels, or where
        the network knows none of it.
    """
    found: list[Example] = []
    for names, make in _candidates(labels):
        image = make()
        try:
            best = explainer.explain_batch([image])[0].predictions[0]
        except LiveGradcamError:  # whoever gives it a picture is told why
            return []
        if best.label in names and (best.probability or 0.0) >= _SURE:
            found.append(Example(best.label, image))
        if len(found) == most:
            break
    return found


def _candidates(labels: Sequence[str]) -> Iterator[tuple[frozenset[str], Callable[[], Image]]]:
    """What a picture shows, and how it is made, for those that the labels have a name for."""
    known = set(labels)
    if known & set(SCENE_CLASSES) == set(SCENE_CLASSES):
        for seed, objects in _SCENES:
            scene = render_scene(seed, width=_WIDTH, height=_HEIGHT, objects=objects)
            shown = frozenset(each.label for each in scene.objects)
            yield shown, lambda image=scene.image: image  # type: ignore[misc]
    by_name = {label.casefold(): label for label in labels}
    for name, make in DRAWINGS:
        if name in by_name:
            yield frozenset((by_name[name],)), make
