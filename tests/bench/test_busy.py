"""Beside other processes: they are real, they end, and the table follows from the times."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess

import psutil
import pytest

from live_gradcam.bench.busy import BusyRow, busy_table
from live_gradcam.bench.competitors import competitors
from live_gradcam.bench.report import write_busy


def children() -> list[psutil.Process]:
    alive = psutil.Process().children(recursive=True)
    return [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def test_competitors_compute_and_end_with_the_block() -> None:
    with competitors(2):
        running = children()
        assert len(running) == 2
        before = [sum(child.cpu_times()[:2]) for child in running]
        while not all(
            sum(child.cpu_times()[:2]) > start for child, start in zip(running, before, strict=True)
        ):
            pass
    assert children() == []


def test_they_end_where_the_block_fails() -> None:
    def fail() -> None:
        with competitors(1):
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        fail()
    assert children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="about signals of POSIX")
def test_they_end_with_whoever_started_them_however_it_ends() -> None:
    code = (
        "from live_gradcam.bench.competitors import competitors\n"
        "import os, psutil\n"
        "with competitors(1):\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(killed.stdout)).wait(timeout=280)


ROWS = [
    BusyRow("torch eager fp32", 40.0, 400.0),
    BusyRow("torch compiled fp32", 20.0, 160.0),
    BusyRow("openvino fp32", 16.0, 40.0),
]


def test_everything_is_compared_with_what_torch_compiles() -> None:
    assert busy_table(ROWS) == [
        ("torch eager fp32", "40.0", "400.0", "10.0", "0.40"),
        ("torch compiled fp32", "20.0", "160.0", "8.0", "1.00"),
        ("openvino fp32", "16.0", "40.0", "2.5", "4.00"),
    ]
    assert busy_table(ROWS[::2])[1][-1] == "10.00", "or with the uncompiled one"


def test_the_times_are_written(tmp_path: Path) -> None:
    write_busy(tmp_path / "busy.json", ROWS, 2)
    written = json.loads((tmp_path / "busy.json").read_text())
    assert written["competing_processes"] == 2
    assert written["engines"]["openvino fp32"] == {"quiet_ms": 16.0, "busy_ms": 40.0}


def test_two_measurements_at_once_are_refused(
    command: Callable[..., CompletedProcess[str]],
) -> None:
    refused = command("bench", "--live", "--busy", "2")
    assert refused.returncode == 2
    assert "--live and --busy are different measurements" in refused.stderr
