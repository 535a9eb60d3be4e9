"""The picture tab's memory and its answers: one forward, then any class, colour or opacity."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.choices import View
from live_gradcam.faithfulness.removal import Removal, removal_test
from live_gradcam.native import cv2
from live_gradcam.show.overlay import OverlayOptions, draw
from live_gradcam.show.records import record
from live_gradcam.values import Explanation, Frame, Image, Region
from live_gradcam.web.engine import Seat, SharedEngine
from live_gradcam.web.layers import LayerShelf
from live_gradcam.web.limits import Limits

TOP = 3
"""How many classes the page shows."""

CacheKey: TypeAlias = "tuple[View, str, str]"
"""View, layer and method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the controls say.

    Attributes:
        class_name: The explained class; empty for the most likely one.
        view: What the network is shown.
        layer: The explained layer; empty for the network's own.
        method: What makes the map; empty for the page's own.
        opacity: Of full heat, 0..1.
        colormap: A name in `live_gradcam.show.overlay.COLORMAPS`.
    """

    class_name: str = ""
    view: View = "crop"
    layer: str = ""
    method: str = ""
    opacity: float = 0.6
    colormap: str = "turbo"

    @property
    def question(self) -> CacheKey:
        """What maps depend on beside the class."""
        return (self.view, self.layer, self.method)

    def overlay(self, **changes: Any) -> OverlayOptions:  # noqa: ANN401 - fields of the options
        """The options that the picture is drawn with."""
        return OverlayOptions(colormap=self.colormap, opacity=self.opacity, **changes)


@dataclass(slots=True, eq=False)
class KeptPicture:
    """A visitor's picture and all that is known about it.

    Attributes:
        token: Unguessable; what downloads are asked for with.
        visitor: Whose it is.
        image: ``uint8 (H, W, 3)`` BGR, as it was sent.
        name: The file's name, for records and downloads.
        explanations: By question; with the maps of all classes where they cost nothing.
        removals: By question and class index; ``None`` where there is nothing to test.
    """

    visitor: str
    image: Image
    name: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    explanations: dict[CacheKey, Explanation] = field(default_factory=dict)
    removals: dict[tuple[CacheKey, int], Removal | None] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        maps = sum(explanation.evidence.nbytes for explanation in self.explanations.values())
        return int(self.image.nbytes) + maps


class ImageCache:
    """Remembers one picture for each visitor, up to a number and a size.

    Args:
        limits: How many, and how much memory.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pictures: OrderedDict[str, KeptPicture] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, picture: KeptPicture) -> None:
        """Remember a picture instead of the visitor's last one; the longest unused ones go."""
        with self._lock:
            self._pictures[picture.visitor] = picture
            self._pictures.move_to_end(picture.visitor)
            self._make_room()

    def weigh(self, picture: KeptPicture) -> None:
        """Make room after a remembered picture has grown."""
        with self._lock:
            if self._pictures.get(picture.visitor) is picture:
                self._make_room()

    def _make_room(self) -> None:
        while len(self._pictures) > 1 and (
            len(self._pictures) > self._limits.pictures
            or sum(each.size_bytes for each in self._pictures.values()) > self._limits.picture_bytes
        ):
            self._pictures.popitem(last=False)

    def of(self, visitor: str) -> KeptPicture | None:
        """The visitor's picture, if it is still remembered."""
        with self._lock:
            picture = self._pictures.get(visitor)
            if picture is not None:
                self._pictures.move_to_end(visitor)
            return picture

    def by_token(self, token: str) -> KeptPicture | None:
        """The picture that a download asks for."""
        with self._lock:
            for picture in self._pictures.values():
                if secrets.compare_digest(picture.token.encode(), token.encode()):
                    return picture
        return None

    def forget(self, visitor: str) -> None:
        """Drop the visitor's picture."""
        with self._lock:
            self._pictures.pop(visitor, None)

    def __len__(self) -> int:
        return len(self._pictures)


