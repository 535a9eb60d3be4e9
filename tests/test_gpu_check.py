"""The check of a GPU, rehearsed on the CPU: every part runs, and what it measured is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(1500)  # six processes one after another
ROOT = Path(__file__).resolve().parent.parent


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/gpu_check.py", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=1400,
    )


def test_without_a_gpu_every_part_is_rehearsed(tmp_path: Path) -> None:
    written = tmp_path / "gpu.json"
    done = check("--json", written, "--minutes", "0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No CUDA GPU here: the parts are rehearsed on the CPU" in done.stdout
    content = json.loads(written.read_text())
    assert (content["device"], content["rehearsal"]) == (None, True)
    parts = {part["name"]: part for part in content["parts"]}
    assert {part["ending"] for part in parts.values()} == {"done"}
    figures = {each["name"]: each for part in parts.values() for each in part["figures"]}
    assert set(parts) == {"parity", "speed", "live", "films", "faults", "tests"}
    # What is no time is judged in a rehearsal, too.
    assert figures["scenes: fp32 maps against the CPU's, worst"]["kept"] is True
    assert figures["two explainers on two threads: maps that differ"]["value"] == 0
    # A time on the CPU says nothing about the bar.
    assert figures["1920x1080 frame in, its picture out, p50"]["kept"] is None
    assert figures["tests skipped"]["value"] > 0


def test_a_part_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    written = tmp_path / "gpu.json"
    broken = tmp_path / "weights" / "squeezenet1_1-imagenet.pth"
    broken.parent.mkdir()
    broken.write_bytes(b"no weights")
    done = check("--media", tmp_path, "--parts", "parity,tests", "--json", written)
    assert done.returncode == 1
    parity, tests = json.loads(written.read_text())["parts"]
    assert parity["ending"] == "ended with code 1"
    assert tests["ending"] == "done"


def test_a_part_that_does_not_exist_is_named() -> None:
    done = check("--parts", "speed,sped")
    assert done.returncode == 2
    assert "there is no part 'sped'; choose from parity, speed" in done.stderr
