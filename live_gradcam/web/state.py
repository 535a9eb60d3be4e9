"""Everything that one page needs, made in one place and closed in the right order."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from typing_extensions import Self

from live_gradcam.explain.classifier import Classifier
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.camera import CameraDesk
from live_gradcam.web.engine import Explains, SharedEngine
from live_gradcam.web.images import ImageService
from live_gradcam.web.layers import LayerShelf, MakeExplainer
from live_gradcam.web.limits import Limits
from live_gradcam.web.videos import VideoDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """What the page's tabs talk to. A context manager.

    Attributes:
        classifier: What the page explains.
        limits: What visitors may ask for.
        cache: Where files lie.
        engine: Shared by all visitors.
        layers: Explainers of the other layers and methods.
        pictures: The picture tab's work.
        cameras: The camera tab's work.
        videos: The video tab's work.
    """

    classifier: Classifier
    limits: Limits
    cache: CacheFolder
    engine: SharedEngine
    layers: LayerShelf
    pictures: ImageService
    cameras: CameraDesk
    videos: VideoDesk

    @classmethod
    def open(
        cls,
        classifier: Classifier,
        explainer: Explains,
        make_explainer: MakeExplainer,
        *,
        method: str = "gradcam",
        limits: Limits | None = None,
    ) -> Self:
        """Make all of it.

        Args:
            classifier: What the page explains.
            explainer: Explains it.
            make_explainer: Makes explainers of the same network at other layers, with other
                methods.
            method: What ``explainer`` makes maps with.
            limits: What visitors may ask for.
        """
        limits = limits or Limits()
        cache = CacheFolder(
            files=limits.cache_files,
            size_bytes=limits.cache_bytes,
            age_seconds=limits.cache_seconds,
        )
        engine = SharedEngine(
            explainer, batch=limits.batch, waiting_per_visitor=limits.waiting_per_visitor
        )
        layers = LayerShelf(classifier, make_explainer, method)
        return cls(
            classifier=classifier,
            limits=limits,
            cache=cache,
            engine=engine,
            layers=layers,
            pictures=ImageService(engine, layers, limits),
            cameras=CameraDesk(engine, layers, limits),
            videos=VideoDesk(engine, layers, limits, cache),
        )

    def close(self) -> None:
        """Stop all work and delete all files. Idempotent."""
        self.videos.close()
        self.engine.close()
        self.cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
