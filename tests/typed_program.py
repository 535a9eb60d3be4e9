"""A user's program: mypy checks it, and that each mistake in it is one (`warn_unused_ignores`)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import live_gradcam as lg


def right(explainer: lg.Explainer, network: torch.nn.Sequential) -> None:
    """Everything that the README shows is typed."""
    lg.Classifier.from_module(network, layer=network[0])
    found: lg.Explanation = explainer.explain("mug.jpg", classes="top", color="rgb")
    explainer.explain(Path("mug.jpg"))
    explainer.explain(b"")
    explainer.explain(io.BytesIO())
    explainer.explain(Image.new("RGB", (4, 4)))
    explainer.explain(np.zeros((4, 4), np.float32))
    explainer.explain(torch.zeros(3, 4, 4))
    explainer.explain(lg.Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0))
    with Path("mug.jpg").open("rb") as file:
        explainer.explain(file)
    every: list[lg.Explanation] = explainer.explain_batch(torch.zeros(2, 3, 4, 4))
    some: list[lg.Explanation | lg.SourceError]
    some = explainer.explain_batch(["a.jpg", Path("b.jpg"), b""], on_error="skip")
    found.save("a.png", opacity=0.4, colormap="viridis")
    again: lg.Explanation = lg.Explanation.load("a.npz")
    drawn: NDArray[np.uint8] = lg.draw("mug.jpg", found, top_k=2)
    heat: NDArray[np.float32] = found.heatmap((3, 4), of="house")
    del every, some, again, drawn, heat


def wrong(explainer: lg.Explainer, found: lg.Explanation) -> None:
    """Mistakes are found before the program runs."""
    found.overlay(opcity=0.4)  # type: ignore[call-arg]
    found.overlay(colormap="magmaa")  # type: ignore[arg-type]
    lg.draw("mug.jpg", found, opacity="much")  # type: ignore[arg-type]
    explainer.explain(5)  # type: ignore[arg-type]
    explainer.explain("mug.jpg", color="rbg")  # type: ignore[arg-type]
    found.heatmap(3)  # type: ignore[arg-type]
