"""A camera's frames in a lesson: explained by what the visitor taught, and taught."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from live_gradcam.choices import DEFAULT_VIEW, View
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.protocol import ClassChoice
from live_gradcam.teaching import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.heads import HeadOnMaps
from live_gradcam.values import Explanation, Image
from live_gradcam.web.engine import SharedEngine
from live_gradcam.web.looks import Look, NetworkLooker
from live_gradcam.web.settings import ViewSettings
from live_gradcam.web.teaching import TeachingService, VisitorLesson

T = TypeVar("T")

_VIEW: View = DEFAULT_VIEW
"""What the network is shown in a lesson: all that it is taught, in the same way."""


@dataclass(frozen=True, slots=True)
class LessonExplainer:
    """One head behind the trunk that all visitors share, in the shape of an explainer.

    Attributes:
        engine: Shared by all visitors.
        visitor: The visitor whose turns are taken.
        extractor: Runs the trunk.
        head: Explains.
    """

    engine: SharedEngine
    visitor: str
    extractor: FeatureExtractor
    head: HeadOnMaps

    def explain(self, frame: FrameFeatures, classes: ClassChoice) -> Explanation:
        """What the head makes of features that are there."""
        return self.head.explain(
            frame.maps, classes, region=frame.region, timings_ms=frame.timings_ms
        )

    def submit(self, image: Image, then: Callable[[FrameFeatures], T]) -> Future[T]:
        """Ask for what is to be made of an image's features, see `SharedEngine.submit_features`."""
        return self.engine.submit_features(self.visitor, image, self.extractor, then, view=_VIEW)

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        """One explanation for each image, in order; the view is always that of lessons."""
        results = [
            self.submit(image, lambda frame: self.explain(frame, classes)) for image in images
        ]
        return [result.result() for result in results]


class LessonLooker:
    """Explains the frames of a lesson, and teaches those of a burst.

    Args:
        service: Of all visitors.
        lesson: The visitor's.
        label: Name of the class that is being shown; ``None`` for none.
        burst: Its number; later ones are higher.
    """

    def __init__(
        self,
        service: TeachingService,
        lesson: VisitorLesson,
        label: str | None = None,
        burst: int = -1,
    ) -> None:
        self._service = service
        self._lesson = lesson
        self._label, self._burst = label, burst

    def check(self, settings: ViewSettings) -> None:
        """As `Looker.check`: a class that is not there any more is none at all."""
        if settings.view != _VIEW or settings.method:
            cause = "what is taught is explained in one way"
            raise UsageError("cannot change the view or the method", "", cause)

    async def look(self, visitor: str, image: Image, settings: ViewSettings, *, ask: bool) -> Look:
        """As `Looker.look`."""
        service, lesson = self._service, self._lesson
        extractor = await service.extractor()
        head = service.head(lesson, extractor)
        if head is None:
            return await self._look_apart(visitor, image, settings, extractor, ask=ask)
        explainer = LessonExplainer(service.engine, visitor, extractor, head)
        held = _class_index(head.classifier, settings.class_name)

        def answer(frame: FrameFeatures) -> tuple[FrameFeatures, Explanation, Explanation]:
            # How likely an unlikely class is, is known only where it is asked for by itself.
            shown = explainer.explain(frame, held)
            if not ask:
                return frame, shown, shown
            listed = [each.class_index for each in shown.predictions]
            every: ClassChoice = "all" if head.all_maps_are_cheap else listed
            return frame, shown, explainer.explain(frame, every)

        frame, shown, maps = await asyncio.wrap_future(explainer.submit(image, answer))
        service.take(lesson, frame, self._label, self._burst)
        removal = LessonExplainer(service.engine, f"removal {visitor}", extractor, head)
        return Look(shown, maps, head.classifier.labels, removal)

    async def _look_apart(
        self,
        visitor: str,
        image: Image,
        settings: ViewSettings,
        extractor: FeatureExtractor,
        *,
        ask: bool,
    ) -> Look:
        """Explain by the network itself, where its own head reads more than the trunk's maps."""
        service = self._service
        future = service.engine.submit_features(
            visitor, image, extractor, lambda frame: frame, view=_VIEW
        )
        if _class_index(service.engine.pool.classifier, settings.class_name) is None:
            settings = replace(settings, class_name="")
        look = await NetworkLooker(service.engine).look(visitor, image, settings, ask=ask)
        frame = await asyncio.wrap_future(future)
        service.take(self._lesson, frame, self._label, self._burst)
        return look


def _class_index(classifier: Classifier, name: str) -> int | None:
    """The index of a class; ``None`` for none, and for one that is not among them (any more)."""
    try:
        return classifier.class_index(name) if name else None
    except UsageError:
        return None
