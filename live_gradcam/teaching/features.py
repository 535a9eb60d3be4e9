"""The trunk's pooled features of images: what a head is taught on.

A forward of the trunk gives the features and the maps that they are the means of. From both, any
head on this trunk gives scores and evidence without another forward.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from live_gradcam.choices import (
    DEFAULT_DEVICE,
    DEFAULT_VIEW,
    CompileChoice,
    EngineChoice,
    PrecisionChoice,
    View,
)
from live_gradcam.closeable import Closeable
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import Selection
from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.runtime import Runtime, choose_runtime
from live_gradcam.explain.export.worker import GraphExporter
from live_gradcam.explain.frame_plan import plan_frame, prepare_batch
from live_gradcam.explain.methods import require_method
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.explain.pooled import hash_of_trunk, pooled_classifier
from live_gradcam.preprocessing.plan import FramePlan
from live_gradcam.values import Image, Region

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class FrameFeatures:
    """What the trunk makes of one image.

    Attributes:
        pooled: Mean of each channel, float32 ``(C,)``.
        maps: Contributions to these means, float32 ``(C, h, w)``: ``maps.sum((1, 2)) == pooled``.
        pixels: What the network was shown, ``uint8 (H, W, 3)``, BGR.
        region: Where that lies in the image.
        milliseconds: Time that it took, with the preprocessing.
    """

    pooled: NDArray[np.float32]
    maps: NDArray[np.float32]
    pixels: Image
    region: Region
    milliseconds: float = 0.0


class FeatureExtractor(Closeable):
    """Runs a classifier's trunk. A context manager; many threads may share one.

    Whatever is taught, the network that runs stays the same: nothing is compiled or exported again
    when a head is put onto it.

    Args:
        classifier: Its trunk is run; its own head is not used.
        device: As for `live_gradcam.Explainer`.
        precision: As for `live_gradcam.Explainer`.
        compile: As for `live_gradcam.Explainer`.
        engine: As for `live_gradcam.Explainer`.
        view: Part of an image that the network is shown unless a call says otherwise.
        on_notice: Called with a sentence for each thing that differs from what was asked for.

    Raises:
        ModelError: The trunk has no maps of one layer, see `pooled.layout_of`.
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
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self.classifier = classifier
        self.view: View = view
        pooled = pooled_classifier(classifier)
        self._every: Selection = tuple(range(pooled.class_count))
        runtime = choose_runtime(device, precision, compile, engine)
        notice = on_notice or _logger.info
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
        self._trunk_hash = ""

    @property
    def count(self) -> int:
        """Number of features."""
        return len(self._every)

    @property
    def runtime(self) -> Runtime:
        """Everything about how the trunk runs at the moment, and why."""
        return self._runner.runtime

    @property
    def preferred_batch_size(self) -> int:
        """Number of images that are worth handing over together."""
        return self._runner.preferred_batch

    @property
    def trunk_hash(self) -> str:
        """SHA-256 of the trunk's numbers, in hexadecimal digits."""
        self._trunk_hash = self._trunk_hash or hash_of_trunk(self.classifier)
        return self._trunk_hash

    def extract(self, images: Sequence[Image], *, view: View | None = None) -> list[FrameFeatures]:
        """Run the trunk on images of any sizes, several in one forward.

        Args:
            images: ``uint8 (H, W, 3)``, BGR; not modified.
            view: Part of the images that the network is shown; ``None`` for the extractor's own.

        Raises:
            DeviceError: The device failed, or has too little memory.
        """
        shown = self.view if view is None else view
        preprocessing = self.classifier.preprocessing
        plans = [plan_frame(*each.shape[:2], preprocessing, shown) for each in images]
        found: list[FrameFeatures] = []
        for part in self._parts(plans):
            began = time.perf_counter()
            pixels = prepare_batch(images[part], plans[part])
            found += self._run(pixels, [each.region for each in plans[part]], began)
        return found

    def extract_pixels(self, pixels: Sequence[Image]) -> NDArray[np.float32]:
        """Return the pooled features ``(N, C)`` of images that have the network's size already."""
        if not pixels:
            return np.zeros((0, self.count), np.float32)
        stacked = torch.from_numpy(np.stack(pixels))
        height, width = pixels[0].shape[:2]
        regions = [Region(0, 0, width, height)] * len(pixels)
        found = self._run(stacked, regions, time.perf_counter())
        return np.stack([each.pooled for each in found])

    def close(self) -> None:
        """End the compiler and other engines, if they run. Idempotent."""
        self._runner.close()

    def _run(
        self, pixels: torch.Tensor, regions: Sequence[Region], began: float
    ) -> list[FrameFeatures]:
        result = self._runner.run(pixels, self._every)
        pooled, maps, shown = result.logits.numpy(), result.evidence.numpy(), pixels.numpy()
        each_took = 1000.0 * (time.perf_counter() - began) / len(regions)
        return [
            FrameFeatures(pooled[index], maps[index], shown[index], region, each_took)
            for index, region in enumerate(regions)
        ]

    def _parts(self, plans: Sequence[FramePlan]) -> Iterator[slice]:
        """Cut runs of neighbours with one input size into forwards."""
        start = 0
        while start < len(plans):
            height, width = plans[start].height, plans[start].width
            stop = start + 1
            while stop < len(plans) and (plans[stop].height, plans[stop].width) == (height, width):
                stop += 1
            while start < stop:
                batch = self._runner.next_batch(stop - start, height, width)
                yield slice(start, start + batch)
                start += batch
