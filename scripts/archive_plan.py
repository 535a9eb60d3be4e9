"""Simulate an archive on a cluster before anybody pays for it: hours, traffic, what breaks first.

    python scripts/archive_plan.py [--films 100000] [--gpus 1,8,64] [--measure] [--json plan.json]

Each film is a part: a worker asks the driver for it, reads it, decodes its frames on one core, has
every n-th one explained by a GPU that it shares, and writes its rows. The driver, the storage, each
machine's network and each GPU are queues; workers are lost at random, and what they had at hand is
done again. Every cost is an option; the help says which are measured (on one core of an AMD EPYC,
``--measure`` measures them on this machine) and which are assumed.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from live_gradcam.capture.open import open_source
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.native import cv2
from live_gradcam.values import Image
from scripts.faults.media import write_film


def _cost(default: float, words: str, *, measured: bool = False) -> float:
    made: float = field(
        default=default, metadata={"help": words, "kind": "measured" if measured else "assumed"}
    )
    return made


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What one film costs, and what there is to pay with; each field is an option."""

    film_seconds: float = _cost(300, "length of a film")
    frames_per_second: float = _cost(25, "of a film")
    film_megabits: float = _cost(4, "rate of a film, Mbit/s")
    every_seconds: float = _cost(1, "an explained frame in so many seconds of a film")
    decode_ms: float = _cost(8.4, "core time to decode a frame of 1920x1080", measured=True)
    prepare_ms: float = _cost(1.2, "core time to prepare a frame for the network", measured=True)
    part_ms: float = _cost(20, "core time to begin and commit a part")
    dispatch_ms: float = _cost(0.5, "driver's time to give out a part")
    row_bytes: float = _cost(270, "a row in Parquet, without maps and thumbnails", measured=True)
    start_seconds: float = _cost(10, "until a worker has its network")
    gpu_ms: float = _cost(0.5, "GPU time for a frame of ResNet-18 in half precision")
    cores_per_gpu: float = _cost(8, "physical cores beside each GPU")
    gpus_per_node: float = _cost(8, "GPUs in one machine")
    node_gigabits: float = _cost(25, "network of a machine, Gbit/s")
    storage_gigabits: float = _cost(40, "what the storage delivers in all, Gbit/s")
    worker_hours: float = _cost(500, "mean time until a worker is lost")
    spread: float = _cost(0.2, "standard deviation of a film's length, relative")


@dataclass(frozen=True)
class Plan:
    """What a cluster does with an archive."""

    gpus: int
    hours: float
    read_terabytes: float
    read_gigabits: float
    written_gigabytes: float
    parts_again: int
    busy: dict[str, float]

    @property
    def breaks_first(self) -> str:
        """The resource that is busiest."""
        return max(self.busy, key=lambda name: self.busy[name])


