"""Medians to ratios, and both to a table and to JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from live_gradcam.errors import SinkError

if TYPE_CHECKING:
    from live_gradcam.bench.live import Promise

_RATIOS: Mapping[str, tuple[str, Callable[[Mapping[str, float]], float]]] = {
    "explain_over_plain_forward": (
        "explain top 3 from 1280x720 / plain eager fp32 forward",
        lambda ms: ms["explain_top3_720p"] / ms["plain_fp32"],
    ),
    "pytorch_grad_cam_over_ours": (
        "pytorch-grad-cam / ours",
        lambda ms: ms["pytorch_grad_cam"] / ms["explain_top1"],
    ),
    "captum_over_ours": ("captum / ours", lambda ms: ms["captum"] / ms["explain_top1"]),
    "torchcam_over_ours": ("torchcam / ours", lambda ms: ms["torchcam"] / ms["explain_top1"]),
    "top3_over_bare": (
        "explain top 3 / our bare forward",
        lambda ms: ms["explain_top3"] / ms["bare"],
    ),
    "all_classes_over_bare": (
        "explain all 1000 classes / our bare forward",
        lambda ms: ms["explain_all"] / ms["bare"],
    ),
    "bare_over_openvino_bf16": (
        "our bare forward / OpenVINO's in bf16",
        lambda ms: ms["bare"] / ms["openvino_bare_bf16"],
    ),
    "offline_over_floors": (
        "offline rate / rate of decode + explain + encode in turn",
        lambda ms: (ms["decode"] + ms["explain"] + ms["encode"]) / ms["offline"],
    ),
    "offline_over_naive_loop": (
        "offline rate / rate of the usual loop",
        lambda ms: ms["naive_loop"] / ms["offline"],
    ),
}


def ratios_of(medians_ms: Mapping[str, float]) -> dict[str, float]:
    """Return every ratio whose parts were measured."""
    found = {}
    for name, (_, ratio) in _RATIOS.items():
        try:
            found[name] = ratio(medians_ms)
        except KeyError:
            continue  # a peer that is not installed
    return found


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
    _write(
        path,
        {
            "machine": machine(),
            "runtime": runtime,
            "medians_ms": {name: round(value, 4) for name, value in medians_ms.items()},
            "ratios": {name: round(value, 4) for name, value in ratios.items()},
        },
    )


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


def _write(path: Path, content: Mapping[str, object]) -> None:
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SinkError(
            "cannot write the results",
            str(path),
            error.strerror or str(error),
            "choose another file",
        ) from error
