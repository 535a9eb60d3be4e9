"""What is known about the graph for one size of images while it is made, measured and used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from live_gradcam.explain.engine.candidates import Candidate
from live_gradcam.explain.engine.fused import Shape
from live_gradcam.explain.engine.graph_network import GraphNetwork
from live_gradcam.explain.engine.trial import COMPILED, TORCH, EngineTrial

Size: TypeAlias = "tuple[int, int]"
"""Height and width of the network's input."""

# Batches of other numbers of images in a row, after which a measurement begins anew with theirs.
_OTHERS = 4
# A compiler gains about as much. It takes a minute beside the session, which is not spent where
# torch has so much more to catch up on.
_CATCHES_UP = 1.6


class MadeGraph(NamedTuple):
    """A graph that was made, measured, and compared with the network.

    Attributes:
        path: Its file.
        candidate: The fastest engine for it.
        torch_is_faster: Torch was chosen instead.
    """

    path: Path
    candidate: Candidate
    torch_is_faster: bool


@dataclass(slots=True)
class GraphUse:
    """What is known about one size of the network's input.

    Attributes:
        forwards: Number of batches until the graph was asked for.
        began: Time of the first of them.
        looked: The graph was looked for in the cache.
        made: It was made, or is being made.
        key: What a decision hangs on, beside the batches' shape.
        path: The graph's file.
        quickest: Label of the fastest engine beside torch.
        shape: Of the batches that are measured.
        first: Of those that came first.
        others: Number of batches in a row that had another shape.
        engines: What runs the graph, by label; ``None`` until it was tried to open them.
        trial: Measures them and torch.
        chosen: Label of what won, or was found in a decision.
        rivals: Measures what was chosen and compiled torch, once that is there.
        left: That was begun, and left because batches of that shape no longer came.
        milliseconds: What was measured.
        every_asked: The graph of all classes was asked for.
    """

    forwards: int = 0
    began: float = 0.0
    looked: bool = False
    made: bool = False
    key: tuple[object, ...] = ()
    path: Path | None = None
    quickest: str = ""
    shape: Shape = (1, 1, 1)
    first: Shape = (1, 1, 1)
    others: int = 0
    engines: dict[str, GraphNetwork] | None = None
    trial: EngineTrial | None = None
    chosen: str | None = None
    rivals: EngineTrial | None = None
    left: bool = False
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    every_asked: bool = False

    @property
    def settled(self) -> bool:
        """True if there is a choice, and nothing is being measured."""
        return self.chosen is not None and self.rivals is None

    @property
    def awaits_compiled(self) -> bool:
        """True if torch could be the fastest once it is compiled, which was not measured yet."""
        times = self.milliseconds
        if self.chosen in (None, TORCH) or self.rivals is not None:
            return False
        if self.left or COMPILED in times:
            return False
        return times.get(TORCH, math.inf) <= _CATCHES_UP * times.get(self.chosen, 0.0)

    def next_for(self, shape: Shape) -> str:
        """Return the label of what runs the next batch."""
        if self.rivals is not None and shape == self.shape:
            return self.rivals.next
        return self.chosen or (self.trial.next if self.trial is not None else TORCH)

    def trial_of(self, shape: Shape) -> EngineTrial | None:
        """Return what the time of a batch, which was run now, is for; ``None`` if for nothing."""
        trial = self.rivals or (self.trial if self.chosen is None else None)
        if trial is None:
            return None
        self.others = 0 if shape == self.shape else self.others + 1
        if self.others == _OTHERS:
            self.others = 0
            if self.rivals is not None:  # compiled torch has its batches' shape, and these another
                self.rivals = None
                self.left = True
                return None
            self.shape = shape
            trial = self.trial = EngineTrial([*(self.engines or ()), TORCH])
        return trial if shape == self.shape else None

    def compare_compiled(self, shape: Shape) -> None:
        """Measure what was chosen and compiled torch, which is there now, in turns."""
        assert self.chosen is not None, "torch alone is compared with nothing"
        self.shape, self.others = shape, 0
        self.rivals = EngineTrial([self.chosen, COMPILED])

    def conclude(self, *, compiled: bool) -> bool:
        """Take the winner of what is measured, if there is one; ``True`` if it has been found now.

        Args:
            compiled: Torch, which is measured, is compiled.
        """
        if self.rivals is not None:
            winner, times = self.rivals.winner, self.rivals.table
            if winner is None:
                return False
            self.rivals = None
            self.chosen = TORCH if winner == COMPILED else winner
        else:
            winner = self.trial.winner if self.trial is not None else None
            if self.trial is None or winner is None or self.chosen is not None:
                return False
            self.chosen, times = winner, dict(self.trial.table)
            if compiled and TORCH in times:
                times[COMPILED] = times.pop(TORCH)
        self.milliseconds = {**self.milliseconds, **times}
        return True
