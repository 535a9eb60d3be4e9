"""Feed thousands of broken films and pictures to the sources and count what must not happen.

    python scripts/fuzz_inputs.py --videos 5000 --pictures 5000 --seed 1

Every input is a real file with seeded damage: flipped bits, truncation, zeroed, repeated and
removed spans, boundary values, spliced headers. Allowed ends are frames and `SourceError`. Worker
processes read them, so that a crash is counted and not shared, and each input has eight seconds.
The exit code is 1 if anything crashed, hung, or raised an error of another kind.
"""

from __future__ import annotations

import argparse
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WATCHDOG_SECONDS = 8.0
_START_SECONDS = 120.0
_KINDS = ("video", "picture")
_BAD = ("crash", "hang", "foreign error")


def originals_of(kind: str, folder: Path, media: Path) -> list[tuple[str, bytes]]:
    """Return the whole files that are damaged: made ones, and real ones where there are any."""
    from scripts.faults.mutate import film_originals, image_originals

    if kind == "video":
        originals = film_originals(folder)
        for path in sorted((media / "video").glob("*.mp4")):
            originals.append((".mp4", _beginning(path, folder / path.name)))
        return originals
    real = [(path.suffix, path.read_bytes()) for path in sorted((media / "images").glob("*.jpg"))]
    return image_originals() + [pair for pair in real if len(pair[1]) < 100_000][:10]


def _beginning(path: Path, shorter: Path, packets: int = 60) -> bytes:
    """Copy the first frames of a real film without encoding them again."""
    from live_gradcam.native import av

    with av.open(str(path)) as whole, av.open(str(shorter), "w") as cut:
        film = whole.streams.video[0]
        copy = cut.add_stream_from_template(film)
        for number, packet in enumerate(whole.demux(film)):
            if number >= packets or packet.dts is None:
                break
            packet.stream = copy
            cut.mux(packet)
    return shorter.read_bytes()


def read_input(kind: str, path: Path) -> str:
    """Read a broken file to its end; return how it ended in two or three words."""
    from live_gradcam.capture.open import open_source
    from live_gradcam.errors import SourceError
    from live_gradcam.images import read_image

    try:
        if kind == "picture":
            read_image(path)
        with open_source(path) as source:
            last = -1.0
            count = 0
            for frame in source:
                if frame.pts_seconds <= last and count:
                    return f"foreign error: time went from {last} to {frame.pts_seconds}"
                last, count = frame.pts_seconds, count + 1
            return "damaged, read" if source.skipped else "read"
    except SourceError as error:
        str(error)
        return "SourceError"
    except Exception:
        return "foreign error: " + " | ".join(traceback.format_exc().splitlines()[-4:])


def worker(kind: str, seed: int, media: Path) -> None:
    """Read numbers from stdin, answer how each input ended on stdout."""
    from scripts.faults.mutate import mutated

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = originals_of(kind, folder, media)
        print("ready", flush=True)
        for line in sys.stdin:
            suffix, data = mutated(originals, seed, int(line))
            path = folder / f"input{suffix}"
            path.write_bytes(data)
            print(read_input(kind, path), flush=True)


class Worker:
    """One worker process and the thread that reads its answers."""

    def __init__(self, kind: str, seed: int, media: Path) -> None:
        self._command = [
            sys.executable, __file__, "--worker", kind, "--seed", str(seed), "--media", str(media),
        ]  # fmt: skip
        self._start()

    def ask(self, number: int) -> str:
        """Have one input read."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        answer = self._answer(WATCHDOG_SECONDS)
        if answer in ("crash", "hang"):
            self.stop()
            self._start()
        return answer

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(
            target=self._listen, args=(self._process, self._answers), daemon=True
        ).start()
        if self._answer(_START_SECONDS) != "ready":
            raise SystemExit("a worker did not start")

    def _answer(self, seconds: float) -> str:
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return "hang"

    @staticmethod
    def _listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answers.put(line.rstrip("\n"))
        answers.put("crash")


def run(kind: str, count: int, options: argparse.Namespace) -> Counter[str]:
    """Read a number of broken inputs in several workers."""
    numbers: queue.Queue[int] = queue.Queue()
    for number in range(options.first, options.first + count):
        numbers.put(number)
    results: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        one = Worker(kind, options.seed, options.media)
        try:
            while True:
                try:
                    number = numbers.get_nowait()
                except queue.Empty:
                    return
                began = time.monotonic()
                answer = one.ask(number)
                seconds = time.monotonic() - began
                name = answer.split(":", 1)[0]
                with lock:
                    results[name] += 1
                    results["slowest ms"] = max(results["slowest ms"], round(seconds * 1000))
                    if name in _BAD:
                        print(f"{kind} {number} (seed {options.seed}): {answer}", flush=True)
        finally:
            one.stop()

    threads = [threading.Thread(target=work) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=5000)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--media", type=Path, default=ROOT.parent / "shared" / "media")
    parser.add_argument("--worker", choices=_KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.seed, options.media)
        return 0
    columns = ("inputs", "read", "damaged, read", "SourceError", *_BAD, "slowest ms", "seconds")
    print(f"{'':8} " + " ".join(f"{column:>13}" for column in columns))
    bad = 0
    for kind, count in zip(_KINDS, (options.videos, options.pictures), strict=True):
        began = time.monotonic()
        results = run(kind, count, options)
        results["inputs"], results["seconds"] = count, round(time.monotonic() - began)
        print(f"{kind:8} " + " ".join(f"{results[column]:>13}" for column in columns), flush=True)
        answered = sum(results[name] for name in columns[1:7])
        bad += sum(results[name] for name in _BAD) + abs(count - answered)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
