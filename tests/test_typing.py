"""Programs of users are checked strictly against the types that ship."""

from __future__ import annotations

import sys
from pathlib import Path

from mypy import api

PROGRAM = """
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import live_gradcam as lg

explainer = lg.Explainer(lg.load_classifier("scenes"))
net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
lg.Classifier.from_module(net, layer=net[0])
found: lg.Explanation = explainer.explain("mug.jpg", classes="top", color="rgb")
explainer.explain(Path("mug.jpg"))
explainer.explain(b"")
explainer.explain(io.BytesIO())
explainer.explain(Image.new("RGB", (4, 4)))
explainer.explain(np.zeros((4, 4), np.float32))
explainer.explain(torch.zeros(3, 4, 4))
explainer.explain(lg.Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0))
with open("mug.jpg", "rb") as file:
    explainer.explain(file)
every: list[lg.Explanation] = explainer.explain_batch(torch.zeros(2, 3, 4, 4))
some: list[lg.Explanation | lg.SourceError] = explainer.explain_batch(["a"], on_error="skip")
found.save("a.png", opacity=0.4, colormap="viridis")
again: lg.Explanation = lg.Explanation.load("a.npz")
drawn: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = lg.draw("mug.jpg", found, top_k=2)
heat: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = found.heatmap((3, 4), of="house")
"""
WRONG = {
    "found.overlay(opcity=0.4)": "opcity",
    'found.overlay(colormap="magmaa")': "Literal",
    'lg.draw("mug.jpg", found, opacity="much")': '"str"',
    "explainer.explain(5)": '"int"',
    'explainer.explain("mug.jpg", color="rbg")': "rbg",
    "found.heatmap(3)": '"int"',
}


def test_what_the_readme_promises_is_typed_and_mistakes_are_found(
    tmp_path: Path, monkeypatch: object
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + "\n".join(WRONG) + "\n")
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--ignore-missing-imports"]
    options += ["--follow-imports=silent", "--no-pretty", f"--python-executable={sys.executable}"]
    stdout, stderr, _ = api.run([*options, f"--cache-dir={tmp_path}", str(program)])
    assert not stderr
    first = len(PROGRAM.splitlines()) + 1
    errors = [line.split(":", 2) for line in stdout.splitlines() if ": error: " in line]
    assert [int(line) for _, line, _ in errors] == list(range(first, first + len(WRONG))), stdout
    for (_, _, text), part in zip(errors, WRONG.values(), strict=True):
        assert part in text
