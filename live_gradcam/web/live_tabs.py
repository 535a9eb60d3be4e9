"""Layout of the tabs with a camera: one explains what it sees, the other is taught by it."""

from __future__ import annotations

import html

import gradio as gr

from live_gradcam.web.controls import (
    DEFAULT,
    QUIET,
    colour_controls,
    make_controls,
    piece_of_html,
)
from live_gradcam.web.figures import legend
from live_gradcam.web.state import AppState

_FORGOTTEN = "Pictures go to this page's own server, are explained and forgotten."
_HINT = (
    "Click into the picture to ask what a spot says about the classes; click a class to explain it."
)


def _stage(prefix: str, promise: str) -> str:
    return f"""
<div id="{prefix}-stage" class="live-stage" data-state="idle">
  <canvas id="{prefix}-picture" tabindex="0" role="img"
    aria-label="The camera's picture with its explanation. Arrow keys ask a spot."></canvas>
  <i class="cell" hidden></i>
  <output id="{prefix}-rate" class="live-rate" aria-label="Pictures a second and delay"></output>
  <p>{html.escape(promise, quote=False)}</p>
</div>
<p id="{prefix}-message" class="live-message" role="status" aria-live="polite"></p>
"""


def _sentence(prefix: str, first: str) -> str:
    text = html.escape(first, quote=False)
    return f'<p id="{prefix}-sentence" class="live-sentence">{text}</p>'


def _labels(prefix: str) -> str:
    name = "The most likely classes"
    return f'<ol id="{prefix}-labels" class="classes" aria-label="{name}"></ol>'


def _verdict(prefix: str) -> str:
    return f'<p id="{prefix}-verdict" class="live-verdict"></p>'


def _spot(prefix: str) -> str:
    return f'<p id="{prefix}-spot" class="spot" role="status" aria-live="polite"></p>'


def _camera_side(prefix: str, promise: str, found: str = "") -> gr.HTML:
    """The camera's picture with its buttons, and what was found; returns the legend below."""
    piece_of_html(_stage(prefix, promise), elem_id=prefix)
    with gr.Row(elem_id=f"{prefix}-buttons", elem_classes="camera-buttons"):
        start = gr.Button("Start the camera", variant="primary", elem_id=f"{prefix}-button")
        freeze = gr.Button("Freeze", elem_id=f"{prefix}-freeze", interactive=False)
        keep = gr.Button("Snapshot", elem_id=f"{prefix}-snapshot", interactive=False)
    for button, action in ((start, "toggle"), (freeze, "freeze"), (keep, "snapshot")):
        script = f"() => {{ {_SCRIPTS[prefix]}.{action}(); }}"
        button.click(None, js=script, api_visibility="private")
    if found:
        piece_of_html(found, elem_id=f"{prefix}-found")
    bar = piece_of_html(legend(DEFAULT.colormap), elem_id=f"{prefix}-legend")
    piece_of_html(f'<p class="hint" id="{prefix}-hint">{_HINT}</p>')
    return bar


_SCRIPTS = {"camera": "liveCamera", "teach": "teachCamera"}


def _send_changes(prefix: str, controls: dict[str, gr.components.Component]) -> None:
    """Tell the camera's script what is chosen."""
    for name, control in controls.items():
        script = f"(value) => {{ {_SCRIPTS[prefix]}.set('{name}', value); }}"
        control.change(None, control, js=script, api_visibility="private")  # type: ignore[attr-defined]


def fill_camera_tab(state: AppState) -> None:
    """Lay out the tab that explains what the camera sees."""
    with gr.Row(equal_height=False, elem_id="camera-row", elem_classes="camera-row"):
        with gr.Column(scale=7, min_width=300, elem_id="camera-left", elem_classes="camera-left"):
            bar = _camera_side("camera", _FORGOTTEN)
        with gr.Column(scale=4, min_width=280):
            sentence = _sentence("camera", "Start the camera and hold something up to it.")
            piece_of_html(sentence + _verdict("camera") + _labels("camera") + _spot("camera"))
            controls = make_controls(state)
            mirror = gr.Checkbox(label="Mirror", value=False)
            controls.colormap.change(legend, controls.colormap, bar, queue=False, **QUIET)
    names = ("class", "view", "method", "opacity", "colormap", "mirror")
    _send_changes("camera", dict(zip(names, (*controls.in_order(), mirror), strict=True)))


_LESSON = """
<div id="teach-lesson">
  <p class="heading" id="teach-heading">What it learns</p>
  <ol id="teach-classes" aria-labelledby="teach-heading" data-most="{most}"></ol>
  <div class="teach-buttons">
    <button type="button" id="teach-add">Add a class</button>
    <button type="button" id="teach-undo" disabled>Take back</button>
    <button type="button" id="teach-own" aria-pressed="false" disabled
      title="Explain the network as it came, and again what it was taught">Its own classes</button>
  </div>
  <p id="teach-line" role="status" aria-live="polite" data-first="{first}">{first}</p>
  <ul id="teach-sentences" aria-label="What it goes by"></ul>
  <details id="teach-confusion" hidden>
    <summary>What it took for what, of what it had not been taught</summary>
    <div tabindex="0" role="group" aria-label="Shown classes in rows, answers in columns">
      <table></table></div>
  </details>
  <div class="teach-buttons" id="teach-save">
    <button type="button" disabled>Save the classes</button>{whole}
    <button type="button" id="teach-forget" disabled>Forget all</button>
  </div>
  <p class="hint">{hint}</p>
</div>
"""
_WHOLE = '\n    <button type="button" data-whole="true" disabled>Save the whole network</button>'
_FIRST = (
    "Start the camera. Then hold “anything else” and show the empty table; hold “thing 1” and show "
    "it the thing."
)


def fill_teach_tab(state: AppState, *, whole_files: bool) -> None:
    """Lay out the tab in which the network is taught.

    Args:
        state: Services that do the work.
        whole_files: Offer the network itself as a file, too.
    """
    refusal, limits = state.lessons.refusal, state.limits
    if refusal:
        piece_of_html(f'<div class="empty" id="teach-button"><p>{html.escape(refusal)}</p></div>')
        return
    minutes = round(limits.lesson_seconds / 60)
    promise = (
        "Pictures go to this page's own server. What it is taught stays in its memory until you "
        f"leave or press “Forget all”, {minutes} minutes at most; nothing of it is written to disk."
    )
    network = html.escape(state.classifier.name)
    hint = f"A file of the classes goes with this network, {network}." + (
        " The whole network is a file that is enough by itself." if whole_files else ""
    )
    with gr.Row(equal_height=False, elem_id="teach-row", elem_classes="camera-row"):
        with gr.Column(scale=6, min_width=300, elem_id="teach-left", elem_classes="camera-left"):
            bar = _camera_side("teach", promise, _spot("teach") + _verdict("teach"))
        with gr.Column(scale=5, min_width=300, elem_id="teach-right"):
            sentence = _sentence("teach", "Teach it something new, and see what it goes by.")
            piece_of_html(sentence + _labels("teach"))
            whole = _WHOLE if whole_files else ""
            most = limits.lesson_classes + 1
            piece_of_html(_LESSON.format(most=most, first=_FIRST, whole=whole, hint=hint))
            with gr.Accordion("Colours", open=False):
                opacity, colormap = colour_controls()
            mirror = gr.Checkbox(label="Mirror", value=False)
            colormap.change(legend, colormap, bar, queue=False, **QUIET)
    _send_changes("teach", {"opacity": opacity, "colormap": colormap, "mirror": mirror})
