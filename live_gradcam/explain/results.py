"""A network's numbers for one image become an `Explanation`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import FUSED_UNIT, LinearHead, MultiLayerHead
from live_gradcam.explain.methods import Method
from live_gradcam.predictions import labels_of, predict
from live_gradcam.values import Evidence, Explanation, Region


class ExplanationMaker:
    """Makes the explanations of one classifier by one method.

    Args:
        classifier: It names the classes and says what its output means.
        method: Makes the maps.
        top_k: Number of classes that are predicted.
    """

    def __init__(self, classifier: Classifier, method: type[Method], top_k: int) -> None:
        self._labels = classifier.labels
        self._output = classifier.output
        self._top_k = top_k
        self._method = method
        fused = isinstance(classifier.head, MultiLayerHead)
        self._unit = FUSED_UNIT if fused else method.unit
        head = classifier.head if method.complete else None
        self._bias = head.bias.numpy() if isinstance(head, LinearHead) else None
        self._every_class = tuple(range(classifier.class_count))

    def make(
        self,
        logits: NDArray[np.float32],
        classes: NDArray[np.int64],
        evidence: Evidence,
        *,
        region: Region,
        timings_ms: Mapping[str, float],
    ) -> Explanation:
        """Make an explanation.

        Args:
            logits: ``(classes,)``.
            classes: ``(K,)``, those that have a map.
            evidence: ``(K, h, w)``.
            region: The part of the image that the network saw.
            timings_ms: Duration of each stage.
        """
        finite = bool(np.isfinite(logits).all() and np.isfinite(evidence).all())
        if not finite:
            logits, evidence = np.nan_to_num(logits), np.zeros_like(evidence)
        explained = tuple(classes.tolist())
        residual = None
        if self._bias is not None and finite:
            first = explained[0]
            residual = abs(float(evidence[0].sum() + self._bias[first] - logits[first]))
        every = explained == self._every_class
        return Explanation(
            predictions=predict(logits, self._labels, self._top_k, explained, self._output),
            explained=explained,
            evidence=evidence,
            region=region,
            labels=self._labels if every else labels_of(explained, self._labels),
            method=self._method.name,
            unit=self._unit,
            class_specific=self._method.class_specific,
            completeness_residual=residual,
            finite=finite,
            timings_ms=timings_ms,
            output=self._output,
        )
