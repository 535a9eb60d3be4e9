"""Layout of the page: three tabs over the same network."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gradio as gr
from gradio.events import api

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.explain.methods import METHODS
from live_gradcam.web.api import Api
from live_gradcam.web.figures import example_gallery, legend
from live_gradcam.web.handlers import Handlers
from live_gradcam.web.limits import MEGABYTE
from live_gradcam.web.settings import VIEW_LABELS, ViewSettings, class_choices, offered_methods
from live_gradcam.web.state import AppState

TITLE = "live-gradcam"

_DEFAULT = ViewSettings()
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_CAMERA = """
<div id="camera-stage" data-state="idle">
  <canvas id="camera-picture" tabindex="0" role="img"
    aria-label="The camera's picture with its explanation. Arrow keys ask a spot."></canvas>
  <i class="cell" hidden></i>
  <output id="camera-rate" aria-label="Pictures a second and delay"></output>
  <p>Pictures go to this page's own server, are explained and forgotten.</p>
</div>
<p id="camera-message" role="status" aria-live="polite"></p>
"""
_CAMERA_ANSWER = """
<div id="camera-answer">
  <p id="camera-sentence">Start the camera and hold something up to it.</p>
  <p id="camera-verdict"></p>
  <ol id="camera-labels" class="classes" aria-label="The most likely classes"></ol>
  <p id="camera-spot" class="spot" role="status" aria-live="polite"></p>
</div>
"""
_TOGGLE_DARK = "() => { livePage.toggleDark(); }"
# What is clicked inside a piece of HTML goes to the server as an event of that piece.
_SEND_CHOICE = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.example) trigger("click", { example: Number(button.dataset.example) });
  if (button.dataset.class) trigger("click", { class: button.dataset.class });
});
"""


@dataclass(frozen=True, slots=True)
class _Controls:
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


def build_page(state: AppState) -> gr.Blocks:
    """The page, not yet served.

    Args:
        state: Services that do the work.
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
                _fill_image_tab(state, handlers)
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
    return f"<script>{_asset('page.js')}</script><script>{_asset('camera.js')}</script>"


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
        button_primary_background_fill_hover_dark="*primary_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        block_label_background_fill_dark="*neutral_700",
    )


def _asset(name: str) -> str:
    return files("live_gradcam.web").joinpath(name).read_text(encoding="utf-8")


def _controls(state: AppState, *, layers: bool = False) -> _Controls:
    choices = [("the most likely class", ""), *class_choices(state.classifier.labels)]
    class_name = gr.Dropdown(
        choices, value="", label="Explain", info="Why this class?", filterable=True
    )
    view = gr.Radio(
        [(label, view) for view, label in VIEW_LABELS.items()],
        value=_DEFAULT.view,
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
        opacity = gr.Slider(
            0.0, 1.0, value=_DEFAULT.opacity, step=0.05, label="Opacity", buttons=[]
        )
        colormap = gr.Dropdown(
            list(COLORMAP_NAMES), value=_DEFAULT.colormap, label="Colours", filterable=False
        )
    return _Controls(class_name, view, method, opacity, colormap, layer)


def _html(content: str, **options: Any) -> gr.HTML:  # noqa: ANN401
    """A piece of HTML that has the page's own style only."""
    return gr.HTML(content, padding=False, apply_default_css=False, **options)


def _legend(controls: _Controls, *, elem_id: str) -> None:
    """Show the chosen colour map."""
    bar = _html(legend(_DEFAULT.colormap), elem_id=elem_id)
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


def _fill_image_tab(state: AppState, handlers: Handlers) -> None:
    overlay, sentence, trust, cards, downloads = handlers.first_view()
    with gr.Row(equal_height=False, elem_id="picture-row"):
        with gr.Column(scale=4, min_width=280, elem_id="picture-left"):
            upload, examples = _upload_control(state)
            with gr.Column(elem_id="picture-controls"):
                controls = _controls(state, layers=True)
        with gr.Column(scale=7, min_width=300, elem_id="picture-result"):
            answer = gr.Markdown(sentence, elem_id="sentence")
            shown = _html(overlay, elem_id="picture-overlay")
            _legend(controls, elem_id="picture-legend")
            verdict = gr.Markdown(trust, elem_id="trust")
            classes = _html(cards, elem_id="picture-classes", js_on_load=_SEND_CHOICE)
            links = _html(downloads, elem_id="picture-downloads")
    settings = controls.in_order()
    outputs = [shown, answer, verdict, classes, links]
    newest: dict[str, Any] = {"preprocess": False, "trigger_mode": "always_last"} | _QUIET
    limited = newest | {"concurrency_limit": state.limits.concurrency}
    opened = upload.change(handlers.open_image, [upload, *settings], outputs, **limited)
    chosen = examples.click(handlers.choose_example, settings, outputs, **limited)
    changes = [control.change for control in settings]
    changed = gr.on(changes, handlers.change_settings, settings, outputs, **limited)
    classes.click(handlers.choose_class, None, controls.class_name, **newest)
    for explained in (opened, chosen, changed):
        explained.success(handlers.measure_trust, settings, outputs, **newest)