def simulate(costs: Costs, films: int, gpus: int, seed: int = 0) -> Plan:
    """Play an archive film by film; each resource serves in the order of asking."""
    chance = random.Random(seed)
    workers = int(gpus * costs.cores_per_gpu)
    nodes = -(-gpus // int(costs.gpus_per_node))
    driver, storage = 0.0, 0.0
    gpu_free, node_free = [0.0] * gpus, [0.0] * nodes
    spent = dict.fromkeys(("cores that decode", "GPUs", "network", "storage", "driver"), 0.0)
    idle = [(costs.start_seconds, worker) for worker in range(workers)]
    heapq.heapify(idle)
    left, again, read, rows, ends = films, 0, 0.0, 0.0, 0.0
    while left:
        now, worker = heapq.heappop(idle)
        length = costs.film_seconds * max(0.1, chance.gauss(1, costs.spread))
        frames, explained = length * costs.frames_per_second, length / costs.every_seconds
        bits = length * costs.film_megabits * 1e6
        gpu = worker * gpus // workers
        node = gpu // int(costs.gpus_per_node)
        driver = max(driver, now) + costs.dispatch_ms / 1e3
        storage = max(storage, driver) + bits / (costs.storage_gigabits * 1e9)
        node_free[node] = max(node_free[node], driver) + bits / (costs.node_gigabits * 1e9)
        gpu_free[gpu] = max(gpu_free[gpu], driver) + explained * costs.gpu_ms / 1e3
        core = (frames * costs.decode_ms + explained * costs.prepare_ms + costs.part_ms) / 1e3
        done = max(driver + core, storage, node_free[node], gpu_free[gpu])
        for name, seconds in (
            ("cores that decode", core / workers),
            ("GPUs", explained * costs.gpu_ms / 1e3 / gpus),
            ("network", bits / (costs.node_gigabits * 1e9) / nodes),
            ("storage", bits / (costs.storage_gigabits * 1e9)),
            ("driver", costs.dispatch_ms / 1e3),
        ):
            spent[name] += seconds
        read += bits
        if chance.random() < (done - now) / 3600 / costs.worker_hours:
            again += 1
            lost = now + chance.random() * (done - now)
            heapq.heappush(idle, (lost + costs.start_seconds, worker))
            continue
        left -= 1
        rows += explained
        ends = max(ends, done)
        heapq.heappush(idle, (done, worker))
    return Plan(
        gpus=gpus,
        hours=ends / 3600,
        read_terabytes=read / 8e12,
        read_gigabits=read / ends / 1e9,
        written_gigabytes=rows * costs.row_bytes / 1e9,
        parts_again=again,
        busy={name: seconds / ends for name, seconds in spent.items()},
    )


def _moving_texture() -> Callable[[int, int, int], np.ndarray]:
    """Return a view that glides over one picture of blobs of several sizes."""
    generator = np.random.default_rng(0)
    whole = np.zeros((1080, 2120, 3), np.float32)
    for cells in (8, 32, 128):
        blobs = generator.uniform(0, 85, (cells, 2 * cells, 3)).astype(np.float32)
        whole += cv2.resize(blobs, (2120, 1080), interpolation=cv2.INTER_CUBIC)
    picture = whole.clip(0, 255).astype(np.uint8)
    return lambda number, width, _: picture[:, 2 * number : 2 * number + width]


def measure() -> Costs:
    """Measure what one core needs for a frame: decoding, and what is not the network."""
    with TemporaryDirectory() as folder:
        film = write_film(
            Path(folder) / "film.mp4",
            frames=100,
            width=1920,
            height=1080,
            options={"b": "4000000", "preset": "veryfast"},
            image=_moving_texture(),
        )
        images: list[Image] = []
        times: list[float] = []
        with open_source(film) as source:
            for frame in source:
                images.append(frame.image)
                times.append(time.process_time())
    # The quickest of five stretches: the others have waited for somebody else's work.
    blocks = [times[end] - times[end - 19] for end in range(19, len(times), 20)]
    decode = min(blocks) / 19 * 1e3
    with Explainer(load_classifier("scenes"), device="cpu", compile="off") as explainer:
        explainer.explain(images[0])
        timings = [explainer.explain(image).timings_ms for image in images[:20]]
    prepare = min(each["preprocess"] for each in timings)
    return dataclasses.replace(Costs(), decode_ms=round(decode, 2), prepare_ms=round(prepare, 2))


def table(plans: Sequence[Plan]) -> str:
    """Return the plans as a table for people."""
    lines = [
        "| GPUs | hours | read | rows | parts done again | breaks first |",
        "|---|---|---|---|---|---|",
    ]
    for each in plans:
        busiest = sorted(each.busy.items(), key=lambda item: -item[1])[:3]
        busy = ", ".join(f"{name} {share:.0%}" for name, share in busiest)
        lines.append(
            f"| {each.gpus} | {each.hours:,.1f} | {each.read_terabytes:.1f} TB at "
            f"{each.read_gigabits:.1f} Gbit/s | {each.written_gigabytes:.1f} GB | "
            f"{each.parts_again} | {busy} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--films", type=int, default=100_000, help="how many")
    parser.add_argument("--gpus", default="1,8,64", help="sizes of the cluster")
    parser.add_argument("--measure", action="store_true", help="measure costs on this machine")
    parser.add_argument("--json", type=Path, help="write costs and plans")
    costs_of = dataclasses.fields(Costs)
    for each in costs_of:
        words = f"{each.metadata['help']} ({each.metadata['kind']})"
        name = f"--{each.name.replace('_', '-')}"
        parser.add_argument(name, type=float, help=f"{words}; else {each.default}")
    given = vars(parser.parse_args())
    costs = measure() if given["measure"] else Costs()
    asked = {each.name: given[each.name] for each in costs_of if given[each.name] is not None}
    costs = dataclasses.replace(costs, **asked)
    plans = [simulate(costs, given["films"], int(gpus)) for gpus in given["gpus"].split(",")]
    print(", ".join(f"{name} {value:g}" for name, value in dataclasses.asdict(costs).items()))
    print(table(plans))
    if given["json"]:
        content = {
            "costs": dataclasses.asdict(costs),
            "plans": list(map(dataclasses.asdict, plans)),
        }
        given["json"].write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
