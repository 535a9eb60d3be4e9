"""The picture tab's work: one forward, then any class, colour or opacity of a remembered image."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from live_gradcam.errors import UsageError
from live_gradcam.faithfulness.removal import Removal, hottest_area, removal_test
from live_gradcam.faithfulness.verdicts import judge
from live_gradcam.images.geometry import resize
from live_gradcam.native import cv2
from live_gradcam.protocol import ExplainerKey
from live_gradcam.show.options import Hud, MarkedArea
from live_gradcam.show.overlay import draw, paint
from live_gradcam.show.records import record
from live_gradcam.show.votes import Spot, spot_at
from live_gradcam.values import Explanation, Frame, Image, Region
from live_gradcam.web.engine import SharedEngine, VisitorExplainer
from live_gradcam.web.image_cache import CachedImage, ImageCache
from live_gradcam.web.limits import Limits
from live_gradcam.web.settings import ViewSettings, class_choices, explainer_key

TOP = 3
"""Number of classes that the page shows."""

# The test waits for its turns as a visitor does, who has a few at a time.
_AT_ONCE = 2
# So long a better first example is looked for: the page does not answer meanwhile.
_SEARCH_SECONDS = 1.0


class ImageService:
    """Explains images and remembers what it found out about them.

    Args:
        engine: Shared by all visitors.
        limits: Bounds of what is remembered.
    """

    def __init__(self, engine: SharedEngine, limits: Limits) -> None:
        self._engine = engine
        self._classifier = engine.pool.classifier
        self._all_are_cheap: dict[ExplainerKey, bool] = {}
        self._examples: tuple[CachedImage, ...] = ()
        self.cache = ImageCache(limits)

    @property
    def examples(self) -> tuple[CachedImage, ...]:
        """Images of the page itself, which are never forgotten."""
        return self._examples

    def add_examples(
        self,
        examples: Sequence[tuple[Image, str]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember images for all visitors; first comes one where the coloured places decide.

        Where the network takes long, only the first one is tested, and stays the first.

        Args:
            examples: Images and their names.
            clock: Returns monotonic seconds.
        """
        cached = [
            CachedImage(f"example {number}", image, name)
            for number, (image, name) in enumerate(examples)
        ]
        until = clock() + _SEARCH_SECONDS
        for place, each in enumerate(cached):
            if self._decides(each):
                cached.insert(0, cached.pop(place))
                break
            if clock() > until:
                break
        self._examples = tuple(cached)

    def _decides(self, cached: CachedImage) -> bool:
        removal = self.removal(cached, ViewSettings())
        return removal is not None and judge(removal) in ("decides", "counts")

    def take_example(self, place: int, visitor: str) -> CachedImage:
        """Give a visitor an example as their image; what is found out about it is for everybody.

        Raises:
            UsageError: There is no such example.
        """
        if not 0 <= place < len(self._examples):
            raise UsageError("there is no such example")
        example = self._examples[place]
        cached = CachedImage(
            visitor,
            example.image,
            example.name,
            example.token,
            example.explanations,
            example.removals,
        )
        self.cache.put(cached)
        return cached

    def current(self, visitor: str) -> CachedImage | None:
        """The visitor's image: their own or the example they chose, else the first example.

        Raises:
            UsageError: Their own had to make room for others'.
        """
        cached = self.cache.get(visitor)
        if cached is not None:
            return cached
        dropped = self.cache.dropped(visitor)
        for place, example in enumerate(self._examples):
            if dropped in (None, example.token):
                return self.take_example(place, visitor)
        if dropped is None:
            return None
        raise UsageError("cannot show your picture", "", "it is not kept any more", "Give it again")

    def thumbnail(self, place: int, width: int) -> Image:
        """An example without an explanation, in the shape of all thumbnails: 4 to 3."""
        image = self._examples[place].image
        height, own_width = image.shape[:2]
        rows = min(height, own_width * 3 // 4)
        top = (height - rows) // 2
        return resize(image[top : top + rows], width, max(1, width * 3 // 4))

    def find_token(self, token: str) -> CachedImage | None:
        """The image whose addresses have this token."""
        for cached in self._examples:
            if secrets.compare_digest(cached.token.encode(), token.encode()):
                return cached
        return self.cache.find_token(token)

    def open(self, visitor: str, image: Image, name: str) -> CachedImage:
        """Remember a new image; nothing is explained yet."""
        cached = CachedImage(visitor, image, name)
        self.cache.put(cached)
        return cached

    def explain(self, cached: CachedImage, settings: ViewSettings) -> Explanation:
        """Explain one class; a forward only where its map is not there yet.

        Raises:
            LiveGradcamError: The class, the layer or the method is unknown, or the network failed.
        """
        wanted = settings.class_index(self._classifier)
        known = self._maps(cached, settings, wanted)
        return known.with_classes([known.predictions[0].class_index if wanted is None else wanted])

    def explain_top(self, cached: CachedImage, settings: ViewSettings) -> list[Explanation]:
        """Explain each of the most likely classes, best first, as `explain` does."""
        known = self._maps(cached, settings, None)
        return [known.with_classes([each.class_index]) for each in known.predictions[:TOP]]

    def removal(self, cached: CachedImage, settings: ViewSettings) -> Removal | None:
        """The removal test of the shown class, measured once; ``None`` if there is no evidence."""
        explanation = self.explain(cached, settings)
        key = (settings.cache_key, explanation.explained[0])
        if key not in cached.removals:
            # In turns of its own: the test of the last view must not refuse the next view.
            # Only probabilities are asked for, which the cheapest method has as well.
            visitor, cheapest = f"removal {cached.visitor}", self._engine.pool.key(method="gradcam")
            cached.removals[key] = removal_test(
                VisitorExplainer(self._engine, visitor, settings.view, cheapest),
                cached.image,
                self._with_probability(cached, settings, explanation),
                view=settings.view,
                at_once=_AT_ONCE,
            )
        return cached.removals[key]

    def spot(self, cached: CachedImage, settings: ViewSettings, x: float, y: float) -> Spot | None:
        """What one spot says about the classes that have maps: all, where these cost nothing.

        Args:
            cached: The image.
            settings: How it is explained.
            x: Column, 0..1 of the image.
            y: Row, 0..1 of the image.

        Returns:
            ``None`` where the network sees nothing.
        """
        height, width = cached.image.shape[:2]
        known = self._maps(cached, settings, settings.class_index(self._classifier))
        shown = self.explain(cached, settings).explained[0]
        column, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
        return spot_at(known, column, row, shown=shown)

    def record(self, cached: CachedImage, settings: ViewSettings) -> dict[str, Any]:
        """Everything that is known about the image, ready for JSON."""
        explanation = self.explain(cached, settings)
        removal = cached.removals.get((settings.cache_key, explanation.explained[0]))
        extra: dict[str, Any] = {
            "model": self._classifier.name,
            "layer": settings.layer or self._classifier.layer,
            "unit": explanation.unit,
            "view": settings.view,
            "label": explanation.labels[0],
            "evidence": explanation.evidence[0].tolist(),
            "removal": removal.as_record() if removal is not None else None,
        }
        return record(Frame(cached.image, 0, 0.0, cached.name), explanation, extra=extra)

    def _maps(self, cached: CachedImage, settings: ViewSettings, wanted: int | None) -> Explanation:
        """All known maps, those of the most likely classes and of the wanted one among them."""
        known = cached.explanations.get(settings.cache_key)
        if known is None or (wanted is not None and wanted not in known.explained):
            known = self._forward(cached, settings, known, wanted)
            self.cache.grow(cached, settings.cache_key, known)
        return known

    def _forward(
        self,
        cached: CachedImage,
        settings: ViewSettings,
        known: Explanation | None,
        wanted: int | None,
    ) -> Explanation:
        explainer = self._explainer(cached, settings)
        if self._maps_are_cheap(settings):
            return explainer.explain_batch([cached.image], classes="all")[0]
        # Every map is a backward pass through the head: only those that somebody wants to see.
        if known is None:
            known = explainer.explain_batch([cached.image], classes="top")[0]
        if wanted is None or wanted in known.explained:
            return known
        return explainer.explain_batch([cached.image], classes=[*known.explained, wanted])[0]

    def _explainer(self, cached: CachedImage, settings: ViewSettings) -> VisitorExplainer:
        key = explainer_key(self._engine.pool, layer=settings.layer, method=settings.method)
        return VisitorExplainer(self._engine, cached.visitor, settings.view, key)

    def _maps_are_cheap(self, settings: ViewSettings) -> bool:
        pool = self._engine.pool
        key = explainer_key(pool, layer=settings.layer, method=settings.method)
        if key not in self._all_are_cheap:
            # Another layer has to be cut, which traces the network.
            self._all_are_cheap[key] = self._engine.run(
                lambda: pool.all_maps_are_cheap(key)
            ).result()
        return self._all_are_cheap[key]

    def _with_probability(
        self, cached: CachedImage, settings: ViewSettings, explanation: Explanation
    ) -> Explanation:
        """Ask once more where the shown class is too unlikely to be among the predictions."""
        shown = explanation.explained[0]
        if any(each.class_index == shown for each in explanation.predictions):
            return explanation
        explainer = self._explainer(cached, settings)
        predictions = explainer.explain_batch([cached.image], classes=shown)[0].predictions
        known = cached.explanations.get(settings.cache_key)
        if known is not None:
            cached.explanations[settings.cache_key] = replace(known, predictions=predictions)
        return replace(explanation, predictions=predictions)


def draw_overlay(image: Image, explanation: Explanation, settings: ViewSettings) -> Image:
    """Draw an image with its explanation in its own size, with labels and legend: it may go out."""
    return draw(image, explanation, options=settings.overlay_options(top_k=TOP))


def draw_at_width(
    image: Image,
    explanation: Explanation,
    settings: ViewSettings,
    width: int,
    most: int,
    *,
    mark: bool = False,
) -> Image:
    """Draw an image with its explanation for a screen; what is in words stands beside it there.

    Args:
        image: ``uint8 (H, W, 3)`` BGR.
        explanation: Of the image.
        settings: How it is drawn.
        width: Of the result, in pixels.
        most: Longest side of the result, in pixels.
        mark: Mark the hottest area, which the removal test hides.
    """
    height, own_width = image.shape[:2]
    factor = min(width / own_width, most / max(height, own_width))
    size = max(1, round(own_width * factor)), max(1, round(height * factor))
    marked = None
    if mark and explanation.explained and (explanation.evidence[0] > 0).any():
        marked = MarkedArea(hottest_area(explanation.evidence[0]))
    hud, options = Hud(marked=marked), settings.overlay_options()
    return paint(image, explanation, options=options, hud=hud, size=size).image


def draw_map(
    image: Image,
    explanations: Sequence[Explanation],
    place: int,
    settings: ViewSettings,
    *,
    width: int = 480,
) -> Image:
    """Draw what the network saw with one explanation's map, on the colour scale of all of them.

    Args:
        image: ``uint8 (H, W, 3)`` BGR.
        explanations: One for each map.
        place: Of the drawn one among them.
        settings: How it is drawn.
        width: Of the result, in pixels.
    """
    region = explanations[place].region
    left, top = max(0, region.x), max(0, region.y)
    seen = image[top : region.y + region.height, left : region.x + region.width]
    scale = max(float(each.evidence.max(initial=0.0)) for each in explanations)
    options = settings.overlay_options(scale=scale)
    moved = Region(region.x - left, region.y - top, region.width, region.height)
    size = width, max(1, min(2 * width, round(seen.shape[0] * width / seen.shape[1])))
    drawn = replace(explanations[place], region=moved)
    return paint(seen, drawn, options=options, size=size).image


def encode_image(image: Image, suffix: str, *, quality: int = 95) -> bytes:
    """Encode an image as a file.

    Args:
        image: ``uint8 (H, W, 3)`` BGR.
        suffix: ``.png`` or ``.jpg``.
        quality: Of a JPEG file, 0..100.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    return cv2.imencode(suffix, image, options)[1].tobytes()


def likely(explanation: Explanation, labels: tuple[str, ...]) -> dict[str, float]:
    """Probabilities of the most likely classes by label; a label that several share gets an index.

    Where the output is plain numbers, these stand instead.

    Args:
        explanation: Its predictions are taken.
        labels: Labels of all classes.
    """
    choices = class_choices(labels)
    return {choices[each.class_index][0]: each.strength for each in explanation.predictions[:TOP]}
