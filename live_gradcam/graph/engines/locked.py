"""What engines do alike: checked input, one run at a time, whole batches, errors of ours."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.graph.engine import ComputePrecision, EngineName, GraphResult
from live_gradcam.graph.engines.devices import TITLES
from live_gradcam.graph.metadata import (
    CLASSES,
    EVIDENCE,
    FEATURES,
    PIXELS,
    SCORES,
    SELECTION,
    GraphMetadata,
)

_MEMORY_WORDS = ("allocate", "out of memory", "not enough memory", "bad_alloc", "alloc_failed")

_SOURCE_PLACES = re.compile(
    r"Exception from \S+:\d+:|Check '.*?' failed at \S+:\d+:|\[ONNXRuntimeError\] : \d+ : \w+ :"
)
_MOST_WORDS = 200

DeclaredShape = tuple[int | None, ...]
"""Of a graph's pixels; ``None`` where any number will do."""


class LockedEngine(ABC):
    """A `GraphEngine` that runs one batch at a time.

    One run already uses all threads of a processor; two at once would only get into each other's
    way.

    Args:
        metadata: What the graph's file says about itself.
        device: Where it runs, in words.
        version: Of the library.
        precision: Number format that it computes in.
        threads: Number of threads on a processor.
        shape: Of the pixels, as the graph declares it.
    """

    name: ClassVar[EngineName]

    def __init__(
        self,
        metadata: GraphMetadata,
        *,
        device: str,
        version: str,
        precision: ComputePrecision,
        threads: int,
        shape: DeclaredShape,
    ) -> None:
        self.metadata = metadata
        self.device = device
        self.version = version
        self.precision: ComputePrecision = precision
        self.threads = threads
        self._shape = shape
        self._lock = threading.Lock()
        self._closed = False

    @abstractmethod
    def _infer(self, inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, np.ndarray]:
        """Run once; the arrays are new ones. Called with the lock held.

        Raises:
            Exception: The library's.
        """

    @abstractmethod
    def _reopen(self, threads: int) -> None:
        """Get ready with another number of threads, then take the lock and change over.

        Raises:
            Exception: The library's.
        """

    @abstractmethod
    def _release(self) -> None:
        """Drop everything that the library holds. Called once, with the lock held."""

    def run(
        self, pixels: NDArray[np.uint8], selection: NDArray[np.int64] | None = None
    ) -> GraphResult:
        """See `live_gradcam.graph.engine.GraphEngine.run`."""
        self._check_size(pixels)
        whole = self._shape[0] or len(pixels)
        parts = [
            self._run_part(pixels[start : start + whole], whole, selection)
            for start in range(0, len(pixels), whole)
        ]
        if len(parts) == 1:
            return parts[0]
        features = [each.features for each in parts if each.features is not None]
        return GraphResult(
            np.concatenate([each.scores for each in parts]),
            np.concatenate([each.classes for each in parts]),
            np.concatenate([each.evidence for each in parts]),
            np.concatenate(features) if features else None,
        )

    def set_threads(self, number: int) -> None:
        """See `live_gradcam.graph.engine.GraphEngine.set_threads`."""
        if number < 1:
            raise UsageError("cannot compute with so few threads", str(number), "", "Use 1 or more")
        if number == self.threads or self._closed:
            return
        try:
            self._reopen(number)
        except Exception as exc:  # the library's errors are many
            raise self._device_error(exc) from exc
        self.threads = number

    def close(self) -> None:
        """See `live_gradcam.graph.engine.GraphEngine.close`."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def _run_part(
        self, pixels: NDArray[np.uint8], whole: int, selection: NDArray[np.int64] | None
    ) -> GraphResult:
        count = len(pixels)
        if count < whole:  # the graph takes batches of one size
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], whole - count, axis=0)])
        inputs: dict[str, NDArray[np.generic]] = {PIXELS: np.ascontiguousarray(pixels)}
        if self.metadata.classes == "asked":
            assert selection is not None, "this graph explains the classes that are asked for"
            inputs[SELECTION] = np.ascontiguousarray(selection, np.int64)
        with self._lock:
            if self._closed:
                raise DeviceError("cannot run the graph", TITLES[self.name], "it was closed")
            try:
                outputs = self._infer(inputs)
            except Exception as exc:  # the library's errors are many
                raise self._device_error(exc) from exc
        scores, evidence = outputs[SCORES][:count], outputs[EVIDENCE][:count]
        if CLASSES in outputs:
            classes = outputs[CLASSES][:count]
        else:
            fixed = self.metadata.classes
            numbers = range(scores.shape[1]) if isinstance(fixed, str) else fixed
            classes = np.tile(np.array(numbers, np.int64), (count, 1))
        features = outputs[FEATURES][:count] if FEATURES in outputs else None
        return GraphResult(scores, classes, evidence, features)

    def _check_size(self, pixels: NDArray[np.uint8]) -> None:
        assert pixels.dtype == np.uint8, "see the contract"
        assert pixels.ndim == 4, "see the contract"
        declared = self._shape[1:]
        if any(
            own is not None and own != n for own, n in zip(declared, pixels.shape[1:], strict=True)
        ):
            height, width = pixels.shape[1:3]
            raise UsageError(
                "the network does not take pictures of this size",
                f"{width}x{height}",
                f"its graph was made for {declared[1]}x{declared[0]}",
                "Use --view crop or --view stretch",
            )

    def _device_error(self, exc: Exception) -> DeviceError:
        text = library_words(exc)
        where = f"{TITLES[self.name]} on {self.device}"
        if isinstance(exc, MemoryError) or any(words in text.lower() for words in _MEMORY_WORDS):
            step = "Use a smaller network, or explain fewer pictures at once"
            return DeviceError("out of memory", where, "the network does not fit", step)
        step = "" if self.device == "CPU" else "Use --device cpu"
        return DeviceError("cannot run the graph", where, text, step)


def library_words(exc: Exception) -> str:
    """Return what a library says about an error, without places in its own source."""
    text = " ".join(_SOURCE_PLACES.sub("", str(exc)).split()) or type(exc).__name__
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS].rsplit(' ', 1)[0]} ..."
