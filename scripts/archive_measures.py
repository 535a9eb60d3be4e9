"""What archives on Ray promise: the same rows, nothing twice, nothing lost, little on top.

    python scripts/archive_measures.py                                 # all bars, full size: hours
    python scripts/archive_measures.py --pictures 300 --films 6        # a rehearsal
    python scripts/archive_measures.py --only same kills --json ray.json

``same``: rows of two workers and of two simulated machines, of which one is lost, against those of
one process. ``kills``: workers and the driver are killed at random moments, and the command typed
again; every id is there once, overlays are whole, 5 % broken files are errors with their message.
``throughput``: two workers against ``run`` over the same files. ``overhead``: wall time on Ray less
the time in which parts were explained, for each small picture. ``memory``: of the driver and of
each worker, from an early file to the last. Ends with code 1 where a promise is not kept; on a
machine that does something else meanwhile the times mean little.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
import pyarrow.dataset
from ray.cluster_utils import Cluster

from live_gradcam.native import av, cv2
from scripts.faults.media import write_film

_NETWORK = ["--model", "scenes", "--compile", "off"]
_FRAMES = 50
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Bar:
    """A promise and what was measured."""

    name: str
    measured: str
    bar: str
    kept: bool


@dataclass(frozen=True)
class Sizes:
    """How much there is to do."""

    pictures: int
    films: int
    worker_kills: int
    driver_kills: int
    early: int


def make_files(folder: Path, pictures: int, films: int, broken: float = 0.05) -> int:
    """Write an archive of small pictures and films; returns how many files of it are broken."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    count = 0
    for number in range(pictures):
        path = folder / f"{number // 1000:03}/p{number}.png"
        path.parent.mkdir(exist_ok=True)
        if broken and number % round(1 / broken) == 7:
            path.write_bytes(b"\x89PNG\r\n\x1a\n no more")
            count += 1
            continue
        cv2.imwrite(str(path), generator.integers(0, 256, (64, 64, 3), np.uint8))
    whole = folder / ".film.mp4"
    if films:
        write_film(whole, frames=_FRAMES, rate=25, image=_moving)
    for number in range(films):
        path = folder / f"films/f{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        if broken and number % round(1 / broken) == 7:
            path.write_text("no film")
            count += 1
        else:
            path.write_bytes(whole.read_bytes())
    whole.unlink(missing_ok=True)
    return count


def _moving(number: int, width: int, height: int) -> np.ndarray:
    columns = (np.arange(width) * 4 + number * 3) % 256
    return np.broadcast_to(columns[None, :, None], (height, width, 3)).astype(np.uint8)


def command(source: Path, dataset: Path, *arguments: str) -> list[str]:
    """Return the command that explains an archive, every frame of it."""
    words = [sys.executable, "-m", "live_gradcam", "archive", str(source), "-o", f"{dataset}/"]
    return [*words, "--every", "1", *_NETWORK, *arguments]


def timed(words: Sequence[str]) -> float:
    """Run a command to its end; returns its seconds."""
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return time.monotonic() - began


def rows_of(dataset: Path) -> list[dict[str, Any]]:
    """Return all rows."""
    table = pyarrow.dataset.dataset(dataset / "frames", partitioning="hive").to_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def largest_difference(some: Path, others: Path) -> float:
    """Compare the figures and maps of two data sets; infinite where other rows are there."""
    first, second = ({row["id"]: row for row in rows_of(each)} for each in (some, others))
    if first.keys() != second.keys():
        return float("inf")
    largest = 0.0
    for name, row in first.items():
        for key, value in row.items():
            other = second[name][key]
            if isinstance(value, float) or (isinstance(value, list) and key != "top_labels"):
                apart = np.abs(np.asarray(value, np.float64) - np.asarray(other, np.float64))
                largest = max(largest, float(np.max(apart)))
            elif value != other:
                return float("inf")
    return largest


