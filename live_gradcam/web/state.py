"""Everything behind one page, made in one place and closed in the right order."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Self

from live_gradcam.choices import DEFAULT_METHOD
from live_gradcam.closeable import Closeable
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.pool import ExplainerPool, pool_beside
from live_gradcam.protocol import BatchExplainer
from live_gradcam.teaching import FeatureExtractor
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.camera import CameraService
from live_gradcam.web.engine import SharedEngine
from live_gradcam.web.examples import find_examples
from live_gradcam.web.images import ImageService
from live_gradcam.web.limits import Limits
from live_gradcam.web.teaching import TeachingService
from live_gradcam.web.videos import VideoService


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState(Closeable):
    """Services behind the page's tabs. A context manager.

    Attributes:
        classifier: The explained classifier.
        limits: Bounds of what visitors may ask for.
        cache: Folder of uploaded and made files.
        pool: Explainers of all layers and methods; used in the engine's thread.
        layers: Names of the layers that can be explained, from early to late.
        engine: Shared by all visitors.
        images: Work of the picture tab.
        cameras: Work of the camera tab.
        videos: Work of the video tab.
        lessons: Work of the teach tab.
    """

    classifier: Classifier
    limits: Limits
    cache: CacheFolder
    pool: ExplainerPool[BatchExplainer]
    layers: tuple[str, ...]
    engine: SharedEngine
    images: ImageService
    cameras: CameraService
    videos: VideoService
    lessons: TeachingService

    @classmethod
    def open(
        cls, classifier: Classifier, explainer: Explainer, *, limits: Limits | None = None
    ) -> Self:
        """Make all services.

        Args:
            classifier: The explained classifier.
            explainer: Explains it; stays the caller's. Other layers and methods run as it does.
            limits: Bounds of what visitors may ask for; the usual ones if ``None``.
        """
        limits = limits or Limits()
        pool = pool_beside(explainer)
        # Before anybody else runs the network; the page's own method may be a slow one.
        quick = pool.get(pool.key(method=DEFAULT_METHOD))
        examples = find_examples(quick, classifier.labels)
        layers = pool.layer_names  # traces the network, which nobody runs yet
        cache = CacheFolder(
            files=limits.cache_files,
            size_bytes=limits.cache_bytes,
            age_seconds=limits.cache_seconds,
        )
        engine = SharedEngine(
            pool, batch=limits.batch, waiting_per_visitor=limits.waiting_per_visitor
        )
        images = ImageService(engine, limits)
        images.add_examples([(each.image, each.name) for each in examples])
        return cls(
            classifier=classifier,
            limits=limits,
            cache=cache,
            pool=pool,
            layers=layers,
            engine=engine,
            images=images,
            cameras=CameraService(engine, limits),
            videos=VideoService(engine, limits, cache),
            lessons=TeachingService(engine, limits, lambda: FeatureExtractor.like(explainer)),
        )

    def close(self) -> None:
        """Stop all work and delete all files. Idempotent."""
        self.videos.close()
        self.engine.close()
        self.lessons.close()
        self.pool.close()
        self.cache.close()
