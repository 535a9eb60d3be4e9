"""What the README shows runs: every command and every line of Python in it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.explain.methods import methods_markdown
from live_gradcam.native import cv2
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.session import keys_markdown
from live_gradcam.session.teaching_keys import TEACHING_KEYS
from live_gradcam.show.memory import MemorySink
from live_gradcam.show.open import open_sink
from live_gradcam.values import Explanation, Region

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [
        line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()
    ]
    return [line for line in lines if line.startswith("live-gradcam ")]


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """The files that the README's commands speak of, made from a generated scene."""
    for folder in ("photos", "things/mug", "things/table"):
        (tmp_path / folder).mkdir(parents=True)
    sink = MemorySink()
    with SceneSource(seed=3, width=320, height=240, max_frames=12) as source:
        nothing = Explanation((), (), np.zeros((0, 1, 1), np.float32), Region(0, 0, 320, 240))
        with open_sink(str(tmp_path / "clip.mp4"), source.info) as clip:
            for frame in source:
                clip.write(frame, frame.image, nothing)
                sink.write(frame, frame.image, nothing)
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "a.mp4")
    for name, index in (("mug", 0), ("b", 2), ("photos/a", 4), ("photos/b", 8)):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), sink.frames[index].image)
        cv2.imwrite(str(tmp_path / f"things/mug/{index}.jpg"), sink.frames[index].image)
        cv2.imwrite(str(tmp_path / f"things/table/{index}.jpg"), sink.frames[index].image[::-1])
    return tmp_path


# Cameras, network streams, the served pages, the runtime of browsers, the user's own weights and
# what another command wrote are not on every machine; the tests of those parts run them for real.
ELSEWHERE = (
    "run 0",
    "run window:",
    "run rtsp:",
    "run\n",
    "web ",
    "mine.pth",
    "mugs.safetensors\n",
    "site/",
    "archive report",
)


@pytest.mark.parametrize(
    "line", [line for line in commands() if not any(part in line + "\n" for part in ELSEWHERE)]
)
def test_every_command_runs(line: str, command: Command, material: Path) -> None:
    arguments = shlex.split(line)[1:]
    if arguments[0] == "run" and "--model" not in arguments:
        arguments += ["--model", "scenes"]  # no network here to fetch ImageNet's weights from
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    for index, argument in enumerate(arguments):
        if argument == "-o" and arguments[index + 1] != "-":
            assert (material / arguments[index + 1]).exists()


@pytest.mark.parametrize("line", [line for line in commands() if "run" in line])
def test_every_option_shown_exists(line: str, command: Command) -> None:
    options = re.findall(r"--[a-z-]+", line)
    help_text = command("run", "--help", COLUMNS="200").stdout if options else ""
    for option in options:
        assert option in help_text


def test_the_python_runs(material: Path) -> None:
    code = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=material,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    frames, (kind, *evaluated) = done.stdout.splitlines()[:3], done.stdout.splitlines()[3:]
    assert kind == "sigmoid, sigmoid inside"
    assert all(line.split()[1] in SCENE_CLASSES for line in frames)
    assert evaluated
    assert all(line.split()[0] in SCENE_CLASSES for line in evaluated)
    assert {"results.json", "images.csv", "report.html"} <= {
        path.name for path in (material / "evaluation").iterdir()
    }


def test_the_keys_are_those_of_the_window() -> None:
    assert keys_markdown() in README
    assert keys_markdown(TEACHING_KEYS) in README


def test_the_methods_are_those_of_the_table() -> None:
    assert methods_markdown() in README


def test_the_classes_of_the_network_in_the_box_are_named() -> None:
    for name in SCENE_CLASSES:
        assert name in README


def test_what_it_links_to_is_there() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
