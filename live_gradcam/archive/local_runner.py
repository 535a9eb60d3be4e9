"""The runner of an archive that takes nothing but this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from live_gradcam.archive.part_explainer import PartExplainer
from live_gradcam.archive.parts import Abandoned, Part, PartSummary
from live_gradcam.lifecycle import StopToken


class Runner(Protocol):
    """Explains and commits parts, in any order, anywhere: `run_here`, or a cluster."""

    def __call__(
        self,
        parts: Iterable[Part],
        first: PartExplainer,
        *,
        stop: StopToken,
        on_done: Callable[[PartSummary], None],
        on_frames: Callable[[int], None],
        on_notice: Callable[[str], None],
    ) -> None:
        """Explain parts until none is left, or an end is asked for.

        Args:
            parts: What is left to do; taken one after another, when there is room for one.
            first: What explains them, with its options; close it if others do.
            stop: When set, what is at hand is given up.
            on_done: Told each part that is committed, in the caller's thread.
            on_frames: Told how many frames are done of parts that are not, where that is known.
            on_notice: Told each sentence that users should know.

        Raises:
            LiveGradcamError: The network cannot be used, an output failed, or a file is broken and
                the options are strict.
        """


def run_here(
    parts: Iterable[Part],
    first: PartExplainer,
    *,
    stop: StopToken,
    on_done: Callable[[PartSummary], None],
    on_frames: Callable[[int], None],
    on_notice: Callable[[str], None],
) -> None:
    """Explain parts one after another in this process; see `Runner`."""
    del on_notice  # the explainer has its own
    for part in parts:
        if stop.requested:
            return
        try:
            summary = first.explain(part, stop=stop, on_frames=on_frames)
        except Abandoned:
            return
        on_done(summary)
