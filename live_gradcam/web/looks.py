"""What the network makes of a camera's frame: the shown map, those of a spot, and whose classes."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from live_gradcam.protocol import BatchExplainer
from live_gradcam.values import Explanation, Image
from live_gradcam.web.engine import SharedEngine, VisitorExplainer
from live_gradcam.web.settings import ViewSettings, explainer_key


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the network makes of a frame.

    Attributes:
        shown: With the map that is shown.
        maps: With those that a spot is asked about, the shown one among them.
        labels: Of all classes that it could have said.
        explainer: Explains other images in the same way, cheaply: for the removal test.
    """

    shown: Explanation
    maps: Explanation
    labels: tuple[str, ...]
    explainer: BatchExplainer


class Looker(Protocol):
    """Whatever explains a camera's frames."""

    def check(self, settings: ViewSettings) -> None:
        """Refuse settings before anything is done.

        Raises:
            UsageError: The class or the method is unknown.
        """

    async def look(self, visitor: str, image: Image, settings: ViewSettings, *, ask: bool) -> Look:
        """Explain a frame.

        Args:
            visitor: Whose turn in the engine it takes.
            image: ``uint8 (H, W, 3)`` BGR.
            settings: Values of the controls; the layer is always the page's own.
            ask: A spot is asked about the classes.

        Raises:
            LiveGradcamError: It cannot be explained.
        """


class NetworkLooker:
    """Explains frames by the page's own network.

    Args:
        engine: Shared by all visitors.
    """

    def __init__(self, engine: SharedEngine) -> None:
        self._engine = engine

    def check(self, settings: ViewSettings) -> None:
        """As `Looker.check`."""
        settings.class_index(self._engine.pool.classifier)
        explainer_key(self._engine.pool, method=settings.method)

    async def look(self, visitor: str, image: Image, settings: ViewSettings, *, ask: bool) -> Look:
        """As `Looker.look`."""
        pool = self._engine.pool
        wanted = settings.class_index(pool.classifier)
        key = explainer_key(pool, method=settings.method)

        submit = partial(self._engine.submit, visitor, image, view=settings.view, key=key)
        # The network's own layer is cut already: this needs no turn.
        every = "all" if ask and pool.all_maps_are_cheap(key) else None
        if not ask:
            shown = maps = await _found(submit(classes=wanted))
        elif wanted is None:
            maps = await _found(submit(classes=every or "top"))
            shown = maps.with_classes([maps.predictions[0].class_index])
        else:
            # How likely an unlikely class is, is known only where it is asked for by itself.
            shown = await _found(submit(classes=wanted))
            listed = [each.class_index for each in shown.predictions]
            maps = await _found(submit(classes=every or listed))
        cheapest = pool.key(method="gradcam")
        explainer = VisitorExplainer(self._engine, f"removal {visitor}", settings.view, cheapest)
        return Look(shown, maps, pool.classifier.labels, explainer)


async def _found(future: Future[Explanation]) -> Explanation:
    return await asyncio.wrap_future(future)
