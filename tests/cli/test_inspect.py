"""``live-gradcam inspect``."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision import models

from live_gradcam.cli.console import Console
from live_gradcam.cli.inspect import InspectArguments, inspect_command
from live_gradcam.errors import ModelError
from tests.cli.conftest import assert_one_line_error

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def record_of(target: Path | str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    inspect_command(InspectArguments(target=str(target), as_json=True), Console())
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_bundled_network_is_described_for_people(command: Command) -> None:
    done = command("inspect", "scenes")
    assert done.returncode == 0, done.stderr
    lines = {line[:12].strip(): line[13:] for line in done.stdout.splitlines()}
    assert lines["what"] == "network scenes"
    assert lines["classes"].startswith("16")
    assert lines["labels"].startswith("circle, triangle, square")
    assert "4 layer4: 512 channels, 7x7; chosen:" in done.stdout
    assert lines["explain it"].endswith("--model scenes")


def test_a_network_without_its_weights_is_described_without_a_download(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = record_of("mobilenet_v2", capsys)
    assert (found["classes"], found["layer"]) == (1000, "features")
    assert found["parameters"] == 3_504_872
    assert "downloaded at the first run" in str(found["origin"])


def test_a_checkpoint_is_recognised_and_its_command_explains(
    command: Command, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = models.resnet18(num_classes=5)
    path = tmp_path / "my net.pth"
    torch.save({"state_dict": module.state_dict(), "classes": list("abcde")}, path)
    found = record_of(path, capsys)
    assert (found["kind"], found["network"], found["classes"]) == ("checkpoint", "resnet18", 5)
    assert found["labels"] == list("abcde")
    assert found["states"] == ["state_dict"]
    words = shlex.split(str(found["command"]))
    assert words[:3] == ["live-gradcam", "run", "picture.jpg"]
    words[2] = str(photo)
    done = command(*words[1:], "--no-window")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "explained.png").is_file()


def test_what_no_network_has_is_described_and_ends_with_5(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "odd.pth"
    torch.save({"first.weight": torch.zeros(4, 3, 3, 3), "last.weight": torch.zeros(2, 4)}, path)
    with pytest.raises(ModelError, match=r"no network of torchvision.*--model"):
        inspect_command(InspectArguments(target=str(path)), Console())
    said = capsys.readouterr().out
    assert "parameters   116" in said
    assert "classes      2" in said
    assert "explain it" not in said


def test_files_that_are_no_weights_are_one_line(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "page.pth"
    path.write_text("<!doctype html><title>404</title>", encoding="utf-8")
    assert_one_line_error(command("inspect", path), 5, "web page")
    assert_one_line_error(command("inspect", tmp_path / "none.pth"), 5, "no such file")
    assert_one_line_error(command("inspect", "resnet19"), 5, "unknown model", "resnet1")
