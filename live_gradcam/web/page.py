"""Layout of the page: four tabs over the same network."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import gradio as gr
from gradio.events import api

from live_gradcam.web.api import Api
from live_gradcam.web.controls import QUIET, make_controls, piece_of_html, show_legend
from live_gradcam.web.figures import example_gallery
from live_gradcam.web.handlers import Handlers
from live_gradcam.web.limits import MEGABYTE
from live_gradcam.web.live_tabs import fill_camera_tab, fill_teach_tab
from live_gradcam.web.state import AppState

TITLE = "live-gradcam"

_SCRIPTS = ("page.js", "camera.js", "teach.js")
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


def build_page(state: AppState, *, whole_files: bool = False) -> gr.Blocks:
    """The page, not yet served.

    Args:
        state: Services that do the work.
        whole_files: Visitors may keep the network itself, with what they taught it.
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
                fill_camera_tab(state)
            with gr.Tab("Teach", id="teach"):
                fill_teach_tab(state, whole_files=whole_files)
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
    return "".join(f"<script>{_asset(name)}</script>" for name in _SCRIPTS)


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


def _fill_image_tab(state: AppState, handlers: Handlers) -> None:
    overlay, sentence, trust, cards, downloads = handlers.first_view()
    with gr.Row(equal_height=False, elem_id="picture-row"):
        with gr.Column(scale=4, min_width=280, elem_id="picture-left"):
            upload, examples = _upload_control(state)
            with gr.Column(elem_id="picture-controls"):
                controls = make_controls(state, layers=True)
        with gr.Column(scale=7, min_width=300, elem_id="picture-result"):
            answer = gr.Markdown(sentence, elem_id="sentence")
            shown = piece_of_html(overlay, elem_id="picture-overlay")
            show_legend(controls, elem_id="picture-legend")
            verdict = gr.Markdown(trust, elem_id="trust")
            classes = piece_of_html(cards, elem_id="picture-classes", js_on_load=_SEND_CHOICE)
            links = piece_of_html(downloads, elem_id="picture-downloads")
    settings = controls.in_order()
    outputs = [shown, answer, verdict, classes, links]
    newest: dict[str, Any] = {"preprocess": False, "trigger_mode": "always_last"} | QUIET
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
    gallery = piece_of_html(
        example_gallery([each.name for each in examples]) if examples else "",
        elem_id="picture-examples",
        js_on_load=_SEND_CHOICE,
        visible=bool(examples),
    )
    return upload, gallery


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
            piece_of_html(
                f'<p class="hint">At most {limits.video_seconds:.0f} s, '
                f"{limits.file_bytes // MEGABYTE} MB and "
                f"{limits.video_long_side}x{limits.video_short_side} pixels.</p>"
            )
            with gr.Column(elem_id="video-controls"):
                controls = make_controls(state)
        with gr.Column(scale=7, min_width=300):
            result = gr.Video(
                label="Explained",
                show_label=False,
                interactive=False,
                buttons=["download"],
                elem_id="video-result",
            )
            message = gr.Markdown(elem_id="video-message")
            seen = piece_of_html("", elem_id="video-timeline")
    begin.click(
        handlers.explain_video,
        [video, *controls.in_order()],
        [result, message, seen],
        preprocess=False,
        trigger_mode="once",
        concurrency_limit=limits.concurrency,
        api_visibility="private",
    )
    cancel.click(handlers.cancel_video, None, None, queue=False, **QUIET)
