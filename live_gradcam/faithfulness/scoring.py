"""Scores of perturbed inputs, in the network's own pixels.

An explainer takes images. Measures of faithfulness hide parts of the network's input, with values
between those of ``uint8``; they need its scores and nothing else.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live_gradcam.choices import View
from live_gradcam.errors import DeviceError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.engine.pixels import InputPixels
from live_gradcam.explain.engine.runtime import Runtime
from live_gradcam.explain.frame_plan import plan_frame, prepare_batch
from live_gradcam.values import Image, Region

_BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """Input of the network for one image.

    Attributes:
        pixels: ``float32 (C, h, w)``, normalised: 0 is the mean colour of its training.
        region: Part of the image that the network is shown, in the image's pixels.
    """

    pixels: NDArray[np.float32]
    region: Region


class Scorer:
    """Scores perturbed inputs with a classifier.

    Args:
        classifier: The network.
        runtime: Device and precision.
    """

    def __init__(self, classifier: Classifier, runtime: Runtime) -> None:
        self._classifier = classifier
        self._device = torch.device(runtime.device)
        network = FusedNetwork(classifier, runtime.precision).requires_grad_(False).eval()
        if self._device.type != "cpu":  # what is shared with the classifier stays here
            network = copy.deepcopy(network).to(self._device)
        self._network = network
        self._reference: FusedNetwork | None = None
        self._pixels = InputPixels(classifier.preprocessing)

    def network_input(self, image: Image, view: View) -> NetworkInput:
        """Make the network's input of an image, exactly as an explainer does.

        Args:
            image: ``uint8 (H, W, 3)`` BGR; not modified.
            view: Part of the image that the network is shown, and its shape.
        """
        plan = plan_frame(*image.shape[:2], self._classifier.preprocessing, view)
        normalised = self._pixels(prepare_batch([image], [plan]))[0]
        return NetworkInput(np.ascontiguousarray(normalised.numpy()), plan.region)

    def strengths(self, inputs: NDArray[np.float32], class_index: int) -> NDArray[np.float64]:
        """Compute the probability of one class, or its number where the output is plain numbers.

        Args:
            inputs: ``float32 (N, C, h, w)``, as in `NetworkInput.pixels`.
            class_index: The class.

        Returns:
            ``float64 (N,)``, a probability in 0..1 as `OutputKind` says, or the number; 0 where
            the network's output is not finite even in float32.

        Raises:
            DeviceError: The device has too little memory even for one input.
        """
        parts = [
            self._strengths(torch.from_numpy(inputs[start : start + _BATCH]), class_index)
            for start in range(0, len(inputs), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float64)

    def _strengths(self, inputs: Tensor, class_index: int) -> NDArray[np.float64]:
        try:
            logits = _logits(self._network, inputs.to(self._device)).cpu()
        except torch.OutOfMemoryError as exc:
            half = len(inputs) // 2
            if not half:
                cause, step = "the network does not fit", "Use --device cpu"
                raise DeviceError("out of memory", str(self._device), cause, step) from exc
            halves = (inputs[:half], inputs[half:])
            return np.concatenate([self._strengths(part, class_index) for part in halves])
        wrong = (~logits.isfinite().all(1)).nonzero().squeeze(1)
        if len(wrong) and (self._network.dtype != torch.float32):
            if self._reference is None:
                self._reference = FusedNetwork(self._classifier, "fp32").eval()
            logits = logits.index_copy(0, wrong, _logits(self._reference, inputs[wrong]))
        with np.errstate(invalid="ignore"):
            strengths = self._classifier.output.strengths(logits.numpy())[:, class_index]
        finite = logits.isfinite().all(1).numpy()
        return np.where(finite, strengths, 0.0)


@torch.no_grad()
def _logits(network: FusedNetwork, inputs: Tensor) -> Tensor:
    arranged = inputs.to(network.dtype).contiguous(memory_format=network.layout)
    activations = network.trunk.forward(arranged)  # as in `FusedNetwork.activations`
    logits: Tensor = network.head(activations.float())
    return logits.float()
