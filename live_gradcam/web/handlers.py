"""Events of the page: values in, values out, no layout."""

from __future__ import annotations

import base64
import functools
import html
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlencode

import gradio as gr

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.errors import LiveGradcamError, SourceError, UsageError
from live_gradcam.images import read_image
from live_gradcam.show.heat import heat_table
from live_gradcam.values import Image
from live_gradcam.web import messages
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.images import CachedImage, draw_maps, draw_overlay, encode_image, likely_label
from live_gradcam.web.settings import ViewSettings, read_settings, settings_as_query
from live_gradcam.web.state import AppState
from live_gradcam.web.videos import Cancelled
from live_gradcam.wording import strength

_logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_QUALITY = 90
_POLL_SECONDS = 0.2
_DEFAULT = ViewSettings().colormap
MEASURING = "*Measuring how far this map can be trusted …*"


def guarded(function: Callable[P, R]) -> Callable[P, R]:
    """Turn errors into one sentence for visitors; unforeseen ones go to the server's log only."""

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except LiveGradcamError as error:
            raise _sentence(messages.public_message(error)) from error
        except gr.Error:
            raise
        except Exception as error:
            _logger.exception("the page failed")
            raise _sentence("Something went wrong on the server; its log says what.") from error

    return inner


def _sentence(text: str) -> gr.Error:
    return gr.Error(text, print_exception=False, title="Sorry")


