"""``live-gradcam export FOLDER/``: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from live_gradcam.cli import run_command_line
from live_gradcam.cli.export import is_folder
from live_gradcam.scenes import SCENE_CLASSES
from tests.site.support import small_runtime


def test_a_path_is_a_folder_where_it_ends_or_is_one(tmp_path: Path) -> None:
    assert is_folder("site/")
    assert is_folder(str(tmp_path))
    assert not is_folder("site.onnx")
    assert not is_folder(str(tmp_path / "site"))


def test_a_page_of_the_network_in_the_box(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_runtime(tmp_path / "own")
    folder = tmp_path / "site"
    arguments = ["export", f"{folder}/", "--model", "scenes", "--title", "Shapes & things"]
    arguments += ["--runtime", str(tmp_path / "own")]
    assert run_command_line(arguments) == 0
    said = capsys.readouterr()
    assert "is not onnxruntime-web" in said.err
    assert all(part in said.out for part in ("graph", "runtime", "examples", "page"))
    assert "gradcam of all classes, fp16" in said.out
    assert f"live-gradcam site {folder}" in said.out
    content = json.loads((folder / "site.json").read_text(encoding="utf-8"))
    assert content["title"] == "Shapes & things"
    assert content["model"]["labels"] == list(SCENE_CLASSES)
    assert len(content["examples"]) == 4
    for example in content["examples"]:
        assert example["title"] in SCENE_CLASSES
        assert (folder / example["file"]).read_bytes().startswith(b"\xff\xd8")
    assert run_command_line(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["page"], 2, "a folder's name with / at its end"),
        (["x.onnx", "--title", "Shapes"], 2, "a slash at its end"),
        (["no/page/"], 4, "does not exist"),
        (["page/", "--runtime", "nowhere"], 3, "no such folder"),
        (["page/", "--calibrate", "."], 2, "--precision int8"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str],
    code: int,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["export", *arguments, "--model", "scenes"]) == code
    error = capsys.readouterr().err.strip()
    assert named in error
    assert "\n" not in error
    assert list(tmp_path.iterdir()) == []
