"""Layout of the page: three tabs over the same network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.explain.methods import METHODS
from live_gradcam.scenes import render_scene
from live_gradcam.web.api import Api
from live_gradcam.web.handlers import EMPTY, Handlers, legend
from live_gradcam.web.images import TOP, encode_image
from live_gradcam.web.limits import MEGABYTE
from live_gradcam.web.settings import VIEW_LABELS, ViewSettings, offered_methods
from live_gradcam.web.state import AppState

TITLE = "live-gradcam"

_DEFAULT = ViewSettings()
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_CAMERA = """
<div id="camera-stage" data-state="idle">
  <canvas id="camera-picture" role="img" aria-label="The camera's picture with its explanation">
  </canvas>
  <output id="camera-rate" aria-label="Pictures a second and delay"></output>
  <p>Pictures go to this page's own server, are explained and forgotten.</p>
</div>
<p id="camera-message" role="status" aria-live="polite"></p>
<ol id="camera-labels" aria-label="The most likely classes"></ol>
"""
# Seed and number of objects: with several objects, each of the best classes has a map of its own.
_EXAMPLES = ((7, 2), (2, 3), (10, 3), (9, 2), (3, 1), (8, 1))
_TOGGLE_DARK = "() => { document.body.classList.toggle('dark'); }"


@dataclass(frozen=True, slots=True)
class _Controls:
    """The controls that every tab has."""

    class_name: gr.Dropdown
    view: gr.Radio
    method: gr.Dropdown
    opacity: gr.Slider
    colormap: gr.Dropdown

    def in_order(self, *layer: gr.Dropdown) -> list[Any]:
        """All of them in the order of `read_settings`, with the layer where a tab has it."""
        return [self.class_name, self.view, *layer, self.method, self.opacity, self.colormap]


def make_examples(folder: Path) -> list[Path]:
    """Draw a few generated scenes as examples: no network, no licence, known truth.

    Args:
        folder: Created if it is not there.

    Returns:
        The files, PNG.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (seed, objects) in enumerate(_EXAMPLES, 1):
        path = folder / f"scene-{number}.png"
        image = render_scene(seed, width=640, height=480, objects=objects).image
        path.write_bytes(encode_image(image, ".png"))
        paths.append(path)
    return paths


def build_page(state: AppState, examples: Sequence[Path]) -> gr.Blocks:
    """The page, not yet served.

    Args:
        state: Services that do the work.
        examples: Images to choose from.
    """
    handlers, functions = Handlers(state), Api(state)
    limits = state.limits
    page: gr.Blocks
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(60, int(limits.cache_seconds))
    ) as page:
        with gr.Row(elem_id="headline"):
            gr.Markdown(
                f"# {TITLE}\nSee what an image classifier sees, and why. "
                f"Network: **{state.classifier.name}**, {state.classifier.class_count} classes."
            )
            dark = gr.Button("Dark / light", size="sm", elem_id="dark-button")
            dark.click(None, js=_TOGGLE_DARK, api_visibility="private")
        with gr.Tabs():
            with gr.Tab("Picture", id="picture"):
                _fill_image_tab(state, handlers, examples)
            with gr.Tab("Camera", id="camera"):
                _fill_camera_tab(state)
            with gr.Tab("Video", id="video"):
                _fill_video_tab(state, handlers)
        page.unload(handlers.leave)
        api(functions.explain, api_name="explain", concurrency_limit=limits.concurrency)
        api(functions.explain_with, api_name="explain_with", concurrency_limit=limits.concurrency)
        api(functions.classes, api_name="classes")
    page.queue(max_size=limits.queue, default_concurrency_limit=limits.concurrency, api_open=False)
    return page


def head() -> str:
    """Content of the page's head."""
    return f"<script>{_asset('camera.js')}</script>"


def style() -> str:
    """The page's own style."""
    return _asset("page.css")


def theme() -> gr.themes.Base:
    """Gradio's theme with the fonts that every machine has."""
    return gr.themes.Soft(
        primary_hue="orange",
        neutral_hue="zinc",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        # Small grey type must still be readable.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_label_text_color="*neutral_800",
        block_label_text_color_dark="*neutral_100",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
    )


def _asset(name: str) -> str:
    return files("live_gradcam.web").joinpath(name).read_text(encoding="utf-8")


