"""``live-gradcam export FOLDER/``: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from live_gradcam.cli import run_command_line
from live_gradcam.cli.export import is_folder
from live_gradcam.scenes import SCENE_CLASSES
from tests.site.conftest import TITLE, Host


def test_a_path_is_a_folder_where_it_ends_or_is_one(tmp_path: Path) -> None:
    assert is_folder("site/")
    assert is_folder(str(tmp_path))
    assert not is_folder("site.onnx")
    assert not is_folder(str(tmp_path / "site"))


def test_a_page_of_the_network_in_the_box(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    folder = host.folder / "site"
    assert all(part in host.out for part in ("graph", "runtime", "examples", "page"))
    assert "gradcam of all classes, int8" in host.out
    assert f"live-gradcam site {folder}" in host.out
    content = json.loads((folder / "site.json").read_text(encoding="utf-8"))
    assert content["title"] == TITLE
    assert content["model"]["labels"] == list(SCENE_CLASSES)
    assert len(content["examples"]) == 4
    for example in content["examples"]:
        assert example["title"] in SCENE_CLASSES
        assert (folder / example["file"]).read_bytes().startswith(b"\xff\xd8")
    assert run_command_line(["export", f"{folder}/", "--model", "scenes"]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["page"], 2, "a folder's name with / at its end"),
        (["x.onnx", "--title", "Shapes"], 2, "a slash at its end"),
        (["no/page/"], 4, "does not exist"),
        (["page/", "--runtime", "nowhere"], 3, "no such folder"),
        (["page/", "--calibrate", ".", "--precision", "fp16"], 2, "--precision int8"),
        (["x.onnx", "--calibrate", "."], 2, "--precision int8"),
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
