"""What is known about the graph for one size of images while it is made, measured and used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from live_gradcam.explain.engine.candidates import Candidate
from live_gradcam.explain.engine.fused import Shape
from live_gradcam.explain.engine.graph_network import GraphNetwork
from live_gradcam.explain.engine.trial import EngineTrial

Size: TypeAlias = "tuple[int, int]"
"""Height and width of the network's input."""


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
    """What is known about one size of the network's input."""

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
    every_asked: bool = False
