"""Faults as a user meets them, through the whole command: the rest of the table of faults.

What one part of the house can show alone is tested there: sources in `tests/capture`, outputs and
the window in `tests/show`, weights, devices and precision in `tests/explain`, wrong command lines
in `tests/cli`. Here stand the faults that need the whole: a recording that goes on through an
outage, exceptions in threads, broken installations, standard streams that are gone.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.faults.media import write_film, zero_packets
from scripts.faults.runs import ENVIRONMENT, Run, complete_records, playable_times
from scripts.faults.servers import MjpegServer

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SCENES = ("--model", "scenes", "--compile", "off")
_LONG_SECONDS = 280.0  # a whole command on a busy machine
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and streams")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process brings about."""
    deadline = time.monotonic() + _LONG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def patched(patch: str, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The real command with a fault built in by some lines that run before it."""
    script = textwrap.dedent(patch) + "\nfrom live_gradcam.__main__ import main\nmain()\n"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
        timeout=_LONG_SECONDS,
        check=False,
    )


def test_damage_is_told_and_counted_and_strict_makes_it_an_error(
    command: Command, tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mp4", options={"x264-params": "keyint=1:bframes=0:qp=10"})
    zero_packets(film, [4, 5])
    done = command("run", film, "-o", "out.mp4", *SCENES)
    assert done.returncode == 0, done.stderr
    assert "2 skipped" in done.stderr
    assert "2 damaged frames left out" in done.stderr
    assert len(playable_times(tmp_path / "out.mp4")) == 10
    done = command("run", film, "-o", "strict.mp4", "--strict", *SCENES)
    assert done.returncode == 3
    assert done.stderr.strip().splitlines()[-1].startswith("error: cannot decode video")
    assert len(playable_times(tmp_path / "strict.mp4")) == 4, "what came before is kept"


@posix
def test_a_recording_goes_on_through_an_outage(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with (
        MjpegServer() as server,
        Run(
            ["run", server.address, "-o", output, "-o", "-", *SCENES],
            tmp_path,
        ) as run,
    ):
        assert run.wait_for_records(10, _LONG_SECONDS), run.errors
        server.vanish()
        server.reply = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n"
        before = server.connections
        server.listen()
        wait_until(lambda: server.connections >= before + 2)  # it was sent away, and came back
        recorded = len(run.times)
        server.reply = None
        assert run.wait_for_records(recorded + 40, _LONG_SECONDS), run.errors
        run.send(signal.SIGINT)
        assert run.wait(60) is not None
        assert run.exit_code == 130, run.errors
        assert len(playable_times(output)) == len(run.times)
        assert "Traceback" not in run.errors


STAGES = {
    "read": ("live_gradcam.scenes.motion", "MovingScene", "render"),
    "explain": ("live_gradcam.explain.explainer", "Explainer", "explain_batch"),
    "draw": ("live_gradcam.painter", "Painter", "paint"),
    "write": ("live_gradcam.show.records", "RecordSink", "write"),
}


BUG = (
    "error: internal error: RuntimeError: first line second line. "
    "This is a bug: run again with --debug and report it.\n"
)


def broken_after_30_calls(
    place: tuple[str, str, str], source: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """A run in which one method of one class works thirty times."""
    module, kind, method = place
    outputs = ["-o", "out.mp4", "-o", "out.jsonl", "--quiet", "--max-frames", "600"]
    return patched(
        f"""
        from {module} import {kind}
        true, calls = {kind}.{method}, []

        def broken(self, *arguments, **options):
            calls.append(1)
            if len(calls) > 30:
                raise RuntimeError("first line\\nsecond line")
            return true(self, *arguments, **options)

        {kind}.{method} = broken
        """,
        ["run", source, *outputs, *SCENES],
        folder,
    )


def whole_frames(folder: Path) -> int:
    """How many frames the recording holds: at least those that have a record."""
    played, records = (
        len(playable_times(folder / "out.mp4")),
        complete_records(folder / "out.jsonl"),
    )
    assert played >= records >= 0
    return played


@pytest.mark.parametrize("stage", STAGES)
def test_an_exception_in_any_thread_is_one_line_and_the_film_is_whole(
    stage: str, tmp_path: Path
) -> None:
    done = broken_after_30_calls(STAGES[stage], "scene", tmp_path)
    assert done.returncode == 1
    assert done.stderr == BUG
    assert 30 <= whole_frames(tmp_path) < 600 or stage != "write"


LIVE_STAGES = {
    "read": ("live_gradcam.capture.stream", "StreamConnection", "read"),
    "explain": ("live_gradcam.explain.explainer", "Explainer", "explain_batch"),
    "write": ("live_gradcam.show.records", "RecordSink", "write"),
}


@pytest.mark.parametrize("stage", LIVE_STAGES)
def test_the_same_holds_for_a_live_source(stage: str, tmp_path: Path) -> None:
    with MjpegServer() as server:
        done = broken_after_30_calls(LIVE_STAGES[stage], server.address, tmp_path)
    assert done.returncode == 1
    assert done.stderr == BUG
    whole_frames(tmp_path)


def test_with_debug_the_same_shows_its_traceback(tmp_path: Path) -> None:
    done = patched(
        """
        from live_gradcam.painter import Painter
        Painter.paint = None
        """,
        ["run", "scene", "--max-frames", "60", "-o", "out.mp4", "--debug", *SCENES],
        tmp_path,
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: internal error: TypeError")


THROWN = {
    "a thread of a library": """
        import threading
        def run(arguments, console):
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
        """,
    "a destructor": """
        class Careless:
            def __del__(self): raise OSError("too late")
        def run(arguments, console): Careless()
        """,
    "a warning": """
        import warnings
        def run(arguments, console): warnings.warn("deprecated")
        """,
    "a library's log": """
        import logging
        def run(arguments, console):
            try: 1 / 0
            except ZeroDivisionError: logging.getLogger("library").exception("it failed")
        """,
    "an exit in the middle": """
        def run(arguments, console): raise SystemExit(0)
        """,
    "a recursion": """
        def run(arguments, console): return run(request, console)
        """,
    "memory that ends": """
        def run(arguments, console): raise MemoryError
        """,
    "an exception without words": """
        def run(arguments, console): raise KeyError
        """,
}


@pytest.mark.parametrize("what", THROWN)
def test_no_traceback_reaches_a_user_whatever_is_thrown(what: str, tmp_path: Path) -> None:
    install = """
from dataclasses import replace
from live_gradcam.cli import main as home
home.COMMANDS = tuple(
    replace(each, run=run) if each.name == "run" else each for each in home.COMMANDS
)
"""
    done = patched(textwrap.dedent(THROWN[what]) + install, ["run", "scene"], tmp_path)
    assert "Traceback" not in done.stderr
    assert 'File "' not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    harmless = {"a thread of a library", "a destructor", "a warning", "a library's log"}
    assert done.returncode == (0 if what in harmless else 1)


@pytest.mark.parametrize("library", ["typer", "cv2", "torch"])
def test_a_broken_installation_is_one_line(library: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / f"{library}.py").write_text("raise ImportError('libGL.so.1: no such file')")
    done = subprocess.run(
        [sys.executable, "-m", "live_gradcam", "run", "scene", "-o", "x.png", "--max-frames", "1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONPATH": str(broken)},
        timeout=_LONG_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.removeprefix("loading resnet18 ...\n") == (
        "error: cannot load a library: ImportError: libGL.so.1: no such file. "
        "Install live-gradcam again, with all it needs.\n"
    )
    assert not (tmp_path / "x.png").exists()


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    ("redirection", "arguments", "code"),
    [
        ("2>&-", "run scene --max-frames 3 -o x.mp4 --model scenes", 0),
        ("2>/dev/full", "run scene --max-frames 3 -o x.mp4 --model scenes", 0),
        ("2>&-", "run nowhere.mp4 -o x.mp4", 3),
        ("2>/dev/full", "run nowhere.mp4 -o x.mp4", 3),
        (">&-", "models", 4),
        (">/dev/full", "models", 4),
        (">/dev/full", "run scene --max-frames 3 -o - --model scenes --quiet", 4),
        (">&-", "run scene --max-frames 3 -o - --model scenes --quiet", 4),
    ],
)
def test_standard_streams_that_are_full_or_gone(
    redirection: str, arguments: str, code: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m live_gradcam {arguments} {redirection}', sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
        timeout=_LONG_SECONDS,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if code == 4:
        assert done.stderr.startswith("error: cannot write")
        assert "standard output" in done.stderr
        assert done.stderr.count("\n") == 1


@posix
def test_a_working_folder_that_is_gone_is_an_output_error(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    script = 'mkdir "$1" && cd "$1" && rmdir "$1" && exec "$0" -m live_gradcam run scene -o x.mp4'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, str(gone)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=_LONG_SECONDS,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith("error: cannot create output: x.mp4: ")
    assert done.stderr.count("\n") == 2, "what is loaded, and the error"


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_reader_that_reads_no_more_cannot_keep_the_program(
    number: int, code: int, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "live_gradcam", "run", "scene", "--max-frames", "100000"),
            *("-o", "-", "--top-k", "16", *SCENES),
        ],
        stdout=writing,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    try:
        # The system says so, as how many bytes fill a pipe depends on how they are cut; from then
        # on, every write waits for ever.
        wait_until(lambda: not select.select([], [writing], [], 0)[1])
        process.send_signal(number)
        assert process.wait(60) == code
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


@posix
def test_signals_that_come_in_a_storm_are_one(tmp_path: Path) -> None:
    output = tmp_path / "x.mp4"
    with Run(
        ["run", "scene", *SCENES, "--max-frames", "9999", "-o", output, "-o", "-"], tmp_path
    ) as run:
        assert run.wait_for_records(20, _LONG_SECONDS)
        for _ in range(20):
            run.send(signal.SIGINT)
            run.send(signal.SIGTERM)
        assert run.wait(60) is not None
        assert run.exit_code in (130, 143)
        assert not run.error_lines
        assert len(playable_times(output)) >= len(run.times)
