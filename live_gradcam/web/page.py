"""How the page looks: three tabs over the same network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from live_gradcam.explain.methods import METHODS
from live_gradcam.show.overlay import COLORMAPS
from live_gradcam.web.api import Programs
from live_gradcam.web.handlers import EMPTY, Handlers, legend
from live_gradcam.web.images import TOP
from live_gradcam.web.limits import MEGABYTE
from live_gradcam.web.state import AppState

TITLE = "live-gradcam"

_VIEWS = [("Centre", "crop"), ("Squeezed", "stretch"), ("Whole", "full")]
_SHARED_CONTROLS: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
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
_TOGGLE_DARK = "() => { document.body.classList.toggle('dark'); }"


@dataclass(frozen=True, slots=True)
class _Controls:
    """The controls of one tab."""

    class_name: gr.Dropdown
    view: gr.Radio
    method: gr.Dropdown
    opacity: gr.Slider
    colormap: gr.Dropdown


def build_page(desks: AppState, examples: Sequence[Path]) -> gr.Blocks:
    """The page, not yet served.

    Args:
        desks: Who does the work.
        examples: Pictures to choose from.
    """
    handlers, programs = Handlers(desks), Programs(desks)
    limits = desks.limits
    page: gr.Blocks
    with gr.Blocks(
        title=TITLE,
        analytics_enabled=False,
        delete_cache=(60, int(limits.cache_seconds)),
    ) as page:
        with gr.Row(elem_id="headline"):
            gr.Markdown(
                f"# {TITLE}\nSee what an image classifier sees, and why. "
                f"Network: **{desks.classifier.name}**, {desks.classifier.class_count} classes."
            )
            dark = gr.Button("Dark / light", size="sm", elem_id="dark-button")
            dark.click(None, js=_TOGGLE_DARK, api_visibility="private")
        with gr.Tabs():
            with gr.Tab("Picture", id="picture"):
                _picture_tab(desks, handlers, examples)
            with gr.Tab("Camera", id="camera"):
                _camera_tab(desks)
            with gr.Tab("Video", id="video"):
                _video_tab(desks, handlers)
        page.unload(handlers.leave)
        api(programs.explain, api_name="explain", concurrency_limit=limits.concurrency)
        api(
            programs.explain_with,
            api_name="explain_with",
            concurrency_limit=limits.concurrency,
        )
        api(programs.classes, api_name="classes")
    page.queue(
        max_size=limits.queue,
        default_concurrency_limit=limits.concurrency,
        api_open=False,
    )
    return page


def head() -> str:
    """What stands in the page's head."""
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


def _controls(desks: AppState) -> _Controls:
    labels = desks.classifier.labels
    choices = [("the most likely class", ""), *((label, label) for label in dict.fromkeys(labels))]
    return _Controls(
        class_name=gr.Dropdown(
            choices, value="", label="Explain", info="Why this class?", filterable=True
        ),
        view=gr.Radio(_VIEWS, value="crop", label="The network sees"),
        method=gr.Dropdown(
            [(METHODS[name].title, name) for name in desks.layers.methods],
            value=desks.layers.method,
            label="Method",
            info="How the map is made.",
            filterable=False,
        ),
        opacity=gr.Slider(0.0, 1.0, value=0.6, step=0.05, label="Opacity", buttons=[]),
        colormap=gr.Dropdown(list(COLORMAPS), value="turbo", label="Colours", filterable=False),
    )


def _layer_control(desks: AppState) -> gr.Dropdown:
    own = desks.classifier.layer
    return gr.Dropdown(
        [
            (f"{name} (the usual one)" if name == own else name, name)
            for name in reversed(desks.layers.names)
        ],
        value=own,
        label="Layer",
        info="Earlier layers show finer, simpler things.",
        filterable=False,
    )


