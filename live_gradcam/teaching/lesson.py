"""From examples to a classifier: `learn` fits a head, `teach` does all of it for pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from live_gradcam.choices import DEFAULT_DEVICE, DEFAULT_VIEW, View
from live_gradcam.class_names import check_label
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.pooled import with_linear_head
from live_gradcam.explain.taught import taught_origin
from live_gradcam.image_like import ImageLike
from live_gradcam.images.inputs import as_batch, take_image
from live_gradcam.teaching.examples import ANYTHING_ELSE, Burst, Examples, picture_burst
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.teaching.fit import EXACT, FittedHead, fit_head
from live_gradcam.teaching.learned import Learned, describe_learned
from live_gradcam.teaching.validation import Validation, validate

_WHAT = "cannot teach"


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A head that was fitted, and what it has learned.

    Attributes:
        examples: That it was taught; every class has some.
        head: Fitted on all of them.
        learned: What is known of it.
    """

    examples: Examples
    head: FittedHead
    learned: Learned

    def put_on(self, classifier: Classifier) -> Classifier:
        """Return a classifier with this head; its trunk is shared.

        Args:
            classifier: Its trunk made the features.
        """
        return put_on(classifier, self.head, self.examples.labels)


def put_on(classifier: Classifier, head: FittedHead, labels: Iterable[str]) -> Classifier:
    """Return a classifier with a head that was fitted to its features; its trunk is shared."""
    names = tuple(labels)
    origin = taught_origin(len(names), classifier.weights_origin)
    weight, bias = torch.from_numpy(head.weight.copy()), torch.from_numpy(head.bias.copy())
    return with_linear_head(classifier, weight, bias, names, origin=origin)


def placeholder(classifier: Classifier, features: int) -> Classifier:
    """Return a classifier as it will be taught, with a head that knows nothing yet.

    Args:
        classifier: Its trunk is shared.
        features: Number of the trunk's features.
    """
    return with_linear_head(classifier, torch.zeros(2, features), torch.zeros(2), ("one", "other"))


def check_examples(examples: Examples) -> Examples:
    """Return the examples of the classes that have some.

    Raises:
        UsageError: There are fewer than two such classes.
    """
    taught = examples.taught()
    if len(taught.labels) < 2:
        raise _too_few(taught.labels[0] if taught.labels else "")
    return taught


def _too_few(only: str) -> UsageError:
    cause = "it is the only class" if only else "there are no examples"
    step = f'Show another class, or a few pictures of "{ANYTHING_ELSE}"'
    return UsageError(_WHAT, only, cause, step)


def refit(
    examples: Examples,
    strength: float,
    start: NDArray[np.float64] | None = None,
    *,
    exactness: float = EXACT,
    stop: Callable[[], bool] = lambda: False,
) -> FittedHead:
    """Fit a head with a strength that is known: a fraction of a second, while examples arrive.

    Args:
        examples: Of at least two classes; those without examples are left out.
        strength: C of the regression, as the last `learn` found it.
        start: Of the last head, see `FittedHead.start`; the result is the same, only sooner.
        exactness: As for `fit_head`.
        stop: Asked again and again; ``True`` gives up.

    Raises:
        UsageError: There are fewer than two classes with examples.
        Stopped: The caller asked for it.
    """
    taught = check_examples(examples)
    classes, count = taught.classes(), len(taught.labels)
    return fit_head(
        taught.features(),
        classes,
        count,
        strength=strength,
        start=start,
        exactness=exactness,
        stop=stop,
    )


def learn(
    examples: Examples,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Lesson:
    """Fit a head, its strength chosen by cross-validation over bursts, and say what it has learned.

    Args:
        examples: Of at least two classes; those without examples are left out.
        stop: Asked again and again; ``True`` gives up.
        on_progress: Told how many fits are done, and of how many.

    Raises:
        UsageError: There are fewer than two classes with examples.
        Stopped: The caller asked for it.
    """
    taught = check_examples(examples)
    validation: Validation = validate(taught, stop=stop, on_progress=on_progress)
    head = refit(taught, validation.strength, stop=stop).calibrated(validation.temperature)
    return Lesson(taught, head, describe_learned(taught, head, validation))


def teach(
    classifier: Classifier,
    examples: Mapping[str, Iterable[ImageLike]],
    *,
    device: str = DEFAULT_DEVICE,
    view: View = DEFAULT_VIEW,
    on_learned: Callable[[Learned], None] | None = None,
    on_progress: Callable[[str, int], None] | None = None,
) -> Classifier:
    """Teach a classifier new classes: a linear head on its trunk's pooled features.

    For example::

        taught = lg.teach(lg.load_classifier("resnet18"), {"mug": mugs, "anything else": desks})

    Args:
        classifier: Its trunk is used as it is, and shared; it stays as it is.
        examples: For each class its pictures, see `live_gradcam.Explainer.explain`; taken one by
            one, so that a generator need not hold all of them. Views of each from nearer are
            taught, too; pictures are held out to choose the strength.
        device: Where the trunk runs meanwhile.
        view: Part of the pictures that the network is shown.
        on_learned: Told what was learned: accuracy on held-out pictures, confusion, sentences.
        on_progress: Told of each picture its class, and how many of that are done.

    Returns:
        A classifier with these classes, in this order. Its maps are exact: their sum and the bias
        of a class are its score. Taught on squeezed pictures, it squeezes what it is shown.

    Raises:
        UsageError: There are fewer than two classes, one has no pictures, or two have one name.
        SourceError: A picture cannot be read.
        ModelError: The classifier is explained at several layers, or its code cannot be cut.
        DeviceError: The device cannot be used.
    """
    labels = _checked_labels(examples)
    bursts: list[Burst] = []
    with FeatureExtractor(classifier, device=device, view=view) as extractor:
        for label, given in zip(labels, examples.values(), strict=True):
            before = len(bursts)
            # One after the other: all pictures of a class at once may be more than the memory.
            for each in as_batch(given):
                image = take_image(each, keep=False).image
                bursts.append(picture_burst(label, image, extractor))
                if on_progress is not None:
                    on_progress(label, len(bursts) - before)
            if len(bursts) == before:
                step = "Give pictures of it, or leave it out"
                raise UsageError(_WHAT, label, "it has no examples", step)
    lesson = learn(Examples(labels, tuple(bursts)))
    if on_learned is not None:
        on_learned(lesson.learned)
    squeezing = classifier.preprocessing.for_view(view)
    return replace(lesson.put_on(classifier), preprocessing=squeezing)


def _checked_labels(examples: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the classes.

    Raises:
        UsageError: There are fewer than two, one is no name, or two are the same.
    """
    labels: list[str] = []
    for each in examples:
        label = check_label(str(each), _WHAT)
        if label in labels:
            raise UsageError(_WHAT, label, "two classes have this name", "Rename one of them")
        labels.append(label)
    if len(labels) < 2:
        raise _too_few(labels[0] if labels else "")
    return tuple(labels)