class Handlers:
    """Handlers of the page's events.

    Args:
        state: Services that do the work.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state

    # Images

    @guarded
    def open_image(self, request: gr.Request, payload: Any, *controls: Any) -> list[Any]:  # noqa: ANN401
        """An image was uploaded, pasted, chosen or removed."""
        visitor = _visitor(request)
        if payload is None:
            self._state.images.cache.remove(visitor)
            return [EMPTY, None, "", "", "", ""]
        settings = read_settings(*controls)
        path, name = uploaded(self._state.cache, payload)
        cached = self._state.images.open(visitor, read_image(path), name)
        return self._answer(cached, settings)

    @guarded
    def change_settings(self, request: gr.Request, *controls: Any) -> list[Any]:  # noqa: ANN401
        """A control was changed: the same image, shown in another way."""
        cached = self._state.images.cache.get(_visitor(request))
        if cached is None:
            return [gr.skip()] * 6
        return self._answer(cached, read_settings(*controls))

    @guarded
    def measure_trust(self, request: gr.Request, *controls: Any) -> list[str]:  # noqa: ANN401
        """Measure how far the shown map can be trusted."""
        cached = self._state.images.cache.get(_visitor(request))
        if cached is None:
            return ["", ""]
        settings = read_settings(*controls)
        trust = messages.describe_trust(self._state.images.removal(cached, settings))
        # Only now, because the test finds out how likely an unlikely class is.
        return [messages.describe_answer(self._state.images.explain(cached, settings)), trust]

    def _answer(self, cached: CachedImage, settings: ViewSettings) -> list[Any]:
        explanation = self._state.images.explain(cached, settings)
        sentence = messages.describe_answer(explanation)
        removal = (settings.cache_key, explanation.explained[0])
        overlay = draw_overlay(
            cached.image, explanation, settings, side=self._state.limits.shown_side
        )
        trust = MEASURING
        if removal in cached.removals:
            trust = messages.describe_trust(cached.removals[removal])
        return [
            figure(overlay, alt=_spoken(sentence)),
            likely_label(explanation, self._state.classifier.labels),
            *(sentence, trust, self._maps(cached, settings), _downloads(cached, settings)),
        ]

    def _maps(self, cached: CachedImage, settings: ViewSettings) -> str:
        explanations = self._state.images.explain_top(cached, settings)
        maps = draw_maps(cached.image, explanations, settings)
        figures = []
        for each, drawn in zip(explanations, maps, strict=True):
            shown = next(p for p in each.predictions if p.class_index == each.explained[0])
            is_share = shown.probability is not None
            given = strength(shown.strength, is_share=is_share, in_words=True)
            caption = f"{each.labels[0]} · {given}"
            alt = f"Map of the evidence for {each.labels[0]}"
            figures.append(figure(drawn, alt=alt, caption=caption))
        return f'<div class="maps">{"".join(figures)}</div>'

    # Videos

    @guarded
    def explain_video(
        self,
        request: gr.Request,
        payload: Any,  # noqa: ANN401
        class_name: str,
        view: str,
        method: str,
        opacity: float,
        colormap: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio looks for this default
    ) -> tuple[str | None, str]:
        """The button of the video tab was pressed."""
        if payload is None:
            raise SourceError("there is no video", "", "", "Upload one first")
        visitor = _visitor(request)
        settings = read_settings(class_name, view, "", method, opacity, colormap)
        path, name = uploaded(self._state.cache, payload)
        job = self._state.videos.begin(visitor, path, name, settings)
        try:
            while not job.wait(_POLL_SECONDS):
                progress((job.progress.frames, job.progress.total), unit="frames")
            summary = job.result()
        except Cancelled:
            return None, "Cancelled."
        finally:
            self._state.videos.end(visitor)
        notes = "".join(f" {note}." for note in summary.notes)
        return str(job.output), (
            f"{summary.frames} frames in {summary.seconds:.1f} s, "
            f"{summary.per_second:.1f} frames a second.{notes}"
        )

    @guarded
    def cancel_video(self, request: gr.Request) -> None:
        """The cancel button was pressed; `explain_video` answers once the job has ended."""
        self._state.videos.cancel(_visitor(request))

    def leave(self, request: gr.Request) -> None:
        """The visitor closed the page."""
        visitor = _visitor(request)
        self._state.videos.cancel(visitor)
        self._state.images.cache.remove(visitor)


def uploaded(cache: CacheFolder, payload: Any) -> tuple[Path, str]:  # noqa: ANN401
    """Path and name of an uploaded file.

    Args:
        cache: Folder of uploads.
        payload: Description of the file in a request.

    Raises:
        SourceError: It was not uploaded here, or is gone.
    """
    content = payload if isinstance(payload, Mapping) else {}
    path = content.get("path")
    if not isinstance(path, str) or not cache.holds(path):
        raise SourceError("cannot open the file", "", "it was not uploaded to this page")
    return Path(path), Path(str(content.get("orig_name") or path)).name


def _visitor(request: gr.Request) -> str:
    if not request.session_hash:
        raise UsageError("cannot answer", "", "the request belongs to no session")
    return str(request.session_hash)


EMPTY = '<div class="empty">The explained picture appears here.</div>'


def figure(image: Image, *, alt: str, caption: str = "") -> str:
    """An image as HTML with the pixels inside: no file, no second request."""
    data = base64.b64encode(encode_image(image, ".jpg", quality=_QUALITY)).decode()
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{html.escape(alt, quote=True)}">'
        f"{below}</figure>"
    )


def legend(colormap: str) -> str:
    """The colour map as a bar with words at its ends."""
    colours = heat_table(colormap if colormap in COLORMAP_NAMES else _DEFAULT, 1.0, False).colours
    stops = ", ".join("rgb({2} {1} {0})".format(*colours[index]) for index in range(0, 256, 17))
    return (
        '<div class="legend" role="img" aria-label="Colours from little to much evidence">'
        f'<span>little evidence</span><i style="background: linear-gradient(90deg, {stops})"></i>'
        "<span>much evidence</span></div>"
        '<p class="hint">Uncoloured places do not speak for the class. '
        "The network does not see what is darkened.</p>"
    )


def _downloads(cached: CachedImage, settings: ViewSettings) -> str:
    query = html.escape(urlencode(settings_as_query(settings)))
    stem = html.escape(Path(cached.name).stem or "picture", quote=True)
    return (
        '<div class="downloads">'
        f'<a href="live/picture/{cached.token}/overlay.png?{query}" '
        f'download="{stem}-explained.png">Download the picture (PNG)</a>'
        f'<a href="live/picture/{cached.token}/record.json?{query}" '
        f'download="{stem}-explained.json">Download the record (JSON)</a></div>'
    )


def _spoken(sentence: str) -> str:
    """A Markdown sentence as plain text."""
    return sentence.replace("**", "").replace("\\", "")
