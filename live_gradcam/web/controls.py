"""The controls that the page's tabs share, and the smaller pieces of its layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.explain.methods import METHODS
from live_gradcam.web.figures import legend
from live_gradcam.web.settings import VIEW_LABELS, ViewSettings, class_choices, offered_methods
from live_gradcam.web.state import AppState

DEFAULT = ViewSettings()
"""Settings before anybody has changed one."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Options of an event that only the page itself listens to."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls of a tab."""

    class_name: gr.Dropdown
    view: gr.Radio
    method: gr.Dropdown
    opacity: gr.Slider
    colormap: gr.Dropdown
    layer: gr.Dropdown | None

    def in_order(self) -> list[Any]:
        """All of them in the order of `read_settings`, with the layer where a tab has it."""
        layer = [self.layer] if self.layer is not None else []
        return [self.class_name, self.view, *layer, self.method, self.opacity, self.colormap]


def make_controls(state: AppState, *, layers: bool = False) -> Controls:
    """The controls of a tab, made where it is laid out.

    Args:
        state: Services that do the work.
        layers: Let visitors choose the layer, too.
    """
    choices = [("the most likely class", ""), *class_choices(state.classifier.labels)]
    class_name = gr.Dropdown(
        choices, value="", label="Explain", info="Why this class?", filterable=True
    )
    view = gr.Radio(
        [(label, view) for view, label in VIEW_LABELS.items()],
        value=DEFAULT.view,
        label="The network sees",
    )
    with gr.Accordion("Method and colours", open=False):
        method = gr.Dropdown(
            [(METHODS[name].title, name) for name in offered_methods(state.pool)],
            value=state.pool.method,
            label="Method",
            info="How the map is made.",
            filterable=False,
        )
        layer = _layer_control(state) if layers else None
        opacity, colormap = colour_controls()
    return Controls(class_name, view, method, opacity, colormap, layer)


def colour_controls() -> tuple[gr.Slider, gr.Dropdown]:
    """How strongly evidence is coloured, and in which colours."""
    return (
        gr.Slider(0.0, 1.0, value=DEFAULT.opacity, step=0.05, label="Opacity", buttons=[]),
        gr.Dropdown(
            list(COLORMAP_NAMES), value=DEFAULT.colormap, label="Colours", filterable=False
        ),
    )


def piece_of_html(content: str, **options: Any) -> gr.HTML:  # noqa: ANN401
    """A piece of HTML that has the page's own style only."""
    return gr.HTML(content, padding=False, apply_default_css=False, **options)


def show_legend(controls: Controls, *, elem_id: str) -> None:
    """Show the chosen colour map."""
    bar = piece_of_html(legend(DEFAULT.colormap), elem_id=elem_id)
    controls.colormap.change(legend, controls.colormap, bar, queue=False, **QUIET)


def _layer_control(state: AppState) -> gr.Dropdown:
    own = state.classifier.layer
    return gr.Dropdown(
        [
            (f"{name} (the usual one)" if name == own else name, name)
            for name in reversed(state.layers)
        ],
        value=own,
        label="Layer",
        info="Earlier layers show finer, simpler things.",
        filterable=False,
    )
