"""Images in, explanations out: one or a batch, from any number of threads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import NDArray

from live_gradcam.choices import (
    DEFAULT_COMPILE,
    DEFAULT_DEVICE,
    DEFAULT_METHOD,
    DEFAULT_PRECISION,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    CompileChoice,
    PrecisionChoice,
    View,
)
from live_gradcam.closeable import Closeable
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.cuda_graphs import Accelerator
from live_gradcam.explain.engine.fused import Selection
from live_gradcam.explain.engine.runner import OutOfMemory, Runner
from live_gradcam.explain.engine.runtime import Runtime, choose_runtime
from live_gradcam.explain.frame_plan import plan_frame, prepare_batch
from live_gradcam.explain.heads import FUSED_UNIT, LinearHead, MultiLayerHead
from live_gradcam.explain.methods import OnForwards, require_method
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.images.read import LoadedImage, from_pillow, load_image
from live_gradcam.preprocessing.plan import FramePlan
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Evidence, Explanation, Image, OutputKind, Prediction
from live_gradcam.wording import did_you_mean

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

_Finish: TypeAlias = "Callable[[], list[Explanation]]"
"""Waits for a part that was begun."""

ImageLike: TypeAlias = "str | Path | PilImage | Image"
"""A file, a PIL image, or ``uint8 (H, W, 3)`` BGR."""

OnError: TypeAlias = Literal["raise", "skip"]
"""What an image that cannot be read does to the others of its batch."""

_logger = logging.getLogger(__name__)


class Explainer(Closeable):
    """Explains images with one classifier on one device. A context manager.

    Keeps nothing of a call beyond it, so many threads may share one. On the CPU it sets the number
    of threads that torch uses in this process.

    Args:
        classifier: Explained; stays as it is.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: Of the network's trunk; ``auto`` takes half precision where the hardware has it.
            Evidence is float32 always.
        compile: ``auto`` compiles beside the running session after some frames, ``on`` waits for
            it at the first one, ``off`` never compiles.
        top_k: Number of classes that are predicted.
        view: Part of an image that the network is shown: ``crop``, what it was trained with,
            mostly the central square; ``stretch``, the whole image squeezed into its input;
            ``full``, the whole image in its own shape, for networks that take any size.
        method: Makes the maps: ``gradcam`` or another name that ``live-gradcam run --help`` lists.
            All run in the same engine and are compiled with it, except Score-CAM, and Ablation-CAM
            where the head has no closed form: those are many forwards for one image.
        on_notice: Called with a sentence for each thing that differs from what was asked for.
        on_forwards: Called with the numbers of masked images of a batch that Score-CAM has put
            through the network, and of all of them.
        accelerator: Captures the network as a graph; the device's own if not given. For devices
            other than CUDA's, and for tests.

    Raises:
        UsageError: An option has a value that does not exist, or the classifier is explained at
            several layers and the method cannot do that.
        DeviceError: The device does not exist, or cannot compute in this precision.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        device: str = DEFAULT_DEVICE,
        precision: PrecisionChoice = DEFAULT_PRECISION,
        compile: CompileChoice = DEFAULT_COMPILE,
        top_k: int = DEFAULT_TOP_K,
        view: View = DEFAULT_VIEW,
        method: str = DEFAULT_METHOD,
        on_notice: Callable[[str], None] | None = None,
        on_forwards: OnForwards | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        if top_k < 1:
            raise UsageError("cannot predict so few classes", str(top_k), "", "Use 1 or more")
        self._view = _checked_view(view)
        self._method = require_method(method, classifier.head)
        fused = isinstance(classifier.head, MultiLayerHead)
        self._unit = FUSED_UNIT if fused else self._method.unit
        self._classifier = classifier
        self._top_k = min(top_k, classifier.class_count)
        runtime = choose_runtime(device, precision, compile)
        on_notice = on_notice or _logger.info
        self._on_notice = on_notice
        for notice in runtime.notices:
            on_notice(notice)
        self._runner = in_short_lived_thread(
            lambda: Runner(
                classifier,
                runtime,
                depth=self._top_k,
                method=self._method,
                on_notice=on_notice,
                on_forwards=on_forwards,
                accelerator=accelerator,
            )
        )
        self._select = lru_cache(maxsize=64)(self._find_selection)
        head = classifier.head if self._method.complete else None
        self._output = classifier.output
        # With another threshold than a half, the larger score is not always the answer.
        self._by_threshold = self._output.name == "binary" and self._output.threshold != 0.5
        self._every_class = tuple(range(classifier.class_count))
        self._bias = head.bias.numpy() if isinstance(head, LinearHead) else None

    @property
    def classifier(self) -> Classifier:
        """The explained classifier."""
        return self._classifier

    @property
    def method(self) -> str:
        """Name of the method that makes the maps."""
        return self._method.name

    @property
    def contrasts(self) -> bool:
        """True if the difference of two classes' maps is the map of the difference."""
        return self._method.contrasts

    @property
    def all_maps_are_cheap(self) -> bool:
        """True if the maps of all classes cost next to nothing beyond that of one."""
        return self._runner.all_maps_are_cheap

    @property
    def runtime(self) -> Runtime:
        """Everything about how the network runs at the moment, and why."""
        return self._runner.runtime

    @property
    def compiled(self) -> bool:
        """True if a compiled network is in use."""
        return self._runner.runtime.compiled

    @property
    def view(self) -> View:
        """Part of an image that the network is shown unless a call says otherwise."""
        return self._view

    @property
    def top_k(self) -> int:
        """Number of classes that are predicted."""
        return self._top_k

    @property
    def preferred_batch_size(self) -> int:
        """Number of images that are worth handing to `explain_batch` together.

        The number that shares a forward is found out while explaining.
        """
        return self._runner.preferred_batch

    def explain(
        self, image: ImageLike, *, classes: ClassChoice = None, view: View | None = None
    ) -> Explanation:
        """Explain one image; see `explain_batch`."""
        return self.explain_batch([image], classes=classes, view=view)[0]

    @overload
    def explain_batch(
        self,
        images: Sequence[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[Explanation]: ...

    @overload
    def explain_batch(
        self,
        images: Sequence[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        on_error: Literal["skip"],
    ) -> list[Explanation | SourceError]: ...

    def explain_batch(
        self,
        images: Sequence[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        on_error: OnError = "raise",
    ) -> list[Explanation] | list[Explanation | SourceError]:
        """Explain images of any sizes, several in one forward.

        Args:
            images: Files, PIL images, or arrays ``uint8 (H, W, 3)`` BGR; none is modified.
            classes: Classes that get a map: ``None`` the top one, ``"top"`` the ``top_k`` best,
                ``"all"`` every class, else names or indices.
            view: Part of the images that the network is shown; ``None`` for the explainer's own.
            on_error: ``raise`` ends the call at an image that cannot be read; ``skip`` puts the
                error in its place and explains the others.

        Returns:
            One explanation for each image, in order; with ``on_error="skip"`` the `SourceError`
            instead where an image cannot be read.

        Raises:
            UsageError: A class, a view or ``on_error`` does not exist.
            SourceError: A file cannot be read, or an array is not an image.
            DeviceError: The device has too little memory even for one image.
        """
        shown = self._view if view is None else _checked_view(view)
        listed = isinstance(classes, Sequence) and not isinstance(classes, str)
        selection = self._select(tuple(classes) if listed else classes)  # type: ignore[arg-type]
        if on_error not in get_args(OnError):
            hint = did_you_mean(str(on_error), get_args(OnError)) or "Use raise or skip"
            raise UsageError("cannot explain", f"on_error={on_error!r}", "", hint)
        frames: list[Image] = []
        errors: dict[int, SourceError] = {}
        for place, image in enumerate(images):
            try:
                frames.append(self._as_frame(image))
            except SourceError as exc:
                if on_error == "raise":
                    raise
                errors[place] = exc
        explained = self._explain_frames(frames, shown, selection)
        if self._by_threshold and (classes is None or classes == "top"):
            count = 1 if classes is None else self._top_k
            explained = [_keep_best(each, count) for each in explained]
        if not errors:
            return explained
        good = iter(explained)
        return [errors[place] if place in errors else next(good) for place in range(len(images))]

    def _explain_frames(
        self, frames: Sequence[Image], shown: View, selection: Selection
    ) -> list[Explanation]:
        preprocessing = self._classifier.preprocessing
        plans = [plan_frame(*frame.shape[:2], preprocessing, shown) for frame in frames]
        found: list[Explanation] = []
        finish: _Finish = list
        for part in self._parts(plans):
            # A device that works by itself computes one part while the next one is resized.
            finish_before, finish = finish, self._begin(frames[part], plans[part], selection)
            found += finish_before()
        return found + finish()

    def close(self) -> None:
        """End the compiler, if it runs. Idempotent; explaining goes on to work."""
        self._runner.close()

    def _as_frame(self, image: ImageLike) -> Image:
        if isinstance(image, (str, Path)):
            return self._noted(load_image(image))
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                cause = f"it is {image.dtype} {image.shape}, not uint8 (H, W, 3)"
                raise SourceError("cannot explain array", "", cause)
            return image
        return self._noted(from_pillow(image))

    def _noted(self, loaded: LoadedImage) -> Image:
        for note in loaded.notes:
            self._on_notice(note)
        return loaded.image

    def _find_selection(self, classes: int | str | tuple[int | str, ...] | None) -> Selection:
        if self._by_threshold and (classes is None or classes == "top"):
            return (0, 1)
        if classes is None:
            return (-1,)
        if classes == "top":
            return tuple(range(-1, -1 - self._top_k, -1))
        if classes == "all":
            return tuple(range(self._classifier.class_count))
        named = classes if isinstance(classes, tuple) else (classes,)
        if not named:
            raise UsageError("cannot explain", "", "no class was named", "Name a class")
        return tuple(self._classifier.class_index(each) for each in named)

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

    def _begin(
        self, frames: Sequence[Image], plans: Sequence[FramePlan], selection: Selection
    ) -> _Finish:
        began = time.perf_counter()
        pixels = prepare_batch(frames, plans)
        prepared = time.perf_counter()
        try:
            pending = self._runner.start(pixels, selection)
        except OutOfMemory as exc:
            return partial(self._explain_halves, frames, plans, selection, exc)
        begun = time.perf_counter()

        def finish() -> list[Explanation]:
            resumed = time.perf_counter()
            try:
                found = pending()
            except OutOfMemory as exc:
                return self._explain_halves(frames, plans, selection, exc)
            network = begun - prepared + time.perf_counter() - resumed
            share = 1000.0 / len(frames)
            timings = MappingProxyType(
                {
                    "preprocess": (prepared - began) * share,
                    "network": network * share,
                    "explain": (prepared - began + network) * share,
                }
            )
            logits, classes, evidence = (part.numpy() for part in found)
            return [
                self._explanation(logits[i], classes[i], evidence[i], plan, timings)
                for i, plan in enumerate(plans)
            ]

        return finish

    def _explain_halves(
        self,
        frames: Sequence[Image],
        plans: Sequence[FramePlan],
        selection: Selection,
        reason: OutOfMemory,
    ) -> list[Explanation]:
        """Explain what does not fit into memory as a whole.

        Raises:
            OutOfMemory: Not even one image fits.
        """
        half = len(frames) // 2
        if half == 0:
            raise reason
        first = self._begin(frames[:half], plans[:half], selection)()
        return first + self._begin(frames[half:], plans[half:], selection)()

    def _explanation(
        self,
        logits: NDArray[np.float32],
        classes: NDArray[np.int64],
        evidence: Evidence,
        plan: FramePlan,
        timings: MappingProxyType[str, float],
    ) -> Explanation:
        finite = bool(np.isfinite(logits).all() and np.isfinite(evidence).all())
        if not finite:
            logits, evidence = np.nan_to_num(logits), np.zeros_like(evidence)
        labels = self._classifier.labels
        explained = tuple(classes.tolist())
        residual = None
        if self._bias is not None and finite:
            first = explained[0]
            residual = abs(float(evidence[0].sum() + self._bias[first] - logits[first]))
        return Explanation(
            predictions=_predict(logits, labels, self._top_k, explained, self._output),
            explained=explained,
            evidence=evidence,
            region=plan.region,
            labels=labels if explained == self._every_class else _labels_of(explained, labels),
            method=self._method.name,
            unit=self._unit,
            class_specific=self._method.class_specific,
            completeness_residual=residual,
            finite=finite,
            timings_ms=timings,
            output=self._output,
        )


def _labels_of(classes: Sequence[int], labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(labels[index] for index in classes)


def _predict(
    logits: NDArray[np.float32],
    labels: Sequence[str],
    top_k: int,
    explained: Sequence[int],
    output: OutputKind,
) -> tuple[Prediction, ...]:
    """Return the best classes with their probability, and those asked for by name; best first."""
    if output.name == "binary":
        best = output.ranking(logits)
        best = best[[rank < top_k or index in explained for rank, index in enumerate(best)]]
    else:
        best = np.argpartition(logits, -top_k)[-top_k:]
        if len(explained) < len(labels):
            best = np.union1d(best, explained)
        best = best[np.argsort(-logits[best], kind="stable")]
    shares = output.probabilities(logits)
    return tuple(
        Prediction(
            index,
            labels[index],
            float(logits[index]),
            None if shares is None else float(shares[index]),
        )
        for index in best.tolist()
    )


def _keep_best(explanation: Explanation, count: int) -> Explanation:
    """Return the maps of the best classes of a binary network, which has those of both sides."""
    best = [each.class_index for each in explanation.predictions[:count]]
    # The two maps are each other's negative, so what is known of one is known of both.
    residual = explanation.completeness_residual
    return replace(explanation.with_classes(best), completeness_residual=residual)


def _checked_view(view: View) -> View:
    if view not in get_args(View):
        raise UsageError("unknown view", str(view), "", f"Choose from {', '.join(get_args(View))}")
    return view
