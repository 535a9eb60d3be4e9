"""An archive on Ray has the rows of a single process, whatever ends meanwhile. All Ray is real."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.dataset
import pytest

from live_gradcam.native import cv2
from scripts.faults.media import write_film
from tests.archive.support import NETWORK

pytest.importorskip("ray")
COMMAND = [sys.executable, "-m", "live_gradcam", "archive", *NETWORK, "--every", "1"]
PATIENCE = 150.0
BROKEN = 2


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, films, a broken picture and a text named like a film."""
    folder = tmp_path_factory.mktemp("ray") / "src"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(70):
        cv2.imwrite(str(folder / f"p{number}.png"), generator.integers(0, 256, (48, 64, 3)))
    for number in range(3):
        write_film(folder / f"f{number}.mp4", frames=5 + number, rate=25)
    write_film(folder / "long.mp4", frames=400, rate=25, image=_grey)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (folder / "text.mp4").write_text("hello")
    return folder


def _grey(number: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 120 + number % 8, np.uint8)


@pytest.fixture(scope="module")
def alone(sources: Path) -> dict[str, dict[str, Any]]:
    """The rows of a single process."""
    done = _archive(sources, "alone")
    assert done.returncode == 0, done.stderr
    return _rows(sources.parent / "alone")


def _archive(sources: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, str(sources), "-o", f"{name}/", *arguments],
        cwd=sources.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _rows(dataset: Path) -> dict[str, dict[str, Any]]:
    """Each row by its id, which is there once."""
    table = pyarrow.dataset.dataset(dataset / "frames", partitioning="hive").to_table()
    rows = {row["id"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    return rows


def _assert_same(rows: dict[str, dict[str, Any]], alone: dict[str, dict[str, Any]]) -> None:
    assert rows.keys() == alone.keys()
    for name, row in rows.items():
        for key, value in alone[name].items():
            if isinstance(value, float):
                assert row[key] == pytest.approx(value, abs=1e-5), (name, key)
            elif key != "top_probabilities":
                assert row[key] == value, (name, key)


def _at_work(process: psutil.Process) -> list[psutil.Process]:
    """Workers that explain a part at this moment, as Ray names their processes."""
    found = []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ray::RayWorker.explain" in child.cmdline():
                found.append(child)
    return found


def test_rows_are_those_of_one_process_though_workers_and_the_driver_are_killed(
    sources: Path, alone: dict[str, dict[str, Any]]
) -> None:
    """The driver is killed at work and the command typed again; then a worker is killed."""
    command = [*COMMAND, str(sources), "-o", "shared/", "--ray", "auto", "--actors", "2"]
    dataset = sources.parent / "shared"
    for killed in ("driver", "worker"):
        with subprocess.Popen(
            command, cwd=sources.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as driver:
            process = psutil.Process(driver.pid)
            deadline = time.monotonic() + PATIENCE
            while not (at_work := _at_work(process)):
                assert driver.poll() is None, driver.communicate()
                assert time.monotonic() < deadline, "no worker is at work"
                time.sleep(0.02)
            if killed == "driver":
                driver.kill()
                driver.communicate()
                _wait_for_end(at_work)
                continue
            os.kill(at_work[0].pid, signal.SIGKILL)
            printed, said = driver.communicate(timeout=600)
        assert driver.returncode == 0, said
        assert "a worker ended" in said
        assert f"{BROKEN} files could not be explained" in said
        assert "Traceback" not in said
        assert printed == "", "standard output is for results"
    _assert_same(_rows(dataset), alone)
    left = [path.name for path in dataset.rglob("*") if path.name.endswith(".part")]
    assert left == []


def _wait_for_end(processes: list[psutil.Process]) -> None:
    """Workers whose driver is gone end by themselves."""
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert not alive


def test_an_address_where_nothing_answers_is_said_in_a_sentence(sources: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = _archive(sources, "nowhere", "--ray", address)
    assert done.returncode == 2
    assert f"no Ray cluster answers: {address}: connection refused." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ray", "nonsense"], "it is no address of a cluster"),
        (["--ray", "ray://127.0.0.1:10001"], "Run this on a machine of the cluster"),
        (["--actors", "2"], "--actors needs --ray"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    sources: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from live_gradcam.cli.main import run_command_line

    code = run_command_line(["archive", str(sources), "-o", "refused/", *arguments])
    assert code == 2
    assert said in capsys.readouterr().err