def _picture_tab(desks: AppState, handlers: Handlers, examples: Sequence[Path]) -> None:
    with gr.Row(equal_height=False, elem_id="picture-row"):
        with gr.Column(scale=4, min_width=280, elem_id="picture-left"):
            picture = gr.Image(
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
                inputs=[picture],
                label="Or one of these",
                cache_examples=False,
                elem_id="picture-examples",
                api_visibility="private",
            )
            with gr.Column(elem_id="picture-controls"):
                controls = _controls(desks)
                layer = _layer_control(desks)
        with gr.Column(scale=6, min_width=300):
            overlay = gr.HTML(EMPTY, elem_id="picture-overlay")
            bar = gr.HTML(legend("turbo"), elem_id="picture-legend")
            sentence = gr.Markdown(elem_id="sentence")
            trust = gr.Markdown(elem_id="trust")
            label = gr.Label(num_top_classes=TOP, label="Most likely", elem_id="picture-label")
    maps = gr.HTML(elem_id="picture-maps")
    downloads = gr.HTML(elem_id="picture-downloads")

    look = [
        controls.class_name,
        controls.view,
        layer,
        controls.method,
        controls.opacity,
        controls.colormap,
    ]
    shown = [overlay, label, sentence, trust, maps, downloads]
    opened = picture.change(
        handlers.open_picture,
        [picture, *look],
        shown,
        preprocess=False,
        trigger_mode="always_last",
        concurrency_limit=desks.limits.concurrency,
        **_SHARED_CONTROLS,
    )
    changed = gr.on(
        [
            controls.class_name.change,
            controls.view.change,
            layer.change,
            controls.method.change,
            controls.opacity.change,
            controls.colormap.change,
        ],
        handlers.look_again,
        look,
        shown,
        preprocess=False,
        trigger_mode="always_last",
        concurrency_limit=desks.limits.concurrency,
        **_SHARED_CONTROLS,
    )
    controls.colormap.change(legend, controls.colormap, bar, queue=False, **_SHARED_CONTROLS)
    measuring: dict[str, Any] = {
        "fn": handlers.measure,
        "inputs": look,
        "outputs": [sentence, trust],
        "preprocess": False,
        "trigger_mode": "always_last",
        **_SHARED_CONTROLS,
    }
    opened.success(**measuring)
    changed.success(**measuring)


def _camera_tab(desks: AppState) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=300):
            gr.HTML(_CAMERA, elem_id="camera", padding=False)
        with gr.Column(scale=4, min_width=280):
            button = gr.Button("Start the camera", variant="primary", elem_id="camera-button")
            controls = _controls(desks)
            mirror = gr.Checkbox(label="Mirror", value=False)
            bar = gr.HTML(legend("turbo"))
    button.click(None, js="() => { liveCamera.toggle(); }", api_visibility="private")
    settings: dict[str, Any] = {
        "class": controls.class_name,
        "view": controls.view,
        "method": controls.method,
        "opacity": controls.opacity,
        "colormap": controls.colormap,
        "mirror": mirror,
    }
    for name, control in settings.items():
        script = f"(value) => {{ liveCamera.set('{name}', value); }}"
        control.change(None, control, js=script, api_visibility="private")
    controls.colormap.change(legend, controls.colormap, bar, queue=False, **_SHARED_CONTROLS)


def _video_tab(desks: AppState, handlers: Handlers) -> None:
    limits = desks.limits
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
            controls = _controls(desks)
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
            bar = gr.HTML(legend("turbo"))
    begin.click(
        handlers.explain_video,
        [
            video,
            controls.class_name,
            controls.view,
            controls.method,
            controls.opacity,
            controls.colormap,
        ],
        [result, message],
        preprocess=False,
        trigger_mode="once",
        concurrency_limit=limits.concurrency,
        api_visibility="private",
    )
    cancel.click(handlers.cancel_video, None, None, queue=False, **_SHARED_CONTROLS)
    controls.colormap.change(legend, controls.colormap, bar, queue=False, **_SHARED_CONTROLS)
