"""Images in, explanations out, from a graph's file: without torch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from live_gradcam.choices import DEFAULT_TOP_K, DEFAULT_VIEW, VIEWS, View
from live_gradcam.closeable import Closeable
from live_gradcam.errors import UsageError
from live_gradcam.graph.asked import run_asked
from live_gradcam.graph.engine import GraphEngine, GraphResult
from live_gradcam.graph.metadata import GraphMetadata
from live_gradcam.graph.network import GraphNetwork, GraphRuntime
from live_gradcam.image_like import ColorOrder, ImageLike
from live_gradcam.images.inputs import take_image
from live_gradcam.images.parts import RoiLike, cut_part, part_of, put_back
from live_gradcam.predictions import predict
from live_gradcam.preprocessing.plan import FramePlan, Planner, plan_frame, prepare_pixels
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Explanation, Image, Int8Fidelity

CONTRASTING = ("gradcam", "hirescam", "xgradcam")
"""Methods whose maps of two classes can be subtracted."""

_BATCH_ELSEWHERE = 8  # images for one run of a GPU; a processor is as quick with each alone


class GraphExplainer(Closeable):
    """Explains images with an exported graph. A context manager.

    Layer and method are those that the file was made for, and so are the classes that have maps:
    the best ones of each image, a few named ones, all, or those that are asked for. A class without
    a map is predicted like any other. Safe to use from many threads.

    Args:
        engine: Runs the graph; belongs to the explainer from now on.
        top_k: Number of classes that are predicted.
        view: Part of an image that the network is shown, as for `live_gradcam.Explainer`.
        plan: Plans how images become pixels; where torch is loaded anyway, that of
            `live_gradcam.explain.frame_plan` is quicker.

    Raises:
        UsageError: ``top_k`` is less than 1, or the graph cannot be given this view.
    """

    def __init__(
        self,
        engine: GraphEngine,
        *,
        top_k: int = DEFAULT_TOP_K,
        view: View = DEFAULT_VIEW,
        plan: Planner = plan_frame,
    ) -> None:
        if top_k < 1:
            raise UsageError("cannot predict so few classes", str(top_k), "", "Use 1 or more")
        self._engine = engine
        self._plan = plan
        self._metadata = engine.metadata
        self._network = GraphNetwork(engine.metadata)
        self._view = self._checked_view(view)
        self._top_k = min(top_k, self._network.class_count)
        precision = self._metadata.precision
        computed = engine.precision if precision == "fp32" else precision
        fidelity = self._metadata.fidelity
        self._int8 = Int8Fidelity.of(fidelity) if precision == "int8" else None
        reasons = (f"{engine.name} runs the file's graph",)
        self._runtime = GraphRuntime(engine.name, engine.device, computed, reasons)

    @property
    def metadata(self) -> GraphMetadata:
        """What the file says about itself."""
        return self._metadata

    @property
    def classifier(self) -> GraphNetwork:
        """The explained network."""
        return self._network

    @property
    def method(self) -> str:
        """Name of the method that makes the maps."""
        return self._metadata.method

    @property
    def contrasts(self) -> bool:
        """True if the difference of two classes' maps is the map of the difference."""
        return self._metadata.unit == "logits" and self.method in CONTRASTING

    @property
    def view(self) -> View:
        """Part of an image that the network is shown unless a call says otherwise."""
        return self._view

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the graph can be given."""
        whole = self._metadata.any_size
        return tuple(view for view in VIEWS if whole or view != "full")

    @property
    def top_k(self) -> int:
        """Number of classes that are predicted."""
        return self._top_k

    @property
    def mapped(self) -> tuple[int, ...] | None:
        """The only classes that ever have a map; ``None`` where it depends on the image, or all."""
        classes = self._metadata.classes
        return classes if isinstance(classes, tuple) else None

    @property
    def all_maps_are_cheap(self) -> bool:
        """True if all maps that there are come with every image."""
        return self._metadata.classes != "asked"

    @property
    def preferred_batch_size(self) -> int:
        """Number of images that are worth handing to `explain_batch` together."""
        return 1 if self._engine.device.upper().startswith("CPU") else _BATCH_ELSEWHERE

    @property
    def compiled(self) -> bool:
        """False: the graph runs as the file has it."""
        return False

    @property
    def runtime(self) -> GraphRuntime:
        """How the graph runs."""
        return self._runtime

    def require_maps(self, classes: ClassChoice) -> None:
        """Check that the file can have maps of what is asked for.

        Raises:
            UsageError: There is no such class, or this file has no map of it, or not of all.
        """
        kept = self._metadata.classes
        if classes is None or classes == "top" or kept in ("all", "asked"):
            self._named(classes)
            return
        if isinstance(kept, tuple):
            names = ", ".join(self._network.labels[index] for index in kept[:5])
            has = names if len(kept) <= 5 else f"{names} and {len(kept) - 5} others"
        else:
            count = self._metadata.maps
            has = "the best class of a picture" if count == 1 else f"the {count} best classes"
        missing = [index for index in self._named(classes) if kept == "top" or index not in kept]
        if classes == "all" or missing:
            what = "all" if classes == "all" else self._network.labels[missing[0]]
            cause = f"the file has maps of {has} only"
            step = "Export it again with --classes all, or with the names of the classes"
            raise UsageError("cannot explain class", what, cause, step)

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
            image: Whatever `live_gradcam.Explainer.explain` takes.
            classes: As for `explain_batch`.
            view: As for `explain_batch`.
            color: As for `live_gradcam.Explainer.explain`.
            roi: As for `live_gradcam.Explainer.explain`.

        Raises:
            UsageError: There is no such class, view or part, or the file has no maps of the class.
            SourceError: The file cannot be read.
            DeviceError: The device failed, or has too little memory.
        """
        self.require_maps(classes)
        taken = take_image(image, color=color)
        part = part_of(taken.image, roi)
        cut = cut_part(taken.image, part)
        (explanation,) = self.explain_batch([cut], classes=classes, view=view)
        return replace(put_back(explanation, part), picture=taken.picture)

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        """Explain images of any sizes.

        Args:
            images: ``uint8 (H, W, 3)`` BGR; not modified.
            classes: Classes that get a map, where the graph has one: ``None`` the best one that
                does, ``"top"`` the ``top_k`` best ones, ``"all"`` all, else names or indices.
                Those that are named are among the predictions in any case.
            view: Part of the images that the network is shown; ``None`` for the explainer's own.

        Returns:
            One explanation for each image, in order.

        Raises:
            UsageError: There is no such class, or the graph cannot be given this view.
            DeviceError: The device failed, or has too little memory.
        """
        shown = self._view if view is None else self._checked_view(view)
        named = self._named(classes)
        preprocessing = self._metadata.preprocessing
        sizes = (image.shape[:2] for image in images)
        plans = [self._plan(height, width, preprocessing, shown) for height, width in sizes]
        found: list[Explanation] = []
        for part in _parts(plans, max(1, self.preferred_batch_size)):
            began = time.perf_counter()
            pixels = np.ascontiguousarray(prepare_pixels(images[part], plans[part])[..., ::-1])
            prepared = time.perf_counter()
            result = self._run(pixels, classes, named)
            share = 1000.0 / len(pixels)
            timings = MappingProxyType(
                {
                    "preprocess": (prepared - began) * share,
                    "network": (time.perf_counter() - prepared) * share,
                    "explain": (time.perf_counter() - began) * share,
                }
            )
            for place, plan in enumerate(plans[part]):
                found.append(self._explanation(result, place, plan, classes, named, timings))
        return found

    def close(self) -> None:
        """Give the engine's memory and threads back. Idempotent."""
        self._engine.close()

    def _run(self, pixels: Image, classes: ClassChoice, named: tuple[int, ...]) -> GraphResult:
        if self._metadata.classes != "asked":
            return self._engine.run(pixels)
        output = self._metadata.output
        count = self._top_k if classes == "top" else 1
        wanted: Sequence[int] = tuple(range(-1, -1 - count, -1))
        if classes == "all":
            wanted = range(self._network.class_count)
        elif named:
            wanted = tuple(dict.fromkeys(named))
        elif output.name == "binary":  # whose threshold says which side is the best
            wanted = (0, 1)
        return run_asked(self._engine, pixels, wanted, self._metadata.maps)

    def _checked_view(self, view: View) -> View:
        if view not in VIEWS:
            raise UsageError("unknown view", str(view), "", f"Choose from {', '.join(self.views)}")
        if view not in self.views:
            cause = "the file takes pictures of one size only"
            raise UsageError("cannot use view", view, cause, "Use crop or stretch")
        return view

    def _named(self, classes: ClassChoice) -> tuple[int, ...]:
        """Return the classes that are meant by name or index."""
        if classes is None or classes in ("top", "all"):
            return ()
        listed = isinstance(classes, Sequence) and not isinstance(classes, str)
        each = list(classes) if listed else [classes]  # type: ignore[arg-type]
        if not each:
            raise UsageError("cannot explain", "", "no class was named", "Name a class")
        return tuple(self._network.class_index(one) for one in each)  # type: ignore[arg-type]

    def _explanation(
        self,
        result: GraphResult,
        place: int,
        plan: FramePlan,
        classes: ClassChoice,
        named: tuple[int, ...],
        timings: Mapping[str, float],
    ) -> Explanation:
        metadata, labels = self._metadata, self._network.labels
        scores, evidence = result.scores[place], result.evidence[place]
        finite = bool(np.isfinite(scores).all() and np.isfinite(evidence).all())
        if not finite:
            scores, evidence = np.nan_to_num(scores), np.zeros_like(evidence)
        places = {index: at for at, index in enumerate(result.classes[place].tolist())}
        explained = [each for each in named if each in places]
        if classes == "all":
            explained = sorted(places)
        elif not named:
            ranked = (each for each in metadata.output.ranking(scores).tolist() if each in places)
            count = self._top_k if classes == "top" else 1
            explained = [each for each, _ in zip(ranked, range(count), strict=False)]
        maps = np.ascontiguousarray(evidence[[places[each] for each in explained]])
        residual = None
        if metadata.bias is not None and explained and finite:
            first = explained[0]
            residual = abs(float(maps[0].sum() + metadata.bias[first] - scores[first]))
        known = tuple(dict.fromkeys((*explained, *named)))
        return Explanation(
            predictions=predict(scores, labels, self._top_k, known, metadata.output),
            explained=tuple(explained),
            evidence=maps,
            region=plan.region,
            labels=tuple(labels[index] for index in explained),
            method=metadata.method,
            unit=metadata.unit,
            class_specific=metadata.class_specific,
            completeness_residual=residual,
            finite=finite,
            timings_ms=timings,
            output=metadata.output,
            int8=self._int8,
        )


def _parts(plans: Sequence[FramePlan], most: int) -> Iterator[slice]:
    """Cut runs of neighbours with one input size into runs of the engine."""
    start = 0
    while start < len(plans):
        size = (plans[start].height, plans[start].width)
        stop = start + 1
        while (
            stop < len(plans)
            and stop - start < most
            and (plans[stop].height, plans[stop].width) == size
        ):
            stop += 1
        yield slice(start, stop)
        start = stop
