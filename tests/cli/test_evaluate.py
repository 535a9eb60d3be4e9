"""``live-gradcam evaluate`` as a user meets it."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from live_gradcam.cli.console import Console
from live_gradcam.cli.evaluate import EvaluateArguments, evaluate_command
from live_gradcam.cli.network import NetworkOptions
from live_gradcam.errors import LiveGradcamError, SinkError, SourceError, UsageError
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from scripts.faults.runs import ENVIRONMENT
from tests.helpers.html import find_references

Command = Callable[..., "subprocess.CompletedProcess[str]"]

QUICK = ["--model", "scenes", "--steps", "2", "--device", "cpu", "--precision", "fp32"]
SCENES = NetworkOptions(model="scenes")
HOSTILE = '<img src=x onerror=alert(1)>&".png'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes with one object each, in a folder for each class; one with a hostile name."""
    folder = tmp_path_factory.mktemp("data") / "pictures"
    for seed in range(6):
        scene = render_scene(seed, width=96, height=64, objects=1)
        path = folder / scene.objects[0].label / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), scene.image)
    path.rename(path.with_name(HOSTILE))
    return folder


def test_the_outputs_agree_and_the_report_needs_nothing_else(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    methods = ["gradcam", "layercam"]
    both = [option for name in methods for option in ("--method", name)]
    files = ["-o", "r.json", "-o", "r.csv", "-o", "r.html"]
    done = command("evaluate", folder, *QUICK, *both, *files)
    assert done.returncode == 0, done.stderr
    assert "top-1" in done.stdout
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["totals"]["pictures"] == len(result["pictures"]) == 6
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [(each["name"], method) for each in result["pictures"] for method in methods]
    assert [(row["picture"], row["method"]) for row in rows] == expected
    records = {each["name"]: each for each in result["pictures"]}
    for row in rows:
        record = records[row["picture"]]
        assert float(row["deletion"]) == record["methods"][row["method"]]["deletion"]
        assert int(row["top1"]) == record["top1"]
    assert set(result["sanity"][0]["correlation"]) == set(methods)
    page = (tmp_path / "r.html").read_text()
    found = find_references(page)
    assert found.found
    assert all(each.startswith("data:image/jpeg;base64,") for each in found.found)
    assert not found.tags & {"link", "iframe", "object", "embed", "base", "form", "audio", "video"}
    assert not re.search(r"https?:|@import|url\(|//[a-z]", page.split("base64,", 1)[0])
    assert "default-src 'none'" in page
    assert found.scripts == 1
    assert "&lt;img src=x onerror" in page
    assert len(page) < 2 << 20
    assert not list(tmp_path.glob("*.partial"))


# Runs the command line that follows it, and ends as a power cut would, right after the third image.
KILLED = """
import os, signal, sys
from live_gradcam.__main__ import main
from live_gradcam.evaluate.partial_results import PartialResults

add_image = PartialResults.add_image

def add_image_and_die(self, index, result):
    add_image(self, index, result)
    if index == 2:
        os.kill(os.getpid(), signal.SIGKILL)

PartialResults.add_image = add_image_and_die
main()
"""


def test_kill_9_and_the_same_command_again_give_the_same(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    arguments = ["evaluate", str(folder), *QUICK, "--no-sanity", "-o", "r.json"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    partial = tmp_path / "r.json.partial"
    assert partial.read_bytes().count(b"\n") == 1 + 3
    assert not (tmp_path / "r.json").exists()
    again = command(*arguments)
    assert again.returncode == 0, again.stderr
    assert "going on after 3 results" in again.stderr
    assert not partial.exists()
    whole = command(*arguments[:-1], "whole.json")
    assert whole.returncode == 0, whole.stderr
    assert (tmp_path / "r.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"methods": ("sorcery",)}, UsageError, "Choose from"),
        ({"methods": ("gradcam", "gradcam")}, UsageError, "twice"),
        ({"measures": ("beauty",)}, UsageError, "pointing"),
        ({"source": "nowhere"}, SourceError, "nowhere"),
        ({"source": "scenes:x"}, UsageError, "seed"),
        ({"boxes": Path("nowhere.json")}, UsageError, "nowhere.json"),
        ({"outputs": (Path("x.pdf"),)}, UsageError, ".html"),
        ({"outputs": (Path("no/such/x.json"),)}, SinkError, "no/such"),
        ({"outputs": (Path("x.json"), Path("x.json"))}, UsageError, "same"),
    ],
)
def test_what_is_wrong_is_refused_with_its_kind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    kind: type[LiveGradcamError],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = EvaluateArguments(**{"source": "scenes", "network": SCENES, **changes})  # type: ignore[arg-type]
    with pytest.raises(kind, match=re.escape(words)):
        evaluate_command(arguments, Console())
    assert not list(tmp_path.iterdir())


def test_quiet_says_nothing_and_needs_an_output(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = EvaluateArguments(
        source=str(folder),
        network=SCENES,
        outputs=(tmp_path / "r.json",),
        measures=("accuracy",),
        sanity=False,
        resume=tmp_path / "state",
    )
    evaluate_command(arguments, Console(quiet=True))
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "r.json").exists()
    assert (tmp_path / "state").exists()  # a file that was named stays
    with pytest.raises(UsageError, match="-o"):
        evaluate_command(EvaluateArguments(source=str(folder), network=SCENES), Console(quiet=True))
