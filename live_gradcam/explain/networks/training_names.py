"""Names that say that tensors belong to training alone: losses, metrics, averages."""

from __future__ import annotations

import re

_TRAINING_WORDS = frozenset(
    {
        "acc",
        "accuracy",
        "arcface",
        "auc",
        "auroc",
        "averaged",
        "bce",
        "ce",
        "confmat",
        "confusion",
        "criteria",
        "criterion",
        "ema",
        "f1",
        "focal",
        "iou",
        "kappa",
        "loss",
        "losses",
        "mcc",
        "metric",
        "metrics",
        "momentum",
        "optimizer",
        "precision",
        "predictor",
        "projection",
        "projector",
        "queue",
        "recall",
        "scheduler",
        "swa",
        "teacher",
        "top1",
        "top5",
    }
)
_TRAINING_NAMES = re.compile(
    r"(class|pos|label|sample)_?weights?|n_averaged|epoch|step|global_step"
)


def belongs_to_training(name: str) -> bool:
    """Return ``True`` if a name, or a part of it, is that of a loss, a metric or the like."""
    return any(map(_is_of_training, name.split(".")))


def _is_of_training(part: str) -> bool:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part).lower()
    return bool(_TRAINING_WORDS & set(re.split(r"[_.\-]+", spaced))) or bool(
        _TRAINING_NAMES.fullmatch(spaced)
    )
