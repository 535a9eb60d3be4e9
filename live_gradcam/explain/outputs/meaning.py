"""What the numbers that a network puts out mean: proven by their making, or said by the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from live_gradcam.choices import OUTPUT_CHOICES, OutputChoice
from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.outputs.ending import Ending
from live_gradcam.explain.outputs.operations import BOUNDED, POSITIVE, SQUASHINGS
from live_gradcam.values import OutputKind, SquashingName
from live_gradcam.wording import did_you_mean

Inverse: TypeAlias = Literal["logit", "log"]
"""Function that makes scores of probabilities whose squashing cannot be cut off: exact for a
sigmoid, and the logarithm of the probability for a softmax."""

_SUM_TOLERANCE = 1e-4
_RANGE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is to be done with a network's output.

    Attributes:
        kind: Meaning of the logits.
        count: Number of them; 2 for a binary output.
        peel: Cut the squashing at the network's end off.
        inverse: Function that undoes the squashing where it cannot be cut off.
        two_dimensional: The network's own output is ``(N, classes)``.
        note: What was interpreted, as a sentence; empty where nothing was.
    """

    kind: OutputKind
    count: int
    peel: bool = False
    inverse: Inverse | None = None
    two_dimensional: bool = True
    note: str = ""

    @property
    def plain(self) -> bool:
        """True if the output is taken as it is."""
        return self.inverse is None and self.kind.name != "binary"


@dataclass(frozen=True, slots=True, eq=False)
class _Output:
    """An output, and what is known of it."""

    values: Tensor
    ending: Ending
    threshold: float
    name: str

    @property
    def count(self) -> int:
        return self.values.shape[1] if self.values.ndim > 1 else 1

    def meaning(
        self,
        name: Literal["softmax", "sigmoid", "raw"],
        note: str = "",
        *,
        inside: SquashingName | None = None,
        inverse: Inverse | None = None,
    ) -> Meaning:
        binary = self.count == 1 and name == "sigmoid"
        return Meaning(
            OutputKind("binary" if binary else name, inside, self.threshold),
            2 if binary else self.count,
            peel=inside is not None and inverse is None,
            inverse=inverse,
            two_dimensional=self.values.ndim == 2,
            note=note,
        )

    def refuse(self, cause: str, step: str) -> ModelError:
        return ModelError("cannot understand the output", self.name, cause, step)

    @property
    def adds_up(self) -> bool:
        """True if these may be probabilities of classes of which one is true."""
        sums = self.values.flatten(1).sum(1) if self.values.ndim > 1 else self.values
        return self.count > 1 and self.in_range and bool((sums - 1).abs().max() < _SUM_TOLERANCE)

    @property
    def in_range(self) -> bool:
        low, high = float(self.values.min()), float(self.values.max())
        return low >= -_RANGE_TOLERANCE and high <= 1 + _RANGE_TOLERANCE


def check_output(choice: str, threshold: float) -> None:
    """Check what a user says about an output.

    Raises:
        UsageError: There is no such kind, or the threshold is no probability.
    """
    if choice not in OUTPUT_CHOICES:
        hint = did_you_mean(str(choice), OUTPUT_CHOICES)
        step = f"{hint}Choose from {', '.join(OUTPUT_CHOICES)}"
        raise UsageError("unknown kind of output", str(choice), "", step)
    if not 0.0 < threshold < 1.0:
        step = "Choose one above 0 and below 1"
        raise UsageError("cannot use threshold", str(threshold), "it is no probability", step)


def decide(
    values: Tensor,
    ending: Ending,
    *,
    choice: OutputChoice,
    threshold: float,
    name: str,
    kernel: Callable[[], str],
) -> Meaning:
    """Decide what a network's output means.

    Args:
        values: The output for one or two images.
        ending: How it is made.
        choice: What the user says.
        threshold: Probability above which a class is true.
        name: Of the network, for messages.
        kernel: Returns the last operation by another way, where ``ending`` does not know it.

    Raises:
        ModelError: It has no ``(N, classes)``, or the user says what cannot be true.
    """
    if values.ndim not in (1, 2, 4) or (values.ndim == 4 and values.shape[2:] != (1, 1)):
        shape = tuple(values.shape)
        raise ModelError("cannot use the network", name, f"its output {shape} is not (N, classes)")
    output = _Output(values, ending, threshold, name)
    if choice == "raw":
        return output.meaning("raw")
    squashing = ending.squashing
    if squashing is not None and "softmax" in squashing:
        _check_dimension(output)
    if squashing is not None and ending.scale != 1.0 and "sigmoid" in squashing:
        squashing = None  # a number with bounds, such as an age
    if choice == "probabilities":
        return _inside(output, squashing) if squashing else _claimed(output)
    if choice == "softmax":
        if output.count == 1:
            cause, step = "the softmax of a single output is always 1", 'Say output="sigmoid"'
            raise output.refuse(cause, step)
        if squashing is not None and "softmax" in squashing:
            return _inside(output, squashing)
        return output.meaning("softmax")
    if choice == "sigmoid":
        if squashing is not None and "softmax" in squashing:
            cause = "it ends in a softmax over its classes, of which one is true"
            raise output.refuse(cause, 'Say output="softmax"')
        return _inside(output, squashing) if squashing else output.meaning("sigmoid")
    return _inside(output, squashing) if squashing else _guessed(output, kernel)


