"""What a user says about a network that its weights do not say."""

from __future__ import annotations

from dataclasses import dataclass

from live_gradcam.choices import DEFAULT_OUTPUT, DEFAULT_THRESHOLD, OutputChoice
from live_gradcam.explain.networks.fit_preprocessing import PreprocessingLike
from live_gradcam.explain.networks.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a user says about a network; each default leaves it to the weights.

    Attributes:
        labels: Names of the classes, or a file with them.
        output: Meaning of the network's output.
        output_name: Name or index of the logits where the network puts out several tensors.
        threshold: Probability above which a class is true, in 0..1; of binary and multi-label
            networks.
        state: Key of the state dict to take from a checkpoint that holds several.
        preprocessing: Preprocessing of the network's images, some of its numbers, or a file.
        transform_input: ``True`` if a GoogLeNet or Inception network turns torchvision's
            normalisation into the one it was first trained with; ``None`` leaves it to the weights.
    """

    labels: Labels = None
    output: OutputChoice = DEFAULT_OUTPUT
    output_name: str | int | None = None
    threshold: float = DEFAULT_THRESHOLD
    state: str | None = None
    preprocessing: PreprocessingLike | None = None
    transform_input: bool | None = None
