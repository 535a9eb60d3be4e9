"""Outputs that fail, each really: full disks, limits, places without permission or existence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from scripts.faults.runs import Run, complete_records, playable_times, small_disk

_SCENE = ("run", "scene", "--model", "scenes", "--compile", "off", "--quiet")
_SIZE = ("--width", "320", "--height", "240")


@dataclass(frozen=True, slots=True)
class OutputFault:
    """One run whose output fails.

    Attributes:
        what: Makes it fail.
        output: Form of the output, as a file name.
        place: Makes the folder for the output; what it yields is where the output goes.
        limit_bytes: Of every file of the process.
        frames: How many frames the run would have.
    """

    what: str
    output: str
    place: Callable[[Path], contextlib.AbstractContextManager[Path]]
    limit_bytes: int | None = None
    frames: int = 150


@contextlib.contextmanager
def _plain(folder: Path) -> Iterator[Path]:
    yield folder


@contextlib.contextmanager
def _missing(folder: Path) -> Iterator[Path]:
    yield folder / "no" / "such"


def _full(output: str) -> Callable[[Path], contextlib.AbstractContextManager[Path]]:
    @contextlib.contextmanager
    def place(folder: Path) -> Iterator[Path]:
        (folder / output).symlink_to("/dev/full")
        yield folder

    return place


def _disk(kilobytes: int) -> Callable[[Path], contextlib.AbstractContextManager[Path]]:
    return lambda folder: small_disk(folder, kilobytes=kilobytes)


def _read_only(folder: Path) -> contextlib.AbstractContextManager[Path]:
    return small_disk(folder, kilobytes=1024, read_only=True)


def output_faults(seed: int) -> list[OutputFault]:
    """Forty of them; the moments at which space ends depend on the seed."""
    chance = Random(seed)
    faults = []

    def bytes_up_to(most: int) -> int:
        return round(chance.uniform(0.002, 1) * most)

    for output, most, count in (
        ("x.mp4", 250_000, 7),
        ("x.mkv", 250_000, 4),
        ("x.mov", 250_000, 1),
        ("x.jsonl", 60_000, 3),
        ("x.csv", 30_000, 2),
        ("pictures/", 60_000, 1),
    ):
        for _ in range(count):
            limit = bytes_up_to(most)
            faults.append(OutputFault("file-size limit", output, _plain, limit_bytes=limit))
    for output, most, count in (
        ("x.mp4", 250, 4),
        ("x.mkv", 250, 2),
        ("x.jsonl", 56, 1),
        ("pictures/", 1000, 1),
    ):
        for _ in range(count):
            kilobytes = max(4, bytes_up_to(most))
            faults.append(OutputFault("disk full", output, _disk(kilobytes)))
    for output in ("x.mp4", "x.mkv", "x.jsonl", "x.csv", "x.png"):
        faults.append(OutputFault("/dev/full", output, _full(output)))
    for output in ("x.mp4", "x.mkv", "x.jsonl", "x.png", "pictures/"):
        faults.append(OutputFault("read-only", output, _read_only))
    for output in ("x.mp4", "x.jsonl", "x.png", "pictures/"):
        faults.append(OutputFault("missing folder", output, _missing))
    return faults


def cause(fault: OutputFault, folder: Path) -> str:
    """Run the real command into a fault.

    Returns:
        What is wrong with how it ended; empty if it ended as it should.

    Raises:
        PermissionError: This fault can only be made by root.
    """
    folder.mkdir()
    with fault.place(folder) as place:
        output = place / fault.output.rstrip("/")
        frames = 1 if fault.output.endswith(".png") else fault.frames
        other = [] if fault.limit_bytes is not None else ["-o", folder / "other.jsonl"]
        spec = f"{output}/" if fault.output.endswith("/") else output
        arguments = [*_SCENE, *_SIZE, "--max-frames", frames, "--overwrite", "-o", spec, *other]
        with Run(arguments, folder, limit_bytes=fault.limit_bytes) as run:
            if run.wait(180) is None:
                return "it never ended"
            wrong = _judge(run, fault, output)
        if other and complete_records(folder / "other.jsonl") < 0:
            wrong += ["the other output is damaged"]
        return "; ".join(wrong)


def _judge(run: Run, fault: OutputFault, output: Path) -> list[str]:
    lines = run.errors.splitlines()
    if run.exit_code != 4:
        return [f"exit code {run.exit_code}: {run.errors[-300:]}"]
    if len(lines) != 1 or not lines[0].startswith("error: ") or str(output) not in lines[0]:
        return [f"it says {run.errors!r}"]
    wrong = []
    device = output.is_symlink()
    kept = re.search(r"first (\d+) frames?\b", lines[0])
    if output.suffix in (".mp4", ".mkv", ".mov"):
        played = 0 if device else len(playable_times(output))
        if played != (int(kept[1]) if kept else 0):
            wrong.append(f"{played} frames can be played, it says {lines[0]!r}")
        if not kept and not device and output.exists():
            wrong.append("what cannot be played was left behind")
    elif output.suffix == ".jsonl" and not device:
        said = re.search(r"(\d+) complete records? (?:are|is) kept", lines[0])
        if complete_records(output) != (int(said[1]) if said else 0):
            wrong.append(f"{complete_records(output)} records are whole, it says {lines[0]!r}")
    return wrong
