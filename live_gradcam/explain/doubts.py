"""Doubts about a network: what looks wrong when it explains a few pictures, and the likely cause.

None of these is an error: a network may well be certain of one class. Each doubt says what was seen
and which option mends it if the cause is the likely one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.pixels import InputPixels
from live_gradcam.explain.frame_plan import plan_frame, prepare_batch
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import Image

# Entropy of the probabilities, as a share of the largest possible one.
_UNDECIDED = 0.995
_CERTAIN = 0.9999
# Differences that rounding makes, as a share of the largest score.
_ROUNDING = 1e-4
# Logarithms of ratios of variances: the pictures that a network saw differ by a factor of three.
_STRANGE = 1.6
_MUCH_BETTER = 0.5
_OTHER_RANGES: tuple[tuple[str, tuple[float, float], float, float], ...] = (
    # What to type, range, mean, std.
    ("--range 0..255", (0.0, 255.0), 0.0, 1.0),
    ("--range 0..1", (0.0, 1.0), 0.0, 1.0),
    ("--range -1..1", (-1.0, 1.0), 0.0, 1.0),
)


@dataclass(frozen=True, slots=True)
class InputEvidence:
    """What the first batch norm says about the network's pictures.

    Attributes:
        distance: How far its inputs' statistics are from those that it was trained with: the median
            over channels of ``|log(variance / running variance)|`` and of the difference of the
            means in running deviations, added. Below 1 for pictures of the kind that it knows.
        better: Options that bring it nearest, where others do much better; empty otherwise.
        better_distance: The distance with these options.
    """

    distance: float
    better: str = ""
    better_distance: float = math.inf


@short_lived_thread
@torch.no_grad()
def find_doubts(classifier: Classifier, pictures: Sequence[Image]) -> list[str]:
    """Explain some pictures and return what looks wrong, in sentences.

    Args:
        classifier: The network.
        pictures: Two or more different ones, ``uint8 (H, W, 3)`` BGR.
    """
    pixels = _pixels(classifier.preprocessing, pictures)
    logits = torch.cat([_score(classifier, each[None]) for each in pixels])
    if not bool(logits.isfinite().all()):
        cause = "the weights are damaged or the input is far too large: see --range and --mean"
        return [f"scores are not finite: {cause}"]
    doubts = list(_about_scores(classifier, pixels, logits))
    evidence = first_norm_evidence(classifier, pictures)
    if evidence is not None and evidence.better:
        doubts.append(
            "the first batch norm was trained with pictures of another range (distance "
            f"{evidence.distance:.1f}, with {evidence.better} {evidence.better_distance:.1f}): "
            f"try {evidence.better}"
        )
    elif evidence is not None and evidence.distance > 2 * _STRANGE:
        doubts.append(
            f"the first batch norm knows other pictures (distance {evidence.distance:.1f}): the "
            "weights may be those of a network that normalises in another way: see --mean, --std"
        )
    doubts += _about_labels(classifier.labels)
    return doubts


def _about_scores(classifier: Classifier, pixels: Tensor, logits: Tensor) -> Iterator[str]:
    again = _score(classifier, pixels[:1])
    scale = max(float(logits.abs().max()), 1e-12)
    if float((again - logits[:1]).abs().max()) > _ROUNDING * scale:
        yield (
            "the same picture has other scores the second time: the network is random, for "
            "example by F.dropout without training=self.training"
        )
    classes = logits.shape[1]
    if classes < 2:
        return
    # Where labels are true each by itself, or numbers are plain, none of them has to stand out.
    exclusive = classifier.output.exclusive
    probabilities = torch.from_numpy(classifier.output.strengths(logits.double().numpy()))
    entropy = -(probabilities * probabilities.clamp_min(1e-300).log()).sum(1) / math.log(classes)
    if exclusive and float(entropy.min()) > _UNDECIDED:
        yield (
            "all probabilities are nearly the same: the last layer looks untrained; the checkpoint "
            "may hold the backbone alone, or weights from the beginning of the training"
        )
    spread = float((logits - logits.mean(0, keepdim=True)).abs().max())
    if spread < 1e-3 * scale:
        yield (
            "different pictures have the same scores: the network does not see them; the input's "
            "range may be wrong: see --range, --mean and --std"
        )
    best = logits.argmax(1)
    if (
        exclusive
        and bool((best == best[0]).all())
        and float(probabilities.amax(1).min()) > _CERTAIN
    ):
        label = classifier.labels[int(best[0])]
        yield (
            f"every picture is {label!r} with certainty: a network that is given 0..255 where it "
            "wants 0..1 saturates like this: see --range, --mean and --std"
        )


def _about_labels(labels: Sequence[str]) -> Iterator[str]:
    if labels == tuple(f"class {index}" for index in range(len(labels))):
        yield "the classes have no names: give them with --labels FILE"
        return
    distinct = len(set(labels))
    if distinct == 1 and len(labels) > 1:
        yield f"all {len(labels)} classes are called {labels[0]!r}: see --labels"
    elif distinct < 0.9 * len(labels):
        yield f"only {distinct} of {len(labels)} labels differ: see --labels"


def first_norm_evidence(classifier: Classifier, pictures: Sequence[Image]) -> InputEvidence | None:
    """Compare what the first batch norm gets with what it was trained with.

    Returns:
        ``None`` where the network does not begin with a convolution and a batch norm.
    """
    network = classifier.trunk if classifier.source is None else classifier.source.network
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    if not norms or norms[0].running_mean is None:
        return None
    own = _distance(network, norms[0], _pixels(classifier.preprocessing, pictures))
    if own is None:
        return None
    best, options = own, ""
    for words, value_range, mean, std in _OTHER_RANGES:
        other = replace(classifier.preprocessing, value_range=value_range, mean=(mean,), std=(std,))
        found = _distance(network, norms[0], _pixels(other, pictures))
        if found is not None and found < best:
            best, options = found, words
    usual = replace(classifier.preprocessing, value_range=(0.0, 1.0), mean=(), std=())
    found = _distance(network, norms[0], _pixels(usual, pictures))
    if found is not None and found < best:
        best = found
        options = f"--mean {_joined(usual.mean)} --std {_joined(usual.std)}"
    if own > _STRANGE and best < _MUCH_BETTER * own:
        return InputEvidence(own, options, best)
    return InputEvidence(own)


class _Seen(Exception):
    """No error: the rest of the network is not needed."""


def _distance(network: nn.Module, norm: nn.BatchNorm2d, pixels: Tensor) -> float | None:
    seen: list[Tensor] = []

    def record(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen.append(given[0])
        raise _Seen

    handle = norm.register_forward_pre_hook(record)
    try:
        network(pixels)
    except _Seen:
        pass
    except Exception:  # a network's own code; without it there is no evidence
        return None
    finally:
        handle.remove()
    if not seen or norm.running_mean is None or norm.running_var is None:
        return None
    values = seen[0].float()
    mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3), unbiased=False)
    expected = norm.running_var.clamp_min(1e-12)
    # Dead filters, of which there are some in every network, say nothing.
    alive = (norm.running_var > 1e-6) & (variance > 0)
    if not bool(alive.any()):
        return None
    ratio = (variance / expected).log().abs()[alive]
    shift = ((mean - norm.running_mean).abs() / expected.sqrt())[alive]
    return float(ratio.median() + shift.clamp_max(10).median())


def _pixels(preprocessing: Preprocessing, pictures: Sequence[Image]) -> Tensor:
    plans = [plan_frame(*each.shape[:2], preprocessing, "crop") for each in pictures]
    pixels: Tensor = InputPixels(preprocessing)(prepare_batch(pictures, plans))
    return pixels


def _score(classifier: Classifier, pixels: Tensor) -> Tensor:
    logits: Tensor = classifier.head(classifier.trunk(pixels))
    return logits


def _joined(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
