"""Notebooks, run as Jupyter runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat


def make_kernel(folder: Path) -> dict[str, str]:
    """Make a kernel of this very interpreter, and return the variables that a notebook runs with.

    In a process of its own, because the client's threads and sockets outlive the notebook, and with
    folders of its own, because a user's kernels and settings are no part of a test.
    """
    own = folder / "kernels" / "own"
    own.mkdir(parents=True)
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    described = {"argv": start, "display_name": "own", "language": "python"}
    (own / "kernel.json").write_text(json.dumps(described), encoding="utf-8")
    return {
        "JUPYTER_PATH": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONUTF8": "1",
    }


def run_notebook(
    notebook: Any, path: Path, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a notebook from top to bottom, its outputs in the file that it is written to.

    Args:
        notebook: As nbformat has it.
        path: The file.
        variables: Of the environment, besides the process's own, as `make_kernel` returns them.
    """
    nbformat.write(notebook, path)
    words = ["execute", "--inplace", "--kernel_name=own", "--timeout=200", str(path)]
    return subprocess.run(
        [sys.executable, "-m", "jupyter", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **variables},
        timeout=280,
        check=False,
    )


def cell_of(notebook: Any, name: str) -> Any:
    """The cell with an id."""
    return next(each for each in notebook.cells if each.id == name)


def printed(cell: Any) -> str:
    """Everything that a cell has printed."""
    return "".join(each.text for each in cell.outputs if each.output_type == "stream")
