"""The trunk's pooled features of images: what a head is taught on.

A forward of the trunk gives the features and the maps that they are the means of. From these, any
head on this trunk, the network's own included, gives scores and evidence without another forward.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from live_gradcam.choices import (
    DEFAULT_DEVICE,
    DEFAULT_METHOD,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    CompileChoice,
    EngineChoice,
    PrecisionChoice,
    View,
)
from live_gradcam.closeable import Closeable
from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.batching import Finish, run_in_parts
from live_gradcam.explain.engine.fused import Selection
from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.runtime import Runtime, choose_runtime
from live_gradcam.explain.engine.timed import begin_timed
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.export.worker import GraphExporter
from live_gradcam.explain.frame_plan import check_view, plan_frame, prepare_batch
from live_gradcam.explain.methods import require_method
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.explain.pooled import hash_of_trunk, layout_of, pooled_classifier
from live_gradcam.image_like import ImageLike
from live_gradcam.images.inputs import TakenImage, take_image
from live_gradcam.preprocessing.plan import FramePlan
from live_gradcam.protocol import ClassChoice
from live_gradcam.teaching.heads import HeadOnMaps
from live_gradcam.values import Explanation, Image, Region

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class FrameFeatures:
    """What the trunk makes of one image.

    Attributes:
        pooled: Mean of each channel, float32 ``(C,)``.
        maps: Contributions to these means, float32 ``(C, h, w)``: ``maps.sum((1, 2)) == pooled``.
        pixels: What the network was shown, ``uint8 (H, W, 3)``, BGR.
        region: Where that lies in the image.
        timings_ms: Duration of each stage in milliseconds, as `live_gradcam.Explanation` has it.
    """

    pooled: NDArray[np.float32]
    maps: NDArray[np.float32]
    pixels: Image
    region: Region
    timings_ms: Mapping[str, float] = field(default_factory=dict)


class FeatureExtractor(Closeable):
    """Runs a classifier's trunk. A context manager; many threads may share one.

    Whatever is taught, the network that runs stays the same: nothing is compiled or exported again
    when a head is put onto it.

    Args:
        classifier: Its trunk is run; its own head by `explain_kept` only.
        device: As for `live_gradcam.Explainer`.
        precision: As for `live_gradcam.Explainer`.
        compile: As for `live_gradcam.Explainer`.
        engine: As for `live_gradcam.Explainer`.
        view: Part of an image that the network is shown unless a call says otherwise.
        top_k: Number of classes that `explain_kept` predicts.
        on_notice: Called with a sentence for each thing that differs from what was asked for.

    Raises:
        ModelError: The trunk has no maps of one layer, see `pooled.layout_of`.
        UsageError: An option has a value that does not exist.
        DeviceError: The device does not exist, or cannot compute in this precision.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        device: str = DEFAULT_DEVICE,
        precision: PrecisionChoice = "fp32",
        compile: CompileChoice = "off",
        engine: EngineChoice = "torch",
        view: View = DEFAULT_VIEW,
        top_k: int = DEFAULT_TOP_K,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self.classifier = classifier
        self.view: View = check_view(view)
        pooled = pooled_classifier(classifier)
        self._every: Selection = tuple(range(pooled.class_count))
        runtime = choose_runtime(device, precision, compile, engine)
        self._on_notice = notice = on_notice or _logger.info
        for each in runtime.notices:
            notice(each)
        self._runner = in_short_lived_thread(
            lambda: Runner(
                pooled,
                runtime,
                depth=pooled.class_count,
                method=require_method("gradcam", pooled.head),
                on_notice=notice,
                exporter=GraphExporter(),
            )
        )
        self._precision = self._runner.runtime.precision
        self._own = lru_cache(maxsize=16)(
            lambda method: HeadOnMaps(classifier, self.count, top_k, method)
        )
        self._trunk_hash = ""

    @classmethod
    def like(
        cls,
        explainer: Explainer,
        classifier: Classifier | None = None,
        *,
        on_notice: Callable[[str], None] | None = None,
    ) -> FeatureExtractor:
        """Make the extractor that goes with a running explainer: on its device, in its engine.

        Making one traces the network: call this from the thread that explains.

        Args:
            explainer: It runs already; stays its owner's.
            classifier: Its trunk is run; ``None`` for the explainer's own.
            on_notice: As for the extractor itself.

        Raises:
            ModelError: As for the extractor itself.
            DeviceError: As for the extractor itself.
        """
        runtime = explainer.runtime
        return cls(
            explainer.classifier if classifier is None else classifier,
            device=runtime.engine_device,
            precision=runtime.precision,
            compile="auto" if explainer.compiled else "off",
            engine=runtime.engine,
            view=explainer.view,
            top_k=explainer.top_k,
            on_notice=on_notice,
        )

    @property
    def count(self) -> int:
        """Number of features."""
        return len(self._every)

    @property
    def runtime(self) -> Runtime:
        """Everything about how the trunk runs at the moment, and why."""
        return self._runner.runtime

    @property
    def compiled(self) -> bool:
        """True if a compiled network is in use."""
        return self._runner.runtime.compiled

    @property
    def preferred_batch_size(self) -> int:
        """Number of images that are worth handing over together."""
        return self._runner.preferred_batch

    @property
    def trunk_hash(self) -> str:
        """SHA-256 of the trunk's numbers, in hexadecimal digits."""
        self._trunk_hash = self._trunk_hash or hash_of_trunk(self.classifier)
        return self._trunk_hash

    @property
    def settings(self) -> Mapping[str, Any]:
        """What an image's features depend on beside the trunk: view, precision, preprocessing."""
        return {
            "view": self.view,
            "precision": self._precision,
            **asdict(self.classifier.preprocessing),
        }

    @property
    def why_not_own(self) -> str:
        """Why `explain_kept` cannot explain by the network's own head; empty if it can."""
        if layout_of(self.classifier) is None:
            return ""
        return "its own head reads more than the maps of the explained layer"

    def extract(self, images: Sequence[Image], *, view: View | None = None) -> list[FrameFeatures]:
        """Run the trunk on images of any sizes, several in one forward.

        Args:
            images: ``uint8 (H, W, 3)``, BGR; not modified.
            view: Part of the images that the network is shown; ``None`` for the extractor's own.

        Raises:
            UsageError: There is no such view.
            DeviceError: The device failed, or has too little memory even for one image.
        """
        shown = self.view if view is None else check_view(view)
        preprocessing = self.classifier.preprocessing
        plans = [plan_frame(*each.shape[:2], preprocessing, shown) for each in images]
        return run_in_parts(
            [(each.height, each.width) for each in plans],
            self._runner.next_batch,
            lambda part: self._begin(images[part], plans[part]),
        )

    def explain_kept(
        self,
        images: Sequence[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        method: str = DEFAULT_METHOD,
    ) -> list[tuple[Explanation, FrameFeatures]]:
        """Explain images by the network's own head, and keep their features: one forward for both.

        Args:
            images: As for `live_gradcam.Explainer.explain_batch`.
            classes: As for `live_gradcam.Explainer.explain`.
            view: As for `extract`.
            method: Makes the maps; one that runs the network no further time.

        Returns:
            For each image its explanation, as `live_gradcam.Explainer` makes it, and its features.

        Raises:
            ModelError: The own head reads more than these maps, see `why_not_own`, or the method
                runs the network again.
            UsageError: There is no such class, view or method.
            SourceError: An image cannot be read.
            DeviceError: The device failed, or has too little memory even for one image.
        """
        if self.why_not_own:
            raise ModelError("cannot explain by kept maps", self.classifier.name, self.why_not_own)
        own = self._own(method)
        own.check(classes)
        return self.explain_taken(own, [take_image(each) for each in images], classes, view)

    def explain_taken(
        self,
        head: HeadOnMaps,
        taken: Sequence[TakenImage],
        classes: ClassChoice,
        view: View | None,
    ) -> list[tuple[Explanation, FrameFeatures]]:
        """Explain images by a head on these features, and keep the features; see `explain_kept`."""
        for note in (note for each in taken for note in each.notes):
            self._on_notice(note)
        kept = self.extract([each.image for each in taken], view=view)
        found = []
        for image, each in zip(taken, kept, strict=True):
            explanation = head.explain(
                each.maps, classes, region=each.region, timings_ms=each.timings_ms
            )
            found.append((replace(explanation, picture=image.picture), each))
        return found

    def extract_pixels(self, pixels: Sequence[Image]) -> NDArray[np.float32]:
        """Return the pooled features ``(N, C)`` of images that have the network's size already.

        Raises:
            DeviceError: The device failed, or has too little memory even for one image.
        """

        def begin(part: slice) -> Finish[NDArray[np.float32]]:
            stacked = torch.from_numpy(np.stack(pixels[part]))
            pending = self._runner.start(stacked, self._every)
            return lambda: list(pending().logits.numpy())

        sizes = [(each.shape[0], each.shape[1]) for each in pixels]
        found = run_in_parts(sizes, self._runner.next_batch, begin)
        return np.stack(found) if found else np.zeros((0, self.count), np.float32)

    def close(self) -> None:
        """End the compiler and other engines, if they run. Idempotent."""
        self._runner.close()

    def _begin(self, images: Sequence[Image], plans: Sequence[FramePlan]) -> Finish[FrameFeatures]:
        pending = begin_timed(self._runner, lambda: prepare_batch(images, plans), self._every)

        def finish() -> list[FrameFeatures]:
            shown, result, timings = pending()
            pooled, maps, pixels = result.logits.numpy(), result.evidence.numpy(), shown.numpy()
            return [
                FrameFeatures(pooled[index], maps[index], pixels[index], plan.region, timings)
                for index, plan in enumerate(plans)
            ]

        return finish