def _controls(state: AppState) -> _Controls:
    labels = state.classifier.labels
    choices = [("the most likely class", ""), *((label, label) for label in dict.fromkeys(labels))]
    return _Controls(
        class_name=gr.Dropdown(
            choices, value="", label="Explain", info="Why this class?", filterable=True
        ),
        view=gr.Radio(
            [(label, view) for view, label in VIEW_LABELS.items()],
            value=_DEFAULT.view,
            label="The network sees",
        ),
        method=gr.Dropdown(
            [(METHODS[name].title, name) for name in offered_methods(state.pool)],
            value=state.pool.method,
            label="Method",
            info="How the map is made.",
            filterable=False,
        ),
        opacity=gr.Slider(0.0, 1.0, value=_DEFAULT.opacity, step=0.05, label="Opacity", buttons=[]),
        colormap=gr.Dropdown(
            list(COLORMAP_NAMES), value=_DEFAULT.colormap, label="Colours", filterable=False
        ),
    )


def _legend(controls: _Controls, *, elem_id: str | None = None) -> None:
    """Show the chosen colour map."""
    bar = gr.HTML(legend(_DEFAULT.colormap), elem_id=elem_id)
    controls.colormap.change(legend, controls.colormap, bar, queue=False, **_QUIET)


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


def _fill_image_tab(state: AppState, handlers: Handlers, examples: Sequence[Path]) -> None:
    with gr.Row(equal_height=False, elem_id="picture-row"):
        with gr.Column(scale=4, min_width=280, elem_id="picture-left"):
            upload = _upload_control(examples)
            with gr.Column(elem_id="picture-controls"):
                controls = _controls(state)
                layer = _layer_control(state)
        with gr.Column(scale=6, min_width=300):
            overlay = gr.HTML(EMPTY, elem_id="picture-overlay")
            _legend(controls, elem_id="picture-legend")
            sentence = gr.Markdown(elem_id="sentence")
            trust = gr.Markdown(elem_id="trust")
            label = gr.Label(num_top_classes=TOP, label="Most likely", elem_id="picture-label")
    maps = gr.HTML(elem_id="picture-maps")
    downloads = gr.HTML(elem_id="picture-downloads")
    settings = controls.in_order(layer)
    outputs = [overlay, label, sentence, trust, maps, downloads]
    newest: dict[str, Any] = {"preprocess": False, "trigger_mode": "always_last"} | _QUIET
    limited = newest | {"concurrency_limit": state.limits.concurrency}
    opened = upload.change(handlers.open_image, [upload, *settings], outputs, **limited)
    changes = [control.change for control in settings]
    changed = gr.on(changes, handlers.change_settings, settings, outputs, **limited)
    for explained in (opened, changed):
        explained.success(handlers.measure_trust, settings, [sentence, trust], **newest)


def _upload_control(examples: Sequence[Path]) -> gr.Image:
    upload = gr.Image(
        label="Your picture",
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        buttons=[],
        height=300,
        elem_id="picture-input",
    )
    gr.Examples(
        [[str(path)] for path in examples],
        inputs=[upload],
        label="Or one of these",
        cache_examples=False,
        elem_id="picture-examples",
        api_visibility="private",
    )
    return upload


def _fill_camera_tab(state: AppState) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=300):
            gr.HTML(_CAMERA, elem_id="camera", padding=False)
        with gr.Column(scale=4, min_width=280):
            button = gr.Button("Start the camera", variant="primary", elem_id="camera-button")
            controls = _controls(state)
            mirror = gr.Checkbox(label="Mirror", value=False)
            _legend(controls)
    button.click(None, js="() => { liveCamera.toggle(); }", api_visibility="private")
    names = ("class", "view", "method", "opacity", "colormap", "mirror")
    for name, control in zip(names, (*controls.in_order(), mirror), strict=True):
        script = f"(value) => {{ liveCamera.set('{name}', value); }}"
        control.change(None, control, js=script, api_visibility="private")


def _fill_video_tab(state: AppState, handlers: Handlers) -> None:
    limits = state.limits
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            video = gr.Video(
                label="Your video",
                sources=["upload"],
                include_audio=True,
                buttons=[],
                height=260,
                elem_id="video-input",
            )
            gr.HTML(
                f'<p class="hint">At most {limits.video_seconds:.0f} s, '
                f"{limits.file_bytes // MEGABYTE} MB and "
                f"{limits.video_long_side}x{limits.video_short_side} pixels.</p>"
            )
            controls = _controls(state)
            with gr.Row():
                begin = gr.Button("Explain", variant="primary", elem_id="video-button")
                cancel = gr.Button("Cancel", elem_id="video-cancel")
        with gr.Column(scale=6, min_width=300):
            result = gr.Video(
                label="Explained",
                show_label=False,
                interactive=False,
                buttons=["download"],
                elem_id="video-result",
            )
            message = gr.Markdown(elem_id="video-message")
            _legend(controls)
    begin.click(
        handlers.explain_video,
        [video, *controls.in_order()],
        [result, message],
        preprocess=False,
        trigger_mode="once",
        concurrency_limit=limits.concurrency,
        api_visibility="private",
    )
    cancel.click(handlers.cancel_video, None, None, queue=False, **_QUIET)