def measure_same(home: Path, sizes: Sizes) -> list[Bar]:
    """Rows of one process, of two workers, and of a cluster that loses a machine."""
    source = home / "same"
    make_files(source, min(sizes.pictures, 1000), min(sizes.films, 20))
    timed(command(source, home / "alone", "--maps"))
    timed(command(source, home / "two", "--maps", "--ray", "auto", "--actors", "2"))
    bars = []
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        kept, lost = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
        del kept
        words = command(source, home / "cluster", "--maps", "--ray", cluster.address)
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as driver:
            while driver.poll() is None and not workers_at_work():
                time.sleep(0.05)
            cluster.remove_node(lost, allow_graceful=False)
            _, said = driver.communicate()
        if driver.returncode:
            raise SystemExit(said[-2000:])
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    for name, words_of in (("two", "two workers"), ("cluster", "two machines, one lost")):
        apart = largest_difference(home / "alone", home / name)
        kept_it = apart <= _TOLERANCE
        bars.append(Bar(f"rows of {words_of} and of one process", f"{apart:.1e}", "1e-5", kept_it))
    return bars


def workers_at_work(driver: int | None = None) -> list[psutil.Process]:
    """Return the workers that explain a part: below a driver, or of everybody on this machine."""
    found = []
    everybody = psutil.process_iter() if driver is None else below(driver)
    for process in everybody:
        try:
            if "ray::RayWorker.explain" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def below(driver: int) -> list[psutil.Process]:
    """Return all processes that a driver has started, itself or by others."""
    try:
        children: list[psutil.Process] = psutil.Process(driver).children(recursive=True)
    except psutil.Error:
        return []
    return children


def measure_kills(home: Path, sizes: Sizes) -> list[Bar]:
    """Kill workers and drivers at random moments; count what is there in the end."""
    source, dataset, overlays = home / "killed", home / "killed-rows", home / "killed-heat"
    broken = make_files(source, sizes.pictures, sizes.films)
    words = command(source, dataset, "--overlays", str(overlays), "--ray", "auto", "--actors", "2")
    chance = random.Random(0)
    kills = [(chance.uniform(0.02, 0.9), "worker") for _ in range(sizes.worker_kills)]
    kills += [(chance.uniform(0.1, 0.8), "driver") for _ in range(sizes.driver_kills)]
    kills.sort()
    struck: Counter[str] = Counter()
    parts = 0
    while True:
        with (home / "said.txt").open("a") as said, subprocess.Popen(words, stderr=said) as driver:
            while driver.poll() is None:
                time.sleep(chance.uniform(0.0, 0.2))
                parts = parts or count_parts(dataset)
                done = len(list((dataset / "files").glob("part-*"))) / parts if parts else 0.0
                at_work = workers_at_work(driver.pid)
                if not kills or done < kills[0][0] or not at_work:
                    continue
                _, which = kills.pop(0)
                victim = chance.choice(at_work) if which == "worker" else psutil.Process(driver.pid)
                try:
                    victim.kill()
                    struck[which] += 1
                except psutil.Error:
                    continue
                if which == "driver":
                    break
            code = driver.wait()
        if code >= 0:
            break
    if code:
        raise SystemExit((home / "said.txt").read_text()[-2000:])
    ids = Counter(row["id"] for row in rows_of(dataset))
    expected = {
        f"{path}#{frame}"
        for path in source.rglob("*.*")
        if path.stat().st_size > 30
        for frame in range(_FRAMES if path.suffix == ".mp4" else 1)
    }
    lost, doubled = len(expected - ids.keys()), sum(count > 1 for count in ids.values())
    strange = len(ids.keys() - expected)
    errors = [json.loads(line) for line in (dataset / "errors.jsonl").read_text().splitlines()]
    said_so = sum(bool(each["error"]) and Path(each["file"]).stat().st_size < 30 for each in errors)
    bad, left = check_overlays(overlays, len(ids) - (_FRAMES - 1) * whole_films(source))
    killed = f"{struck['worker']} workers, {struck['driver']} drivers killed"
    good = not (lost or doubled or strange)
    words_of = f"{lost} lost, {doubled} doubled, {strange} strange of {len(expected)}; {killed}"
    return [
        Bar("every id exactly once", words_of, "0", good),
        Bar("overlays whole", f"{bad} are not, {left} left over", "0", not bad and not left),
        Bar("broken files with their error", f"{said_so} of {broken}", "all", said_so == broken),
    ]


def count_parts(dataset: Path) -> int:
    """Return the number of parts that are planned; 0 before there is a plan."""
    plans = (dataset / "plan").glob("plan-*.jsonl")
    return sum(max(0, len(path.read_text().splitlines()) - 1) for path in plans)


def whole_films(source: Path) -> int:
    """Return the number of films that can be read."""
    return sum(path.stat().st_size > 30 for path in source.rglob("*.mp4"))


