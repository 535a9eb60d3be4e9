"""The real command in a process of its own, watched, killed, starved and looked at afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from live_gradcam.native import av

ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")
}

_READER_SECONDS = 60.0  # until what is still in the pipe has been read


class Run:
    """A run of ``live-gradcam`` whose records are read as they come.

    Args:
        arguments: Behind the program's name; ``-o -`` among them makes records.
        folder: Where it runs.
        limit_bytes: No file may grow beyond that.
    """

    def __init__(
        self, arguments: Sequence[object], folder: Path, *, limit_bytes: int | None = None
    ) -> None:
        self._errors = folder / f"stderr-{time.monotonic_ns()}.txt"
        self.started = time.monotonic()
        limited = None if limit_bytes is None else _limiter(limit_bytes)
        # Standard error is a file, so that nothing has to read it; it must not hit the limit.
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "live_gradcam", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=ENVIRONMENT,
                preexec_fn=limited,
            )
        self.times: list[float] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="records of a run", daemon=True)
        self._reader.start()

    def wait_for_records(self, count: int, timeout_seconds: float) -> bool:
        """Wait until so many frames are reported as done; whether they were."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.times) >= count or self._ended, timeout_seconds)
            return len(self.times) >= count

    def wait_for_handlers(self, timeout_seconds: float) -> None:
        """Wait until it handles signals itself; before, they are Python's.

        Where the system does not say so, this returns at once.
        """
        status = Path(f"/proc/{self.process.pid}/status")
        deadline = time.monotonic() + timeout_seconds
        while status.exists() and self.process.poll() is None and time.monotonic() < deadline:
            caught = re.search(r"^SigCgt:\s*(\w+)", status.read_text(), re.MULTILINE)
            # Of the two it takes over, the second, which Python itself leaves alone.
            if caught is not None and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
                return
            time.sleep(0.005)

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_seconds: float) -> float | None:
        """Wait for the end; after how many seconds it came, ``None`` (and a kill) if it did not."""
        began = time.monotonic()
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.close()
            return None
        seconds = time.monotonic() - began
        self._reader.join(_READER_SECONDS)
        return seconds

    @property
    def exit_code(self) -> int:
        """As a shell shows it: 128 and the signal's number for a process that a signal ended."""
        code = self.process.returncode
        return 128 - code if code < 0 else code

    @property
    def errors(self) -> str:
        """What it wrote to standard error so far."""
        return self._errors.read_text("utf-8", "replace")

    @property
    def error_lines(self) -> list[str]:
        """Its lines that are errors."""
        return [line for line in self.errors.splitlines() if line.startswith("error: ")]

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self._reader.join(_READER_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                seconds = float(json.loads(line)["pts_seconds"])
                with self._changed:
                    self.times.append(seconds)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _limiter(limit_bytes: int) -> Callable[[], None]:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return limit


def playable_times(path: Path) -> list[float]:
    """Times in seconds of the frames that a player gets out of a recording; none if it is none."""
    times: list[float] = []
    if not path.is_file() or not path.stat().st_size:
        return times
    with contextlib.suppress(av.error.FFmpegError), av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            with contextlib.suppress(av.error.FFmpegError):
                times += [float(frame.pts * stream.time_base) for frame in packet.decode()]
    return times


def complete_records(path: Path) -> int:
    """How many records a JSON lines file holds; -1 if any of them is not whole."""
    if not path.is_file():
        return 0
    text = path.read_text("utf-8")
    try:
        records = [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return -1
    return len(records) if not text or text.endswith("\n") else -1


@contextlib.contextmanager
def small_disk(folder: Path, *, kilobytes: int, read_only: bool = False) -> Iterator[Path]:
    """A file system of its own with so much room.

    Raises:
        PermissionError: Only root may mount one.
    """
    place = folder / "disk"
    place.mkdir(exist_ok=True)
    options = f"size={kilobytes}k" + (",ro" if read_only else "")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise PermissionError("only root may mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)
