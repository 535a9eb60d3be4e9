"""Explanations on screens: a window, the cell of a notebook, axes of Matplotlib."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.image_like import ImageLike
from live_gradcam.native import cv2
from live_gradcam.present.describe import headline, page, to_png
from live_gradcam.present.drawing import overlay
from live_gradcam.present.heatmap import of_class
from live_gradcam.presentable import DrawOptions
from live_gradcam.show.window import Closed, KeyPressed, Window
from live_gradcam.values import Explanation, Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POLL_MS = 30


def show(
    explanation: Explanation,
    image: ImageLike | None = None,
    *,
    of: int | str | None = None,
    **options: Unpack[DrawOptions],
) -> None:
    """Show an explanation; see `live_gradcam.Explanation.show`."""
    rendered = overlay(explanation, image, of=of, **options)
    if _in_notebook():
        chosen = of_class(explanation, of)
        content = {
            "text/plain": headline(chosen),
            "image/png": to_png(rendered),
            "text/html": page(chosen, rendered),
        }
        display: Any = import_module("IPython.display")
        display.display(content, raw=True)
        return
    _show_window(rendered, headline(of_class(explanation, of)))


def _in_notebook() -> bool:
    """Return whether what is displayed appears below a cell."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _show_window(rendered: Image, title: str) -> None:
    try:
        window = Window(title, width=rendered.shape[1], height=rendered.shape[0])
    except DeviceError as exc:
        step = "Save it: explanation.save('explained.png')"
        raise DeviceError("cannot show the explanation", exc.where, exc.cause, step) from exc
    with window:
        while window.is_open:
            window.show(rendered)
            if any(isinstance(event, (KeyPressed, Closed)) for event in window.poll(_POLL_MS)):
                return


def plot(
    explanation: Explanation,
    ax: Axes | None = None,
    image: ImageLike | None = None,
    *,
    of: int | str | None = None,
    **options: Unpack[DrawOptions],
) -> Axes:
    """Plot an explanation with Matplotlib; see `live_gradcam.Explanation.plot`."""
    options = {"show_labels": False, "show_legend": False, **options}
    rendered = overlay(explanation, image, of=of, **options)
    if ax is None:
        try:
            pyplot: Any = import_module("matplotlib.pyplot")
        except ImportError as exc:
            step = "Run pip install matplotlib"
            raise UsageError("cannot plot", "matplotlib", "it is not installed", step) from exc
        _, made = pyplot.subplots(layout="constrained")
        axes: Axes = made
    else:
        axes = ax
    axes.imshow(cv2.cvtColor(rendered, cv2.COLOR_BGR2RGB))
    axes.set_title(headline(of_class(explanation, of)))
    axes.set_axis_off()
    return axes