def check_overlays(folder: Path, expected: int) -> tuple[int, int]:
    """Return how many overlays are missing or not whole, and how many files are left over."""
    bad, whole, left = 0, 0, 0
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if path.name.startswith("."):
            left += 1
        elif path.suffix == ".mp4":
            with av.open(str(path)) as film:
                bad += sum(1 for _ in film.decode(video=0)) != _FRAMES
            whole += 1
        else:
            bad += cv2.imread(str(path)) is None
            whole += 1
    return bad + abs(expected - whole), left


def measure_throughput(home: Path, sizes: Sizes) -> list[Bar]:
    """Time ``run`` and two workers over the same files, start and end included."""
    source = home / "fast"
    make_files(source, sizes.pictures, sizes.films, broken=0)
    run = [sys.executable, "-m", "live_gradcam", "run", str(source), *_NETWORK, "--resume"]
    alone = timed([*run, "-o", str(home / "fast.jsonl")])
    two = timed(command(source, home / "fast-rows", "--ray", "auto", "--actors", "2"))
    rate = alone / two
    words = f"{rate:.2f} ({alone:.1f} s against {two:.1f} s)"
    return [Bar("two workers against run", words, ">= 0.9", rate >= 0.9)]


def measure_overhead_and_memory(home: Path, sizes: Sizes) -> list[Bar]:
    """Explain small pictures by two workers; what Ray takes on top, and what memory grows by."""
    source, dataset = home / "small", home / "small-rows"
    make_files(source, sizes.pictures, 0, broken=0)
    words = command(source, dataset, "--ray", "auto", "--actors", "2")
    samples: dict[str, list[tuple[int, int]]] = {}
    began = time.monotonic()
    with (home / "small.txt").open("w") as said, subprocess.Popen(words, stderr=said) as driver:
        while driver.poll() is None:
            done = sum(1 for _ in (dataset / "files").glob("part-*"))
            for process in (psutil.Process(driver.pid), *workers_at_work(driver.pid)):
                try:
                    name = "driver" if process.pid == driver.pid else f"worker {process.pid}"
                    samples.setdefault(name, []).append((done, process.memory_full_info().uss))
                except psutil.Error:
                    continue
            time.sleep(0.3)
    wall = time.monotonic() - began
    table = pyarrow.dataset.dataset(dataset / "files").to_table(["seconds"])
    explaining = sum(table.column("seconds").to_pylist())
    each = (wall - explaining / 2) / sizes.pictures * 1e3
    bars = [Bar("Ray on top, each picture", f"{each:.2f} ms", "<= 2 ms", each <= 2)]
    early = sizes.early / sizes.pictures * count_parts(dataset)
    for name, seen in samples.items():
        after = [uss for done, uss in seen if done >= early]
        if len(after) < 4:
            continue
        window = max(1, len(after) // 10)
        first, last = statistics.median(after[:window]), statistics.median(after[-window:])
        growth = last / first - 1
        size = f"{growth:+.1%} ({first / 2**20:.0f} to {last / 2**20:.0f} MiB)"
        bars.append(Bar(f"memory of {name.split()[0]}", size, "< 5 %", growth < 0.05))
    return bars


_MEASURES: dict[str, Callable[[Path, Sizes], list[Bar]]] = {
    "same": measure_same,
    "kills": measure_kills,
    "throughput": measure_throughput,
    "small": measure_overhead_and_memory,
}


def main() -> int:
    """Measure, print a table, and say whether everything is kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=_MEASURES, default=list(_MEASURES))
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--films", type=int, default=300)
    parser.add_argument("--worker-kills", type=int, default=10)
    parser.add_argument("--driver-kills", type=int, default=2)
    parser.add_argument("--early", type=int, default=1000, help="file from which memory counts")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sizes = Sizes(given.pictures, given.films, given.worker_kills, given.driver_kills, given.early)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    bars: list[Bar] = []
    with tempfile.TemporaryDirectory(prefix="archive-measures-") as folder:
        for name in given.only:
            for bar in _MEASURES[name](Path(folder), sizes):
                kept = "kept" if bar.kept else "NOT KEPT"
                print(f"| {bar.name} | {bar.measured} | {bar.bar} | {kept} |", flush=True)
                bars.append(bar)
    if given.json:
        given.json.write_text(json.dumps(list(map(asdict, bars)), indent=1) + "\n")
    return 0 if all(bar.kept for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