class ImageService:
    """Explains pictures and answers questions about them.

    Args:
        engine: Shared by all visitors.
        layers: The classifier, and explainers of its layers.
        limits: Of the page.
    """

    def __init__(self, engine: SharedEngine, layers: LayerShelf, limits: Limits) -> None:
        self._engine = engine
        self._layers = layers
        self._limits = limits
        self.shelf = ImageCache(limits)

    def open(self, visitor: str, image: Image, name: str) -> KeptPicture:
        """Remember a new picture; nothing is explained yet."""
        picture = KeptPicture(visitor, image, name)
        self.shelf.put(picture)
        return picture

    def explain(self, picture: KeptPicture, look: Look) -> Explanation:
        """The explanation of one class; a forward only where its map is not there yet.

        Raises:
            LiveGradcamError: The class, the layer or the method is unknown, or the network failed.
        """
        wanted = self._layers.classifier.class_index(look.class_name) if look.class_name else None
        known = picture.explanations.get(look.question)
        if known is None or (wanted is not None and wanted not in known.explained):
            known = self._forward(picture, look, known, wanted)
            picture.explanations[look.question] = known
            self.shelf.weigh(picture)
        return choose(known, known.predictions[0].class_index if wanted is None else wanted)

    def _forward(
        self, picture: KeptPicture, look: Look, known: Explanation | None, wanted: int | None
    ) -> Explanation:
        seat = self._seat(picture, look)
        if self._layers.is_cheap(look.layer, look.method):
            return seat.explain_batch([picture.image], classes="all", view=look.view)[0]
        # Every map is a backward pass through the head: only those that somebody wants to see.
        if known is None:
            known = seat.explain_batch([picture.image], classes="top", view=look.view)[0]
        if wanted is None or wanted in known.explained:
            return known
        classes = [*known.explained, wanted]
        return seat.explain_batch([picture.image], classes=classes, view=look.view)[0]

    def _seat(self, picture: KeptPicture, look: Look) -> Seat:
        explainer = self._layers.explainer(look.layer, look.method)
        return Seat(self._engine, picture.visitor, look.view, explainer)

    def best(self, picture: KeptPicture, look: Look) -> list[Explanation]:
        """One explanation for each of the most likely classes, best first."""
        self.explain(picture, look)
        known = picture.explanations[look.question]
        return [choose(known, each.class_index) for each in known.predictions[:TOP]]

    def removal(self, picture: KeptPicture, look: Look) -> Removal | None:
        """The removal test of the shown class, measured once; ``None`` if there is no evidence."""
        explanation = self.explain(picture, look)
        key = (look.question, explanation.explained[0])
        if key not in picture.removals:
            explanation = self._with_probability(picture, look, explanation)
            # Only probabilities are asked for, which the cheapest method has as well.
            usual = self._layers.explainer("", "gradcam")
            picture.removals[key] = removal_test(
                Seat(self._engine, picture.visitor, look.view, usual),
                picture.image,
                explanation,
                view=look.view,
                generator=np.random.default_rng(0),  # the same picture, the same numbers
            )
        return picture.removals[key]

    def _with_probability(
        self, picture: KeptPicture, look: Look, explanation: Explanation
    ) -> Explanation:
        """Ask once more where the shown class is too unlikely to be among the predictions."""
        shown = explanation.explained[0]
        if any(each.class_index == shown for each in explanation.predictions):
            return explanation
        seat = self._seat(picture, look)
        asked = seat.explain_batch([picture.image], classes=shown, view=look.view)[0]
        picture.explanations[look.question] = replace(
            picture.explanations[look.question], predictions=asked.predictions
        )
        return replace(explanation, predictions=asked.predictions)

    def overlay(self, picture: KeptPicture, look: Look, *, full_size: bool = False) -> Image:
        """The picture with its explanation, in page size or in its own."""
        explanation = self.explain(picture, look)
        if full_size:
            return draw(picture.image, explanation, options=look.overlay(top_k=TOP))
        image, explanation = shrink(picture.image, explanation, self._limits.shown_side)
        return draw(image, explanation, options=look.overlay(top_k=TOP))

    def maps(self, picture: KeptPicture, look: Look, *, side: int = 480) -> list[Image]:
        """What the network saw, with the map of each of the most likely classes, on one scale."""
        explanations = self.best(picture, look)
        region = explanations[0].region
        seen = picture.image[
            max(0, region.y) : region.y + region.height, max(0, region.x) : region.x + region.width
        ]
        scale = max(float(each.evidence.max(initial=0.0)) for each in explanations)
        pictures = []
        for each in explanations:
            whole = replace(each, region=Region(0, 0, seen.shape[1], seen.shape[0]))
            image, whole = shrink(seen, whole, side)
            options = look.overlay(scale=scale, show_labels=False, show_legend=False)
            pictures.append(draw(image, whole, options=options))
        return pictures

    def record(self, picture: KeptPicture, look: Look) -> dict[str, Any]:
        """What is known about the picture, ready for JSON."""
        explanation = self.explain(picture, look)
        removal = picture.removals.get((look.question, explanation.explained[0]))
        classifier = self._layers.at(look.layer)
        extra: dict[str, Any] = {
            "model": classifier.name,
            "layer": classifier.layer,
            "unit": explanation.unit,
            "view": look.view,
            "label": explanation.labels[0],
            "evidence": explanation.evidence[0].tolist(),
            "removal": removal.as_record() if removal is not None else None,
        }
        return record(Frame(picture.image, 0, 0.0, picture.name), explanation, extra=extra)


def choose(explanation: Explanation, class_index: int) -> Explanation:
    """The same explanation with the map of one class only."""
    place = explanation.explained.index(class_index)
    return replace(
        explanation,
        explained=(class_index,),
        evidence=explanation.evidence[place : place + 1],
        labels=explanation.labels[place : place + 1],
    )


def shrink(image: Image, explanation: Explanation, side: int) -> tuple[Image, Explanation]:
    """Picture and region scaled down so that the longest side fits."""
    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1.0:
        return image, explanation
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    region = explanation.region
    smaller = Region(
        round(region.x * factor),
        round(region.y * factor),
        max(1, round(region.width * factor)),
        max(1, round(region.height * factor)),
    )
    resized: NDArray[np.uint8] = cv2.resize(  # type: ignore[assignment]
        image, size, interpolation=cv2.INTER_AREA
    )
    return resized, replace(explanation, region=smaller)


def likely(explanation: Explanation, labels: tuple[str, ...]) -> dict[str, float]:
    """The most likely classes by label; a label that several classes share gets its index."""
    return {
        f"{each.label} ({each.class_index})"
        if labels.count(each.label) > 1
        else each.label: each.probability
        for each in explanation.predictions[:TOP]
    }
