"""One page for all tests of pages and browsers: the network in the box, written by the command."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.cli import run_command_line
from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.load import load_classifier
from live_gradcam.exports import export
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.site.filling import describe_files
from live_gradcam.site.runtime import Runtime, obtain_runtime

TITLE = "Shapes & things"
# Enough for the ranges of the small network; the default of 200 takes minutes on a busy machine.
CALIBRATION = 24


@dataclass(frozen=True)
class Host:
    """A folder as a static host has it.

    Attributes:
        folder: Has the pages: ``site/`` as the command writes it where nothing but ``--calibrate``
            is said, and ``exact/``, the same page with its graph in float32. Copies with damage
            are put beside them.
        code: What the command ended with.
        out: What it printed.
        err: What it noted.
    """

    folder: Path
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def web_runtime() -> Runtime:
    """The real onnxruntime-web; CI has fetched it before the tests, and fails where it cannot."""
    pytest.importorskip("onnx", reason="exporting needs onnx: pip install '.[export]'")
    pytest.importorskip("onnxruntime", reason="the comparison needs onnxruntime")
    try:
        return obtain_runtime()
    except LiveGradcamError as error:
        pytest.skip(f"no onnxruntime-web: {error}")


@pytest.fixture(scope="session")
def host(web_runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The host with its pages; made once, since exporting takes long."""
    folder = tmp_path_factory.mktemp("host")
    pictures = tmp_path_factory.mktemp("calibration")
    for seed in range(CALIBRATION):
        scene = render_scene(1000 + seed, width=256, height=256).image
        cv2.imwrite(str(pictures / f"{seed}.png"), scene)
    arguments = ["export", f"{folder / 'site'}/", "--model", "scenes", "--title", TITLE]
    arguments += ["--calibrate", str(pictures)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command_line(arguments)
    assert code == 0, err.getvalue()
    _write_exact(folder / "site", folder / "exact")
    yield Host(folder, code, out.getvalue(), err.getvalue())
    shutil.rmtree(folder)


def _write_exact(site: Path, exact: Path) -> None:
    """Copy a page, and put the graph in float32 into it."""
    shutil.copytree(site, exact, copy_function=os.link)
    graph = exact / "graph.onnx"
    graph.unlink()
    export(load_classifier("scenes"), graph, classes="all")
    description: dict[str, Any] = json.loads((exact / "site.json").read_text(encoding="utf-8"))
    made = describe_files(exact)["graph.onnx"]
    description["graph"].update(made)
    description["files"]["graph.onnx"] = made
    description["model"]["precision"] = "fp32"
    replaced(exact / "site.json", json.dumps(description).encode())


def replaced(path: Path, content: bytes) -> None:
    """Write a file of a copy anew; the original, which it is a link to, stays."""
    path.unlink()
    path.write_bytes(content)
