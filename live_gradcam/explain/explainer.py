"""Images in, explanations out: one or a batch, from any number of threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, overload

import numpy as np

from live_gradcam.choices import (
    DEFAULT_COMPILE,
    DEFAULT_DEVICE,
    DEFAULT_ENGINE,
    DEFAULT_METHOD,
    DEFAULT_PRECISION,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    CompileChoice,
    EngineChoice,
    PrecisionChoice,
    View,
)
from live_gradcam.closeable import Closeable
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.explain.class_choice import ClassChooser
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.batching import Finish, run_in_parts
from live_gradcam.explain.engine.cuda_graphs import Accelerator
from live_gradcam.explain.engine.fused import Selection
from live_gradcam.explain.engine.graph_use import MadeGraph
from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.runtime import Runtime, choose_runtime
from live_gradcam.explain.engine.timed import begin_timed
from live_gradcam.explain.export.worker import GraphExporter
from live_gradcam.explain.frame_plan import check_view, plan_frame, prepare_batch
from live_gradcam.explain.methods import OnForwards, require_method
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.explain.results import ExplanationMaker
from live_gradcam.image_like import ColorOrder, ImageLike
from live_gradcam.images.inputs import OnError, TakenImage, take_batch, take_image, with_errors
from live_gradcam.images.parts import RoiLike, cut_part, part_of, put_back
from live_gradcam.preprocessing.plan import FramePlan
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Explanation, Image

_logger = logging.getLogger(__name__)


class Explainer(Closeable):
    """Explains images with one classifier on one device. A context manager.

    Keeps nothing of a call beyond it, so many threads may share one. On the CPU it sets the number
    of threads that torch uses in this process.

    Args:
        classifier: Explained; stays as it is.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; with OpenVINO ``intel-gpu`` or
            ``npu``, with ONNX Runtime ``tensorrt``, ``coreml`` or ``directml``.
        precision: Of the network's trunk; ``auto`` takes half precision where the hardware has it.
            Evidence is float32 always.
        compile: ``auto`` compiles beside the running session after some frames, ``on`` waits for
            it at the first one, ``off`` never compiles, and ``engine="auto"`` is torch then.
        engine: ``torch``, or ``openvino`` or ``onnxruntime`` for the network's exported graph,
            which takes over as soon as it is ready; ``auto`` measures on the first frames which of
            those that are installed is fastest, and keeps the answer in the user's cache.
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
        steady: Numbers of images in a forward and of threads are fixed, not measured, so that the
            last digits of a result do not depend on how busy the machine is.
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
        engine: EngineChoice = DEFAULT_ENGINE,
        top_k: int = DEFAULT_TOP_K,
        view: View = DEFAULT_VIEW,
        method: str = DEFAULT_METHOD,
        on_notice: Callable[[str], None] | None = None,
        on_forwards: OnForwards | None = None,
        steady: bool = False,
        accelerator: Accelerator | None = None,
    ) -> None:
        if top_k < 1:
            raise UsageError("cannot predict so few classes", str(top_k), "", "Use 1 or more")
        self._view = check_view(view)
        self._method = require_method(method, classifier.head)
        self._classifier = classifier
        self._top_k = min(top_k, classifier.class_count)
        runtime = choose_runtime(device, precision, compile, engine)
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
                steady=steady,
                accelerator=accelerator,
                exporter=GraphExporter(),
            )
        )
        self._chooser = ClassChooser(classifier, self._top_k)
        self._maker = ExplanationMaker(classifier, self._method, self._top_k)

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

    @property
    def made_graph(self) -> MadeGraph | None:
        """The network's graph for images of the usual size, where one was made and measured."""
        graphs = self._runner.graphs
        return None if graphs is None else graphs.made(self._classifier.preprocessing.input_size)

    def explain(
        self,
        image: ImageLike,
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        roi: RoiLike | None = None,
    ) -> Explanation:
        """Explain one image.

        Args:
            image: Not modified. One of

                - the path of an image file, as a text or a `pathlib.Path`;
                - an ``http://`` or ``https://`` address: at most 64 MB, 30 seconds and 5
                  redirections; a user and password in it are sent and never shown;
                - the bytes of an image file, or a file object opened for reading bytes;
                - an image of Pillow, of any mode;
                - an array ``(H, W, 3)``, ``(H, W, 4)`` (on white) or ``(H, W)`` (grey): ``uint8``,
                  ``uint16``, ``bool``, other whole numbers in 0..255, or fractions in 0..1; also
                  anything that NumPy makes such an array of;
                - a tensor of torch ``(C, H, W)``, ``(1, C, H, W)`` or ``(H, W)``, on any device,
                  with numbers as in arrays. Fractions outside 0..1 are refused: the explainer
                  normalises by itself;
                - a `live_gradcam.Frame`.
            classes: Classes that get a map: ``None`` the top one, ``"top"`` the ``top_k`` best,
                ``"all"`` every class, else names or indices.
            view: Part of the image that the network is shown; ``None`` for the explainer's own.
            color: Order of the colours in an array or a tensor; ``None`` is ``bgr`` for arrays, as
                in OpenCV, and ``rgb`` for tensors, as in torchvision. Files know theirs.
            roi: The part of the image that is explained, in its full resolution, and that ``view``
                is a part of: a `live_gradcam.Region` or ``(x, y, width, height)`` in pixels, or a
                text such as ``10%,10%,50%,50%``. It is clipped to the image; ``None`` is all.

        Returns:
            The explanation, in place on the whole image. It remembers a file by its path and
            pixels weakly, so that `Explanation.show` and the like need no picture.

        Raises:
            UsageError: A class, a view or a colour order does not exist, or the part is none or
                lies outside of the image.
            SourceError: It is no picture, or cannot be read.
            DeviceError: The device has too little memory.
        """
        shown = self._shown(view)
        self._chooser.selection(classes)  # what is wrong with it is said before anything is read
        taken = take_image(image, color=color)
        part = part_of(taken.image, roi)
        cut = replace(taken, image=cut_part(taken.image, part))
        (explanation,) = self._explain_taken([cut], classes, shown)
        return put_back(explanation, part, taken.picture)

    @overload
    def explain_batch(
        self,
        images: Iterable[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[Explanation]: ...

    @overload
    def explain_batch(
        self,
        images: Iterable[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        on_error: Literal["skip"],
    ) -> list[Explanation | SourceError]: ...

    def explain_batch(
        self,
        images: Iterable[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        on_error: OnError = "raise",
    ) -> list[Explanation] | list[Explanation | SourceError]:
        """Explain images of any sizes, several in one forward.

        Args:
            images: What `explain` takes, several of it, or all as one array ``(N, H, W, 3)`` or
                tensor ``(N, C, H, W)``. None is modified. Arrays are remembered weakly: keep them
                if the explanations are to be shown.
            classes: As for `explain`.
            view: As for `explain`.
            color: As for `explain`.
            on_error: ``raise`` ends the call at an image that cannot be read; ``skip`` puts the
                error in its place and explains the others.

        Returns:
            One explanation for each image, in order; with ``on_error="skip"`` the `SourceError`
            instead where an image cannot be read.

        Raises:
            UsageError: A class, a view, a colour order or ``on_error`` does not exist, or there is
                but one image.
            SourceError: An image cannot be read, or is none.
            DeviceError: The device has too little memory even for one image.
        """
        shown = self._shown(view)
        self._chooser.selection(classes)  # what is wrong with it is said before anything is read
        batch = take_batch(images, color=color, on_error=on_error)
        taken = [each for each in batch if isinstance(each, TakenImage)]
        explained = self._explain_taken(taken, classes, shown)
        return with_errors(batch, explained)

    def network_image(
        self, image: ImageLike, *, view: View | None = None, color: ColorOrder | None = None
    ) -> Image:
        """Return the pixels that the network is shown, before they are normalised.

        Args:
            image: As for `explain`.
            view: As for `explain`.
            color: As for `explain`.

        Returns:
            ``uint8 (h, w, 3)`` BGR, of the size of the network's input.
        """
        frame = take_image(image, color=color, keep=False).image
        preprocessing = self._classifier.preprocessing
        plan = plan_frame(*frame.shape[:2], preprocessing, self._shown(view))
        return np.array(prepare_batch([frame], [plan])[0].numpy())

    def _shown(self, view: View | None) -> View:
        return self._view if view is None else check_view(view)

    def _explain_taken(
        self, taken: Sequence[TakenImage], classes: ClassChoice, shown: View
    ) -> list[Explanation]:
        for note in (note for each in taken for note in each.notes):
            self._on_notice(note)
        images = [each.image for each in taken]
        found = self._explain_frames(images, shown, self._chooser.selection(classes))
        found = self._chooser.keep_chosen(found, classes)
        return [
            replace(explanation, picture=each.picture)
            for explanation, each in zip(found, taken, strict=True)
        ]

    def _explain_frames(
        self, frames: Sequence[Image], shown: View, selection: Selection
    ) -> list[Explanation]:
        preprocessing = self._classifier.preprocessing
        plans = [plan_frame(*frame.shape[:2], preprocessing, shown) for frame in frames]
        return run_in_parts(
            [(each.height, each.width) for each in plans],
            self._runner.next_batch,
            lambda part: self._begin(frames[part], plans[part], selection),
        )

    def close(self) -> None:
        """End the compiler and other engines, if they run. Idempotent; torch goes on to work."""
        self._runner.close()

    def _begin(
        self, frames: Sequence[Image], plans: Sequence[FramePlan], selection: Selection
    ) -> Finish[Explanation]:
        pending = begin_timed(self._runner, lambda: prepare_batch(frames, plans), selection)

        def finish() -> list[Explanation]:
            found = pending()
            logits, classes, evidence = (part.numpy() for part in found.result)
            return [
                self._maker.make(
                    logits[i],
                    classes[i],
                    evidence[i],
                    region=plan.region,
                    timings_ms=found.timings_ms,
                )
                for i, plan in enumerate(plans)
            ]

        return finish
