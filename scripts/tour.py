"""Runs the notebook for lessons and keeps its outputs: ``scripts/tour.ipynb``.

    python scripts/tour.py                         # weights are downloaded, or taken from the cache
    python scripts/tour.py --weights squeezenet.pth

The same machine writes the same file: pictures are written anew and small, without times and
without traces of whoever ran it. Needs ``pip install ".[tour]"``.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TOUR = ROOT / "scripts" / "tour.ipynb"
WEIGHTS_LINE = "WEIGHTS = None"
"""Line of the notebook that is set to a file for the run, and set back after it."""


def with_weights(notebook: Any, weights: Path | None) -> Any:  # noqa: ANN401 - nbformat's
    """Return the notebook with the file of the photograph's network in it, or without one."""
    wanted = WEIGHTS_LINE if weights is None else f"WEIGHTS = {str(weights)!r}"
    for cell in notebook.cells:
        if cell.id == "photograph":
            lines = cell.source.splitlines()
            place = next(n for n, line in enumerate(lines) if line.startswith("WEIGHTS = "))
            _, _, comment = lines[place].partition("#")
            lines[place] = f"{wanted}  #{comment}"
            cell.source = "\n".join(lines)
    return notebook


def execute(notebook: Any) -> Any:  # noqa: ANN401 - nbformat's
    """Return the notebook with its outputs."""
    from nbclient import NotebookClient

    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
        client.execute()
    return notebook


def tidied(notebook: Any) -> Any:  # noqa: ANN401 - nbformat's
    """Return the notebook without times and traces, its pictures small."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            output.pop("metadata", None)
            if "data" in output:
                output.metadata = {}
                kept = {kind: output.data[kind] for kind in ("text/plain",) if kind in output.data}
                if "image/png" in output.data:
                    kind, encoded = small_picture(output.data["image/png"])
                    kept[kind] = encoded
                output.data = kept
    return notebook


def small_picture(png: str) -> tuple[str, str]:
    """Return a picture as PNG, or as JPEG where that is far smaller, as photographs are.

    Args:
        png: Base64, as the kernel sends it.

    Returns:
        Its type, and its bytes in base64.
    """
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    lines, photograph = io.BytesIO(), io.BytesIO()
    image.save(lines, "PNG", optimize=True)
    image.save(photograph, "JPEG", quality=85, subsampling=0, optimize=True)
    kind, file = ("image/png", lines)
    if 2 * len(photograph.getvalue()) < len(lines.getvalue()):
        kind, file = ("image/jpeg", photograph)
    return kind, base64.b64encode(file.getvalue()).decode("ascii")


def main() -> int:
    """Run the notebook and write it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="a file of SqueezeNet 1.1's ImageNet weights")
    arguments = parser.parse_args()
    notebook = with_weights(nbformat.read(TOUR, as_version=4), arguments.weights)
    notebook = with_weights(tidied(execute(notebook)), None)
    nbformat.write(notebook, TOUR)
    print(f"{TOUR}: {TOUR.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
