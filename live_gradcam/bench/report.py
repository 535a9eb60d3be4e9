"""Medians to ratios, and both to a table and to JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from live_gradcam.errors import SinkError

if TYPE_CHECKING:
    from live_gradcam.bench.busy import BusyRow
    from live_gradcam.bench.live import Promise

# Description, and the cases that are divided: the sum of the first ones by the last one.
_RATIOS: Mapping[str, tuple[str, str, str]] = {
    "explain_over_plain_forward": (
        "explain top 3 from 1280x720 / plain eager fp32 forward",
        "explain_top3_720p",
        "plain_fp32",
    ),
    "pytorch_grad_cam_over_ours": ("pytorch-grad-cam / ours", "pytorch_grad_cam", "explain_top1"),
    "captum_over_ours": ("captum / ours", "captum", "explain_top1"),
    "torchcam_over_ours": ("torchcam / ours", "torchcam", "explain_top1"),
    "top3_over_bare": ("explain top 3 / our bare forward", "explain_top3", "bare"),
    "all_classes_over_bare": ("explain all 1000 classes / our bare forward", "explain_all", "bare"),
    "bare_over_openvino_bf16": (
        "our bare forward / OpenVINO's in bf16",
        "bare",
        "openvino_bare_bf16",
    ),
    "offline_over_floors": (
        "offline rate / rate of decode + explain + encode in turn",
        "decode explain encode",
        "offline",
    ),
    "offline_over_naive_loop": ("offline rate / rate of the usual loop", "naive_loop", "offline"),
}


def ratios_of(medians_ms: Mapping[str, float]) -> dict[str, float]:
    """Return every ratio whose parts were measured; a peer that is not installed was not."""
    return {
        name: sum(medians_ms[part] for part in parts.split()) / medians_ms[by]
        for name, (_, parts, by) in _RATIOS.items()
        if {*parts.split(), by} <= medians_ms.keys()
    }


def ratio_title(name: str) -> str:
    """Return the description of a ratio."""
    return _RATIOS[name][0]


def machine() -> str:
    """Describe the machine in one line: ratios travel, milliseconds do not."""
    import torch

    return (
        f"{_processor()}, {os.cpu_count()} processors, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def write_json(
    path: Path, *, medians_ms: Mapping[str, float], ratios: Mapping[str, float], runtime: str
) -> None:
    """Write the results.

    Raises:
        SinkError: The file cannot be written.
    """
    rounded = {
        title: {name: round(value, 4) for name, value in figures.items()}
        for title, figures in (("medians_ms", medians_ms), ("ratios", ratios))
    }
    _write(path, {"machine": machine(), "runtime": runtime, **rounded})


def promises_markdown(promises: Sequence[Promise]) -> str:
    """Format the promises as a table for a README."""
    rows = ["| promise | bar | measured | kept |", "|---|---|---|---|"]
    rows += [
        f"| {each.what} | {each.bar} | {each.measured} | {'yes' if each.kept else 'no'} |"
        for each in promises
    ]
    return "\n".join(rows) + "\n"


def write_promises(path: Path, promises: Sequence[Promise]) -> None:
    """Write every number that was measured.

    Raises:
        SinkError: The file cannot be written.
    """
    rows = [
        {
            "promise": each.what,
            "bar": each.bar,
            "measured": each.measured,
            "kept": each.kept,
            "numbers": {name: round(value, 6) for name, value in each.numbers.items()},
        }
        for each in promises
    ]
    _write(path, {"machine": machine(), "promises": rows})


def write_busy(path: Path, rows: Sequence[BusyRow], processes: int) -> None:
    """Write what every engine takes on the quiet and on the busy machine.

    Raises:
        SinkError: The file cannot be written.
    """
    engines = {
        row.name: {"quiet_ms": round(row.quiet_ms, 4), "busy_ms": round(row.busy_ms, 4)}
        for row in rows
    }
    _write(path, {"machine": machine(), "competing_processes": processes, "engines": engines})


def _write(path: Path, content: Mapping[str, object]) -> None:
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        cause = error.strerror or str(error)
        raise SinkError(
            "cannot write the results", str(path), cause, "choose another file"
        ) from error
