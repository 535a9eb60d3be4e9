"""What a run says at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.cli.console import Console

if TYPE_CHECKING:
    from live_gradcam.pipeline import Summary


def print_summary(console: Console, summary: Summary, *, verbose: bool = False) -> None:
    """Print what was done, notes and outputs of a run, in a few lines.

    Args:
        console: Where it is printed.
        summary: Of the run.
        verbose: With the durations of the stages, where frames follow each other.
    """
    unit = "picture" if summary.pictures else "frame"
    units = unit if summary.frames == 1 else f"{unit}s"
    rate = "" if summary.pictures else f", {summary.per_second:.1f} FPS"
    console.note(
        f"{summary.frames} {units} in {summary.seconds:.1f} s{rate}"
        + (f", {summary.skipped} skipped" if summary.skipped else "")
        + (f", {summary.dropped} dropped" if summary.dropped else "")
    )
    if summary.stages and verbose and not summary.pictures:
        stages = ", ".join(
            f"{name} {times.p50_ms:.1f}/{times.p95_ms:.1f}"
            for name, times in summary.stages.items()
        )
        console.note(f"p50/p95 in ms: {stages}")
    if summary.latency is not None:
        console.note(
            f"capture to show: p50 {summary.latency.p50_ms:.0f} ms, "
            f"p95 {summary.latency.p95_ms:.0f} ms"
        )
    for note in summary.notes:
        console.note(f"note: {note}")
    for output in summary.outputs:
        console.note(f"wrote {output}")