def _check_dimension(output: _Output) -> None:
    squash = output.ending.squash
    assert squash is not None, "there is a softmax"
    source: Tensor = squash.source
    dimension = squash.dimension(source.ndim)
    if source.ndim < 2 or dimension != 1:
        cause = f"its softmax runs over dimension {dimension} of {_shape(source)}, not the classes"
        raise output.refuse(cause, "Write softmax(dim=1), or hand over the network without it")
    if source.shape[1] == 1:
        cause = "its softmax over a single output is always 1"
        raise output.refuse(cause, "Hand over the network without it")


def _shape(tensor: Tensor) -> str:
    return f"(N{''.join(f', {size}' for size in tensor.shape[1:])})"


def _inside(output: _Output, squashing: SquashingName) -> Meaning:
    assert output.ending.squash is not None, "it was found there"
    own = SQUASHINGS[output.ending.squash.name]
    scaled = "" if output.ending.scale == 1.0 else f" times {output.ending.scale:g}"
    note = (
        f"the network ends in a {own}{scaled}: the probabilities are its own, and the evidence is "
        "of the scores before it"
    )
    return output.meaning(
        "softmax" if "softmax" in squashing else "sigmoid", note, inside=squashing
    )


def _claimed(output: _Output) -> Meaning:
    """Probabilities by the user's word: their range must allow it."""
    if output.adds_up:
        return _uncut_softmax(output)
    if output.in_range:
        return _uncut_sigmoid(output)
    sums = output.values.flatten(1).exp().sum(1) if output.values.ndim > 1 else output.values
    if output.count > 1 and bool((sums - 1).abs().max() < _SUM_TOLERANCE):
        note = "the network puts out logarithms of probabilities: the evidence is of these"
        return output.meaning("softmax", note)
    low, high = float(output.values.min()), float(output.values.max())
    cause = f"on random pixels it puts out numbers from {low:.3g} to {high:.3g}, not probabilities"
    raise output.refuse(cause, 'Say output="softmax", "sigmoid" or "raw"')


def _uncut_softmax(output: _Output) -> Meaning:
    note = (
        "the network puts out probabilities that add up to 1, and the scores before them cannot be "
        "reached: the evidence is of the logarithm of the probability"
    )
    return output.meaning("softmax", note, inside="softmax", inverse="log")


def _uncut_sigmoid(output: _Output) -> Meaning:
    note = (
        "the network puts out probabilities, and what makes them cannot be cut off: it is undone, "
        "and the evidence is of log(p / (1 - p))"
    )
    return output.meaning("sigmoid", note, inside="sigmoid", inverse="logit")


def _guessed(output: _Output, kernel: Callable[[], str]) -> Meaning:
    """What can be proven of an output without a squashing that is known."""
    if output.adds_up:
        return _uncut_softmax(output)
    last = output.ending.last
    if not last and output.in_range:
        last = kernel()
        if SQUASHINGS.get(last) == "sigmoid":
            return _uncut_sigmoid(output)
    ending, single = output.ending, output.count == 1
    made = ""
    if ending.squash is not None:
        made = f"a {SQUASHINGS[ending.squash.name]} times {ending.scale:g}"
    elif ending.obscured:
        made = f"what {last} makes of a {ending.obscured}"
    elif last in BOUNDED or (single and last in POSITIVE):
        made = f"what {last} makes"
    if made:
        note = (
            f"the network puts out {made}, which is no score of a class: it is shown as plain "
            'numbers (output="raw")'
        )
        return output.meaning("raw", note)
    if single:
        note = (
            "the network has one output, which is taken as the logit of a binary one: "
            'output="raw" if it is a plain number'
        )
        return output.meaning("sigmoid", note)
    return output.meaning("softmax")