def _upload_control(state: AppState) -> tuple[gr.Image, gr.HTML]:
    upload = gr.Image(
        label="Your picture",
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        placeholder="Drop a picture here, or click to choose one",
        buttons=[],
        height=170,
        elem_id="picture-input",
    )
    examples = state.images.examples
    gallery = _html(
        example_gallery([each.name for each in examples]) if examples else "",
        elem_id="picture-examples",
        js_on_load=_SEND_CHOICE,
        visible=bool(examples),
    )
    return upload, gallery


def _fill_camera_tab(state: AppState) -> None:
    with gr.Row(equal_height=False, elem_id="camera-row"):
        with gr.Column(scale=7, min_width=300, elem_id="camera-left"):
            _html(_CAMERA, elem_id="camera")
            with gr.Row(elem_id="camera-buttons"):
                start = gr.Button("Start the camera", variant="primary", elem_id="camera-button")
                freeze = gr.Button("Freeze", elem_id="camera-freeze", interactive=False)
                keep = gr.Button("Snapshot", elem_id="camera-snapshot", interactive=False)
            bar = _html(legend(_DEFAULT.colormap), elem_id="camera-legend")
            _html(
                '<p class="hint" id="camera-hint">Click into the picture to ask what a spot says '
                "about the classes; click a class to explain it.</p>"
            )
        with gr.Column(scale=4, min_width=280):
            _html(_CAMERA_ANSWER)
            controls = _controls(state)
            mirror = gr.Checkbox(label="Mirror", value=False)
            controls.colormap.change(legend, controls.colormap, bar, queue=False, **_QUIET)
    for button, action in ((start, "toggle"), (freeze, "freeze"), (keep, "snapshot")):
        script = f"() => {{ liveCamera.{action}(); }}"
        button.click(None, js=script, api_visibility="private")
    names = ("class", "view", "method", "opacity", "colormap", "mirror")
    for name, control in zip(names, (*controls.in_order(), mirror), strict=True):
        script = f"(value) => {{ liveCamera.set('{name}', value); }}"
        control.change(None, control, js=script, api_visibility="private")


def _fill_video_tab(state: AppState, handlers: Handlers) -> None:
    limits = state.limits
    with gr.Row(equal_height=False, elem_id="video-row"):
        with gr.Column(scale=4, min_width=280, elem_id="video-left"):
            video = gr.Video(
                label="Your video",
                sources=["upload"],
                include_audio=True,
                buttons=[],
                height=220,
                elem_id="video-input",
            )
            with gr.Row(elem_id="video-buttons"):
                begin = gr.Button("Explain the video", variant="primary", elem_id="video-button")
                cancel = gr.Button("Cancel", elem_id="video-cancel")
            _html(
                f'<p class="hint">At most {limits.video_seconds:.0f} s, '
                f"{limits.file_bytes // MEGABYTE} MB and "
                f"{limits.video_long_side}x{limits.video_short_side} pixels.</p>"
            )
            with gr.Column(elem_id="video-controls"):
                controls = _controls(state)
        with gr.Column(scale=7, min_width=300):
            result = gr.Video(
                label="Explained",
                show_label=False,
                interactive=False,
                buttons=["download"],
                elem_id="video-result",
            )
            message = gr.Markdown(elem_id="video-message")
            seen = _html("", elem_id="video-timeline")
    begin.click(
        handlers.explain_video,
        [video, *controls.in_order()],
        [result, message, seen],
        preprocess=False,
        trigger_mode="once",
        concurrency_limit=limits.concurrency,
        api_visibility="private",
    )
    cancel.click(handlers.cancel_video, None, None, queue=False, **_QUIET)
