"""Exported files run on a machine without torch: films, pictures, records, and a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImages

from live_gradcam.native import av
from tests.graph.exported import export_to
from tests.helpers.live import tiny_classifier

# What is not there on such a machine cannot be imported here either.
_WITHOUT = """
import sys

class Absent:
    NAMES = {"torch", "torchvision", "timm", "transformers", "safetensors", "onnx", "onnxscript"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
_COMMAND = """
from live_gradcam.cli import run_command_line

code = run_command_line(sys.argv[1:])
assert not Absent.NAMES & set(sys.modules)
sys.exit(code)
"""
_SESSION = """
import live_gradcam as lg
from live_gradcam.session import run_session

with lg.open_graph("exported.onnx") as explainer, lg.SceneSource(seed=1, max_frames=12) as source:
    sink = lg.open_sink("session.jsonl", source.info)
    states = []
    summary = run_session(
        source, explainer, [sink], overlay=lg.OverlayOptions(), options=lg.RunOptions(),
        window_title=None,
    )
    assert summary.frames == 12
assert not Absent.NAMES & set(sys.modules)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_to(folder / "exported.onnx", tiny_classifier())
    export_to(folder / "few.onnx", tiny_classifier(), classes=(1, 4))
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    (folder / "pictures").mkdir()
    for name in ("a.png", "b.png"):
        PilImages.fromarray(pixels).save(folder / "pictures" / name)
    return folder


def without_torch(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT + code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return without_torch(folder, _COMMAND, *arguments)


def test_a_film_and_its_records(folder: Path) -> None:
    done = run(
        folder,
        *("run", "scene", "--model", "exported.onnx", "--max-frames", "3"),
        *("-o", "film.mp4", "-o", "film.jsonl"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("loading exported.onnx ...\n")
    with av.open(str(folder / "film.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 3
    records = [json.loads(line) for line in (folder / "film.jsonl").read_text().splitlines()]
    assert len(records) == 3
    assert len(records[0]["predictions"]) == 3


def test_a_folder_of_pictures(folder: Path) -> None:
    done = run(folder, "run", "pictures", "--model", "exported.onnx", "-o", "explained/")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "explained").iterdir()) == ["a.png", "b.png"]


def test_records_on_standard_output_stand_alone(folder: Path) -> None:
    done = run(folder, "run", "pictures/a.png", "--model", "exported.onnx", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["method"] == "gradcam"
    assert "loading" not in done.stderr


def test_a_session(folder: Path) -> None:
    done = without_torch(folder, _SESSION)
    assert done.returncode == 0, done.stderr
    assert len((folder / "session.jsonl").read_text().splitlines()) == 12


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("run scene --model resnet18 --max-frames 1 -o x.mp4", 5, "pip install torch torchvision"),
        ("models", 5, "pip install torch torchvision"),
        ("evaluate pictures --model exported.onnx -o x.html", 5, "explains d by gradcam"),
        ("web --model exported.onnx", 5, "explains d by gradcam"),
        ("run pictures --model exported.onnx --layer c -o x/", 2, "explains d by gradcam only"),
        ("run pictures --model exported.onnx --method layercam -o x/", 2, "--method layercam"),
        ("run pictures --model exported.onnx --labels a.txt -o x/", 2, "--labels"),
        ("run pictures --model few.onnx --class 9 -o x/", 2, "has maps of"),
        ("run pictures --model exported.onnx --class nothing -o x/", 2, "unknown class"),
    ],
)
def test_what_needs_the_network_says_so_in_one_line(
    folder: Path, arguments: str, code: int, words: str
) -> None:
    done = run(folder, *arguments.split())
    lines = [line for line in done.stderr.splitlines() if not line.startswith("loading ")]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1
    assert words in lines[0]
    assert not (folder / "x").exists()
