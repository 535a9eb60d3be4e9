"""What a taught classifier was taught, told apart from what it is measured on."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from live_gradcam.evaluate.dataset import Dataset
from live_gradcam.explain.taught import EXAMPLES, read_tensors
from live_gradcam.explain.taught_facts import read_facts
from live_gradcam.teaching.saving import known_as


def notes_on_taught(path: Path, dataset: Dataset) -> tuple[str, ...]:
    """Say what was learned, and which of the pictures were taught.

    Args:
        path: The network's file.
        dataset: What it will be measured on.

    Returns:
        One sentence for each thing to know; none for a network that was not taught.

    Raises:
        ModelError: The file is damaged.
    """
    facts = read_facts(path)
    if facts is None:
        return ()
    notes = [f"when it was taught: {each}" for each in facts.said[:1]]
    known = read_tensors(path).get(EXAMPLES)
    files = [each.path for each in dataset.items if each.path is not None]
    if isinstance(known, Tensor) and known.ndim == 2 and files:
        taught = {bytes(each) for each in known.numpy()}
        count = sum(known_as(each).tobytes() in taught for each in files)
        if count:
            notes.append(
                f"{count} of {len(files)} pictures are those that it was taught: that it is right "
                "about them says little, take others"
            )
    return tuple(notes)
