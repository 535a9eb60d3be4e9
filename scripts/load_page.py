"""Many visitors at once: frames a second for each, errors, mixed-up images, and memory.

    python scripts/load_page.py --sessions 8 --seconds 60

Each session posts camera frames of a colour of its own to a page that this script starts, with two
frames on their way at any time as the page's own script has it, and checks that what comes back has
that colour. The engine is the one of ``live-gradcam web``.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil

from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene

_ON_THE_WAY = 2
_SIZE = (640, 480)
_STRIPE = 48
_TOLERANCE = 24


@dataclass
class Session:
    """One visitor.

    Attributes:
        number: Decides the colour and the scene.
        shown: Explained frames that came back.
        skipped: Frames that gave way to a newer one.
        errors: Answers that were neither of these.
        mixed_up: Answers with a colour that is not this session's.
    """

    number: int
    shown: int = 0
    skipped: int = 0
    errors: list[str] = field(default_factory=list)
    mixed_up: int = 0

    @property
    def colour(self) -> tuple[int, int, int]:
        """BGR, different for each of 64 sessions."""
        return (
            30 + 65 * (self.number % 4),
            30 + 65 * (self.number // 4 % 4),
            30 + 65 * (self.number // 16 % 4),
        )

    def frame(self) -> bytes:
        """Make a scene with a stripe of the session's colour beside what the network sees."""
        image = render_scene(self.number, width=_SIZE[0], height=_SIZE[1], objects=1).image
        image[:, -_STRIPE:] = self.colour
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()

    def run(self, address: str, until: float) -> None:
        """Post frames until the time is over."""
        frame = self.frame()
        counter = iter(range(10**9))
        lock = threading.Lock()
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            camera = client.post("live/camera").json()["camera"]

            def post() -> None:
                while time.monotonic() < until:
                    with lock:
                        number = next(counter)
                    answer = client.post(f"live/camera/{camera}?n={number}", content=frame)
                    self.count(answer, lock)

            workers = [threading.Thread(target=post) for _ in range(_ON_THE_WAY)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            client.post(f"live/camera/{camera}/stop")

    def count(self, answer: httpx.Response, lock: threading.Lock) -> None:
        """Count one answer."""
        if answer.status_code == httpx.codes.NO_CONTENT:
            with lock:
                self.skipped += 1
            return
        if answer.status_code != httpx.codes.OK:
            with lock:
                self.errors.append(f"{answer.status_code} {answer.text[:80]}")
            return
        shown = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None, "an image, as its status says"
        # What the network does not see is darkened, by the same share for everybody.
        stripe = np.asarray(shown[200:280, -_STRIPE + 8 : -8], np.float64).mean((0, 1))
        factor = stripe.sum() / sum(self.colour)
        distance = np.abs(stripe / max(factor, 1e-6) - self.colour).max()
        with lock:
            self.shown += 1
            self.mixed_up += int(distance > _TOLERANCE)


def start_page(arguments: list[str]) -> tuple[subprocess.Popen[str], str]:
    """Start the page and wait until it says where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "live_gradcam", "web", "--no-open", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "page is at" in line:
            return process, line.split()[-1]
    raise SystemExit("the page did not start")


def main() -> int:
    """Measure and print; the exit code says whether anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=8, help="visitors at once, at most 16")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--model", default="scenes")
    parser.add_argument("--port", default="7979")
    options = parser.parse_args()
    process, address = start_page(["--model", options.model, "--port", options.port])
    server = psutil.Process(process.pid)
    sessions = [Session(number) for number in range(options.sessions)]
    memory: list[float] = []
    try:
        Session(63).run(address, time.monotonic() + 3)  # lazy parts and the compiler
        until = time.monotonic() + options.seconds
        threads = [threading.Thread(target=each.run, args=(address, until)) for each in sessions]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            memory.append(server.memory_info().rss / 2**20)
            time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    return report(sessions, memory, options.seconds)


def report(sessions: list[Session], memory: list[float], seconds: float) -> int:
    """Print the table; 1 where there was an error, a mix-up, or a session below 1 frame/s."""
    print("session  frames/s  skipped  errors  mixed up")
    for each in sessions:
        rate = each.shown / seconds
        print(
            f"{each.number:7}  {rate:8.1f}  {each.skipped:7}  {len(each.errors):6}  "
            f"{each.mixed_up:8}"
        )
    rates = [each.shown / seconds for each in sessions]
    print(f"together {sum(rates):.1f} frames/s, the slowest {min(rates):.1f}")
    quarter = max(1, len(memory) // 4)
    early, late = np.median(memory[quarter : 2 * quarter]), np.median(memory[-quarter:])
    print(f"memory {early:.0f} MB in the second quarter, {late:.0f} MB in the last")
    for error in sorted({error for each in sessions for error in each.errors}):
        print(f"error: {error}")
    wrong = any(each.errors or each.mixed_up for each in sessions) or min(rates) < 1.0
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
