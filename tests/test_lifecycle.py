"""Signals: outside a run they raise, inside they ask; the exit code is always the signal's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from live_gradcam.errors import ExitCode
from live_gradcam.lifecycle import StopToken

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


def run_script(body: str, number: int | None = None) -> subprocess.CompletedProcess[str]:
    script = "import os, signal, sys, time\nfrom live_gradcam import lifecycle\n"
    process = subprocess.Popen(
        [sys.executable, "-c", script + textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert ready == "ready\n"
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, out, err)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_outside_a_run_a_signal_ends_the_program_at_once(number: int, code: int) -> None:
    done = run_script(
        """
        lifecycle.install_handlers()
        try:
            print("ready", flush=True)
            time.sleep(30)
        except lifecycle.Interrupted as interrupted:
            lifecycle.end_process(interrupted.exit_code)
        """,
        number,
    )
    assert done.returncode == code
    assert done.stderr == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_inside_a_run_a_signal_only_asks_and_files_are_finalised(number: int, code: int) -> None:
    done = run_script(
        """
        lifecycle.install_handlers()
        try:
            with lifecycle.cooperative() as stop:
                print("ready", flush=True)
                stop.wait(30)
                print("finalised", flush=True)
        except lifecycle.Interrupted as interrupted:
            lifecycle.end_process(interrupted.exit_code)
        """,
        number,
    )
    assert done.stdout == "finalised\n"
    assert done.returncode == code


def test_the_watchdog_ends_a_program_that_hangs_while_it_finalises() -> None:
    done = run_script(
        """
        lifecycle.install_handlers()
        with lifecycle.cooperative() as stop:
            print("ready", flush=True)
            while True:
                time.sleep(0.1)
        """,
        signal.SIGTERM,
    )
    assert done.returncode == 143


def test_a_library_that_swallows_the_signal_does_not_hide_the_code() -> None:
    done = run_script(
        """
        lifecycle.install_handlers()
        try:
            print("ready", flush=True)
            time.sleep(30)
        except BaseException:
            pass
        lifecycle.end_process(lifecycle.interrupted_code() or 0)
        """,
        signal.SIGINT,
    )
    assert done.returncode == 130


def test_a_request_that_comes_while_a_wait_ends_does_no_harm() -> None:
    """As a second Ctrl-C does, whose handler runs between any two steps of the main thread."""
    token = StopToken()
    gate = token._gate

    class Interrupting:
        def acquire(self, timeout: float) -> bool:
            taken = gate.acquire(timeout=timeout)
            token.request(ExitCode.SIGINT)
            return taken

        def release(self) -> None:
            gate.release()

    token.request()
    token._gate = Interrupting()  # type: ignore[assignment]
    assert token.wait(60)
    assert token.wait(60), "it stands open ever after"
    assert token.exit_code is ExitCode.SIGINT
