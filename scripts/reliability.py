"""Cause every kind of harm for real, and measure what is left: the table of the README.

    python scripts/reliability.py                 # all of it, about 40 minutes on two cores
    python scripts/reliability.py --row 2 --row 9 # some rows
    python scripts/reliability.py --quick         # a tenth of everything

Processes are killed and interrupted, disks filled, checkpoints poisoned, connections cut. Each row
has a bar; the exit code is 1 if one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
import torch
from PIL import Image as PilImages

import live_gradcam as lg
from live_gradcam.capture.scene import SceneSource
from live_gradcam.painter import Painter
from live_gradcam.pipeline import Progress
from live_gradcam.protocol import ClassChoice
from live_gradcam.show.overlay import OverlayOptions
from scripts.faults.bad_weights import CASES, MODEL, good_state
from scripts.faults.odd_films import FILMS
from scripts.faults.output_faults import cause, output_faults
from scripts.faults.runs import Run, playable_times
from scripts.faults.servers import LoopbackServer, MjpegServer, RtspServer
from scripts.faults.verdicts import compare_in_threads, ending, through_pipeline

_SCRIPTS = Path(__file__).resolve().parent
_SCENES = ("--model", "scenes", "--compile", "off")
_START_SECONDS = 120.0
_MEGABYTE = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """The amount of work, and its place.

    Attributes:
        quick: A tenth of everything.
        seed: Of every random choice.
        folder: For files; emptied afterwards.
        jobs: Processes at a time, where time is not what is measured.
    """

    quick: bool
    seed: int
    folder: Path
    jobs: int

    def count(self, whole: int) -> int:
        """Return a number of repetitions, a tenth of the whole where it is to be quick."""
        return max(2, whole // 10) if self.quick else whole


@dataclass(frozen=True, slots=True)
class Outcome:
    """The measurement of a row.

    Attributes:
        figure: In a few words.
        misses: What went wrong, one sentence each; empty if the bar is reached.
    """

    figure: str
    misses: list[str]


def inputs(setting: Setting) -> Outcome:
    """Row 1: broken films and pictures."""
    count = setting.count(5000)
    words = ["--videos", str(count), "--pictures", str(count), "--seed", str(setting.seed)]
    lines, code = _script("fuzz_inputs.py", words)
    found = [[int(word) for word in line.split()[1:]] for line in lines if _is_count(line)]
    crashes, hangs, foreign = (sum(row[column] for row in found) for column in (4, 5, 6))
    figure = f"{2 * count} inputs: {crashes} crashes, {hangs} hangs, {foreign} foreign errors"
    return Outcome(figure, [] if code == 0 else lines[-5:])


def _is_count(line: str) -> bool:
    return bool(re.match(r"(video|picture)( +\d+)+$", line))


def kills(setting: Setting) -> Outcome:
    """Row 2: kill -9 while recording."""
    chance = Random(f"kills {setting.seed}")
    # Behind the first third of a second: before that there is nothing to lose.
    moments = [chance.uniform(0.33, 6.0) for _ in range(setting.count(50))]
    misses: list[str] = []

    with MjpegServer() as server:

        def attempt(number: int) -> float:
            source = server.address if number % 2 else "scene"
            output = setting.folder / f"kill-{number}{('.mp4', '.mp4', '.mkv')[number % 3]}"
            arguments = ["run", source, *_SCENES, "-o", output, "-o", "-", "--quiet"]
            limit = ["--max-frames", "100000"]
            with Run([*arguments, *limit], setting.folder) as run:
                if not run.wait_for_records(1, _START_SECONDS):
                    misses.append(f"no frame: {run.errors}")
                    return 0.0
                time.sleep(moments[number])
                run.send(signal.SIGKILL)
                run.wait(10)
                done = run.times
            played = playable_times(output)
            # A recording of a live source begins at 0 with the first frame that was seen.
            lost = (done[-1] - done[0]) - (played[-1] - played[0] if played else -1.0)
            if not played or lost > 1.5:
                misses.append(f"{output.name}: {len(done)} frames done, {len(played)} playable")
            output.unlink(missing_ok=True)
            return lost

        lost = list(_in_parallel(setting.jobs, attempt, len(moments)))
    figure = f"{len(lost) - len(misses)} of {len(lost)} playable, at most {max(lost):.2f} s lost"
    return Outcome(figure, misses)


def drops(setting: Setting) -> Outcome:
    """Row 3: streams that go away and come back."""
    words = ["--drops", str(setting.count(100)), "--stalls", "0", "--seed", str(setting.seed)]
    lines, code = _script("drop_streams.py", words)
    rows = [line.split() for line in lines if " drop " in line]
    handles = re.findall(r"handles (\d+ -> \d+), threads (\d+ -> \d+)", "\n".join(lines))
    figure = ", ".join(f"{row[0].removesuffix('Server')} {row[4]} s" for row in rows)
    growth = "; ".join(f"handles {one}, threads {two}" for one, two in handles)
    return Outcome(f"worst {figure}; {growth}", [] if code == 0 else lines)


def stalls(setting: Setting) -> Outcome:
    """Row 4: streams that fall silent, and Ctrl-C while a connection hangs."""
    count = setting.count(20)
    words = ["--drops", "0", "--stalls", str(count), "--seed", str(setting.seed)]
    lines, code = _script("drop_streams.py", words)
    worst = max(float(line.split()[4]) for line in lines if " stall " in line)
    misses = [] if code == 0 else lines
    slowest = 0.0
    for number in range(count):
        kind: type[LoopbackServer] = (MjpegServer, RtspServer)[number % 2]
        with kind() as server:
            seconds, wrong = _interrupt_hanging(server, setting, at_first=number % 4 < 2)
        slowest = max(slowest, seconds)
        misses += wrong
    return Outcome(f"noticed after {worst:.2f} s (timeout 1 s); Ctrl-C {slowest:.2f} s", misses)


def _interrupt_hanging(
    server: LoopbackServer, setting: Setting, *, at_first: bool
) -> tuple[float, list[str]]:
    """Press Ctrl-C while the server is silent, at once or after some pictures."""
    if at_first:
        server.go_silent()
    output = setting.folder / "hanging.mp4"
    arguments = ["run", server.address, *_SCENES, "-o", output, "-o", "-", "--overwrite"]
    with Run(arguments, setting.folder) as run:
        if at_first:
            while server.connections == 0 and run.process.poll() is None:
                time.sleep(0.05)
        elif run.wait_for_records(10, _START_SECONDS):
            server.stall()
        time.sleep(0.5)
        run.send(signal.SIGINT)
        seconds = run.wait(10)
        wrong = _in_time(seconds) + ending(run, seconds, signal.SIGINT, output)
    server.resume()
    return seconds or 10.0, wrong


def endurance(setting: Setting) -> Outcome:
    """Row 5: many frames, in a process of its own."""
    frames = setting.count(10_000)
    done = subprocess.run(
        [sys.executable, __file__, "--endure", str(frames), "--seed", str(setting.seed)],
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        return Outcome("it broke", [f"exit code {done.returncode}"])
    found = json.loads(done.stdout)
    misses = []
    if found["growth_mb"] >= 20:
        misses.append(f"memory grows by {found['growth_mb']:.1f} MB")
    for what in ("handles", "threads"):
        first, last = found[what]
        if last > first:
            misses.append(f"{what} grow from {first} to {last}")
    figure = (
        f"{frames} frames: +{found['growth_mb']:.1f} MB, handles {_arrow(found['handles'])}, "
        f"threads {_arrow(found['threads'])}"
    )
    return Outcome(figure, misses)


def _painter() -> Painter:
    return Painter(OverlayOptions(), moving=True)


def _arrow(pair: list[int]) -> str:
    return f"{pair[0]} -> {pair[1]}"


def endure(frames: int, seed: int, folder: Path) -> None:
    """Explain a number of frames into a video and records; print what the process needs for it."""
    process = psutil.Process()
    warm = min(500, frames // 2)
    memory: list[float] = []
    counts: list[tuple[int, int]] = []

    def look(progress: Progress) -> None:
        if progress.frames >= warm and progress.frames % 50 == 0 and progress.frames < frames:
            memory.append(process.memory_info().rss / _MEGABYTE)
            handles = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
            counts.append((handles, process.num_threads()))

    # The first frame waits for the compiler: whatever is loaded late is loaded by then.
    with (
        SceneSource(seed=seed) as source,
        lg.Explainer(lg.load_classifier("scenes"), compile="on") as explainer,
    ):
        lg.run_offline(
            source,
            explainer,
            [lg.open_sink(folder / name, source.info) for name in ("long.mp4", "long.jsonl")],
            painter=_painter(),
            options=lg.RunOptions(max_frames=frames, batch_size=explainer.preferred_batch_size),
            on_progress=look,
        )
    found = {
        "growth_mb": max(memory) - memory[0],
        "handles": [counts[0][0], max(handles for handles, _ in counts)],
        "threads": [counts[0][1], max(threads for _, threads in counts)],
    }
    sys.stdout.write(json.dumps(found))


def odd_films(setting: Setting) -> Outcome:
    """Row 6: films that are odd, through the whole pipeline and out again."""
    misses: list[str] = []
    films = FILMS[:: 6 if setting.quick else 1]
    total = 0
    with lg.Explainer(lg.load_classifier("scenes"), compile="off") as explainer:
        for film in films:
            path = setting.folder / film.name
            film.make(path)
            frames, wrong = through_pipeline(path, explainer, setting.folder / "out")
            total += frames
            misses += [f"{film.what} ({film.name}): {sentence}" for sentence in wrong]
    good = len(films) - len({miss.partition(":")[0] for miss in misses})
    return Outcome(f"{good} of {len(films)} films, {total} frames, all in time", misses)


def failing_outputs(setting: Setting) -> Outcome:
    """Row 7: outputs that fail."""
    faults = output_faults(setting.seed)[:: 8 if setting.quick else 1]
    misses: list[str] = []
    impossible: list[str] = []

    def attempt(number: int) -> None:
        fault = faults[number]
        try:
            wrong = cause(fault, setting.folder / f"fault-{number}")
        except PermissionError as error:
            impossible.append(str(error))
            return
        if wrong:
            misses.append(f"{fault.what}, {fault.output}: {wrong}")

    list(_in_parallel(setting.jobs, attempt, len(faults)))
    made = len(faults) - len(impossible)
    left_out = f" ({len(impossible)} need root)" if impossible else ""
    return Outcome(f"{made - len(misses)} of {made} with code 4, named, whole{left_out}", misses)


def checkpoints(setting: Setting) -> Outcome:
    """Row 8: weights that are hostile or broken."""
    image = _write_image(setting.folder)
    good = setting.folder / "good.pth"
    torch.save(good_state(), good)
    # A class that does not exist ends the program as soon as the network stands.
    loads = [_peak(["run", image, "-o", "-", "--model", MODEL, "--weights", good, "--class", "x"],
                   setting.folder) for _ in range(3)]  # fmt: skip
    base = min(memory for _, _, memory, _ in loads)
    misses, slowest, largest = [], 0.0, 0.0
    cases = CASES[:: 8 if setting.quick else 1]
    for number, case in enumerate(cases):
        place = setting.folder / f"weights-{number}"
        place.mkdir()
        path, canary = place / "weights.pth", place / "canary"
        case.write(path, canary)
        words = ["run", image, "-o", "-", "--model", MODEL, "--weights", path]
        if case.labels is not None:
            (place / "labels.txt").write_text(case.labels)
            words += ["--labels", place / "labels.txt"]
        code, seconds, memory, said = _peak(words, place)
        slowest, largest = max(slowest, seconds), max(largest, memory - base)
        wrong = []
        if code != 5 or len(said.splitlines()) != 1 or case.says.lower() not in said.lower():
            wrong.append(f"code {code}, {said[-300:]!r}")
        if canary.exists():
            wrong.append("its code ran")
        if "weights_only" in said:
            wrong.append("torch's own advice got through")
        if seconds > 5 or memory - base > 200:
            wrong.append(f"{seconds:.1f} s, {memory - base:+.0f} MB")
        misses += [f"{case.name}: {sentence}" for sentence in wrong]
        shutil.rmtree(place)
    figure = (
        f"{len(cases)} files: code 5, {len(misses)} misses, at most {slowest:.1f} s, "
        f"{largest:+.0f} MB beyond a load"
    )
    return Outcome(figure, misses)


def _peak(words: list[object], folder: Path) -> tuple[int, float, float, str]:
    """Run the command: exit code, seconds, peak memory in MB, standard error."""
    with tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "live_gradcam", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=folder,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        text = errors.read().decode("utf-8", "replace")
    return process.returncode, seconds, usage.ru_maxrss / 1024, text


def _write_image(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    PilImages.fromarray(pixels).save(folder / "picture.png")
    return folder / "picture.png"


def signals(setting: Setting) -> Outcome:
    """Row 9: SIGINT and SIGTERM at random moments, start-up included."""
    chance = Random(f"signals {setting.seed}")
    start = _seconds_to_first_frame(setting)
    misses: list[str] = []
    slowest, starting, recorded = 0.0, 0, 0
    count = setting.count(25)
    for number in range(2 * count):
        kind = (signal.SIGINT, signal.SIGTERM)[number % 2]
        output = setting.folder / f"signal-{number}.mp4"
        words = ["run", "scene", *_SCENES, "--max-frames", "100000", "-o", output, "-o", "-"]
        early = number % 5 < 3
        with Run([*words, "--quiet"], setting.folder) as run:
            if early:
                time.sleep(chance.uniform(0.03, start))
            else:
                run.wait_for_records(1, _START_SECONDS)
                time.sleep(chance.uniform(0.0, 3.0))
            run.send(kind)
            seconds = run.wait(20)
            misses += _in_time(seconds) + ending(run, seconds, kind, output)
            starting += not run.times
            recorded += bool(run.times)
        slowest = max(slowest, seconds or 20.0)
        output.unlink(missing_ok=True)
    figure = (
        f"{2 * count} signals ({starting} before the first frame, {recorded} while recording): "
        f"{len(misses)} misses, at most {slowest:.2f} s"
    )
    return Outcome(figure, misses)


def _in_time(seconds: float | None) -> list[str]:
    return [f"it took {seconds:.2f} s"] if seconds is not None and seconds > 2.0 else []


def _seconds_to_first_frame(setting: Setting) -> float:
    words = ["run", "scene", *_SCENES, "--max-frames", "3", "-o", "-", "--quiet"]
    with Run(words, setting.folder) as run:
        run.wait_for_records(1, _START_SECONDS)
        return time.monotonic() - run.started


def many_threads(setting: Setting) -> Outcome:
    """Row 10: one explainer in many threads."""
    calls = setting.count(1000)
    with SceneSource(seed=setting.seed, max_frames=240) as source:
        images = [frame.image for frame in source][::15]
    choices: tuple[ClassChoice, ...] = (None, "top", 3, (5, 1))
    with lg.Explainer(lg.load_classifier("scenes")) as explainer:
        tasks = [(image, choice) for image in images for choice in choices]
        wrong = compare_in_threads(explainer, tasks, calls=calls, seed=setting.seed)
    figure = f"{8 * calls} calls in 8 threads: {len(wrong)} wrong maps"
    return Outcome(figure, wrong[:20])


def _in_parallel(jobs: int, work: Callable[[int], T], count: int) -> Iterator[T]:
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(work, range(count))


def _script(name: str, words: list[str]) -> tuple[list[str], int]:
    """Run another script; its lines and its exit code."""
    done = subprocess.run(
        [sys.executable, str(_SCRIPTS / name), *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.stdout.splitlines(), done.returncode


ROWS: dict[int, tuple[str, str, Callable[[Setting], Outcome]]] = {
    1: ("broken films and pictures", "0 crashes, hangs, foreign errors", inputs),
    2: ("kill -9 while recording", "all playable, at most 1.5 s lost", kills),
    3: ("streams that drop", "back within 1 s (MJPEG), 2 s (RTSP)", drops),
    4: ("streams that stall", "noticed within timeout + 0.5 s; Ctrl-C 2 s", stalls),
    5: ("10,000 frames", "+20 MB, handles and threads flat", endurance),
    6: ("odd films", "every frame, within a tick", odd_films),
    7: ("outputs that fail", "code 4, playable, named", failing_outputs),
    8: ("hostile and broken checkpoints", "code 5, nothing run, 5 s, +200 MB", checkpoints),
    9: ("SIGINT and SIGTERM", "130 and 143 within 2 s, playable", signals),
    10: ("8 threads on one explainer", "0 wrong maps", many_threads),
}
"""Number: what, bar, and how it is measured."""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--row", type=int, action="append", choices=sorted(ROWS))
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--endure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    missed = False
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reliability-")))
        if options.endure is not None:
            endure(options.endure, options.seed, folder)
            return 0
        for number in options.row or sorted(ROWS):
            what, bar, measure = ROWS[number]
            place = folder / str(number)
            place.mkdir()
            began = time.monotonic()
            outcome = measure(Setting(options.quick, options.seed, place, options.jobs))
            missed |= bool(outcome.misses)
            verdict = "MISSED" if outcome.misses else "ok"
            seconds = time.monotonic() - began
            print(f"{number:>2} | {what} | {bar} | {outcome.figure} | {verdict} | {seconds:.0f} s")
            for miss in outcome.misses:
                print(f"     {miss}")
            sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
