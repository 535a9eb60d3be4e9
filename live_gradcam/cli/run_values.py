"""What every part of a run is handed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from live_gradcam.choices import OutputChoice
from live_gradcam.cli.console import Console
from live_gradcam.cli.run_arguments import RunArguments

if TYPE_CHECKING:
    from live_gradcam.graph.metadata import GraphMetadata
    from live_gradcam.show.overlay import OverlayOptions
    from live_gradcam.timing import StepProgress


@dataclass(frozen=True, slots=True)
class Run:
    """Values that every part of a run needs.

    Attributes:
        arguments: What was typed.
        console: Takes notices.
        overlay: How frames are drawn.
        forwards: Progress of a slow method.
        meaning: Of the network's output, as it was typed.
        exported: What the network's file says about itself, where it is an exported one.
        began: Unix time, before anything was loaded.
    """

    arguments: RunArguments
    console: Console
    overlay: OverlayOptions
    forwards: StepProgress
    meaning: OutputChoice
    exported: GraphMetadata | None = None
    began: float = field(default_factory=time.time)
