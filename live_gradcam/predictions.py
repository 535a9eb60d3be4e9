"""Predictions from a network's numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from live_gradcam.values import OutputKind, Prediction


def labels_of(classes: Sequence[int], labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of some classes."""
    return tuple(labels[index] for index in classes)


def lead_of(prediction: Prediction, output: OutputKind) -> float:
    """Return how strongly a class is predicted, so that of two classes the greater one leads.

    That is its strength; of a binary output the threshold decides which side leads, wherever it
    lies.

    Args:
        prediction: The class.
        output: Meaning of its numbers.
    """
    if output.name != "binary":
        return prediction.strength
    shift = 0.5 - output.threshold
    return prediction.strength + (shift if prediction.class_index else -shift)


def predict(
    logits: NDArray[np.float32],
    labels: Sequence[str],
    top_k: int,
    explained: Sequence[int],
    output: OutputKind,
) -> tuple[Prediction, ...]:
    """Return the best classes with their probability, and those asked for by name; best first.

    Args:
        logits: ``float32 (classes,)``.
        labels: Of all classes.
        top_k: Number of the best classes.
        explained: Classes that are among the predictions in any case.
        output: Meaning of the numbers.
    """
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
