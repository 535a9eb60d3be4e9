"""Notebooks, run as `jupyter execute` runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat

# The kernel is talked to through files: a port is chosen long before the kernel listens on it, and
# any other connection may be given it meanwhile.
_RUN = """
import sys
from pathlib import Path
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

path, connection = map(Path, sys.argv[1:])
config = Config()
if sys.platform == "linux":
    config.KernelManager.transport = "ipc"
    config.KernelManager.connection_file = str(connection)
notebook = nbformat.read(path, as_version=4)
NotebookClient(
    notebook,
    kernel_name="own",
    timeout=600,
    startup_timeout=200,
    resources={"metadata": {"path": str(path.parent)}},
    config=config,
).execute()
nbformat.write(notebook, path)
"""


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
    # Names of sockets must be short; a test's own folder may be deep.
    with tempfile.TemporaryDirectory(prefix="live-gradcam-kernel-") as folder:
        return subprocess.run(
            [sys.executable, "-c", _RUN, str(path), str(Path(folder) / "k.json")],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, **variables},
            timeout=800,
            check=False,
        )


def cell_of(notebook: Any, name: str) -> Any:
    """The cell with an id."""
    return next(each for each in notebook.cells if each.id == name)


def printed(cell: Any) -> str:
    """Everything that a cell has printed."""
    return "".join(each.text for each in cell.outputs if each.output_type == "stream")
