"""What happens when somebody does something on the page: values in, values out, no layout."""

from __future__ import annotations

import base64
import functools
import html
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args
from urllib.parse import urlencode

import gradio as gr

from live_gradcam.choices import View
from live_gradcam.errors import LiveGradcamError, SourceError, UsageError
from live_gradcam.images import read_image
from live_gradcam.native import cv2
from live_gradcam.show.heat import heat_table
from live_gradcam.show.overlay import COLORMAPS
from live_gradcam.values import Image
from live_gradcam.web import messages
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.images import KeptPicture, Look, likely
from live_gradcam.web.state import AppState
from live_gradcam.web.videos import Cancelled

_logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_QUALITY = 90
_POLL_SECONDS = 0.2
MEASURING = "*Measuring how far this map can be trusted …*"


def guarded(function: F) -> F:
    """Errors as one sentence for visitors; what was not foreseen goes to the server's log only."""

    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        try:
            return function(*args, **kwargs)
        except LiveGradcamError as error:
            raise _sentence(messages.public_message(error)) from error
        except gr.Error:
            raise
        except Exception as error:
            _logger.exception("the page failed")
            raise _sentence("Something went wrong on the server; its log says what.") from error

    return cast("F", inner)


def _sentence(text: str) -> gr.Error:
    return gr.Error(text, print_exception=False, title="Sorry")


def read_look(
    class_name: object,
    view: object,
    layer: object,
    method: object,
    opacity: object,
    colormap: object,
) -> Look:
    """What the controls say, checked: a request need not come from the page's own controls.

    Raises:
        UsageError: A value is none of those that the controls offer.
    """
    if view not in get_args(View):
        raise UsageError("unknown view", str(view), "", f"Choose from {', '.join(get_args(View))}")
    if colormap not in COLORMAPS:
        raise UsageError("unknown colour map", str(colormap), "", f"Choose from {[*COLORMAPS]}")
    if isinstance(opacity, bool) or not isinstance(opacity, (int, float)) or not 0 <= opacity <= 1:
        raise UsageError("unknown opacity", str(opacity), "", "Choose a number from 0 to 1")
    return Look(
        class_name=str(class_name or ""),
        view=cast("View", view),
        layer=str(layer or ""),
        method=str(method or ""),
        opacity=float(opacity),
        colormap=str(colormap),
    )


class Handlers:
    """The page's events.

    Args:
        desks: Who does the work.
    """

    def __init__(self, desks: AppState) -> None:
        self._desks = desks

    # Pictures

    @guarded
    def open_picture(self, request: gr.Request, payload: Any, *controls: Any) -> list[Any]:  # noqa: ANN401
        """A picture was uploaded, pasted, chosen or taken away."""
        visitor = _visitor(request)
        if payload is None:
            self._desks.pictures.shelf.forget(visitor)
            return [EMPTY, None, "", "", "", ""]
        look = read_look(*controls)
        path, name = uploaded(self._desks.cache, payload)
        picture = self._desks.pictures.open(visitor, read_image(path), name)
        return self._answer(picture, look)

    @guarded
    def look_again(self, request: gr.Request, *controls: Any) -> list[Any]:  # noqa: ANN401
        """A control was changed: the same picture, looked at in another way."""
        picture = self._desks.pictures.shelf.of(_visitor(request))
        if picture is None:
            return [gr.skip()] * 6
        return self._answer(picture, read_look(*controls))

    @guarded
    def measure(self, request: gr.Request, *controls: Any) -> list[str]:  # noqa: ANN401
        """How far the shown map is to be trusted."""
        picture = self._desks.pictures.shelf.of(_visitor(request))
        if picture is None:
            return ["", ""]
        look = read_look(*controls)
        trust = messages.trust(self._desks.pictures.removal(picture, look))
        return [messages.seen(self._desks.pictures.explain(picture, look)), trust]

    def _answer(self, picture: KeptPicture, look: Look) -> list[Any]:
        pictures = self._desks.pictures
        explanation = pictures.explain(picture, look)
        known = (look.question, explanation.explained[0]) in picture.removals
        sentence = messages.seen(explanation)
        return [
            figure(pictures.overlay(picture, look), alt=_spoken(sentence)),
            likely(explanation, self._desks.classifier.labels),
            sentence,
            messages.trust(pictures.removal(picture, look)) if known else MEASURING,
            self._maps(picture, look),
            _downloads(picture, look),
        ]

    def _maps(self, picture: KeptPicture, look: Look) -> str:
        pictures = self._desks.pictures
        figures = []
        for each, drawn in zip(
            pictures.best(picture, look), pictures.maps(picture, look), strict=True
        ):
            probability = next(
                p.probability for p in each.predictions if p.class_index == each.explained[0]
            )
            caption = f"{each.labels[0]} · {messages.percent(probability)}"
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
        look = read_look(class_name, view, "", method, opacity, colormap)
        path, name = uploaded(self._desks.cache, payload)
        job = self._desks.videos.begin(visitor, path, name, look)
        try:
            while not job.wait(_POLL_SECONDS):
                progress((job.progress.frames, job.progress.total), unit="frames")
            output, summary = job.result()
        except Cancelled:
            return None, "Cancelled."
        finally:
            self._desks.videos.end(visitor)
        notes = "".join(f" {note}." for note in summary.notes)
        return str(output), (
            f"{summary.frames} frames in {summary.seconds:.1f} s, "
            f"{summary.per_second:.1f} frames a second.{notes}"
        )

    @guarded
    def cancel_video(self, request: gr.Request) -> None:
        """The cancel button was pressed; `explain_video` says what came of it."""
        self._desks.videos.cancel(_visitor(request))

    def leave(self, request: gr.Request) -> None:
        """The visitor closed the page."""
        visitor = _visitor(request)
        self._desks.videos.cancel(visitor)
        self._desks.pictures.shelf.forget(visitor)


def uploaded(cache: CacheFolder, payload: Any) -> tuple[Path, str]:  # noqa: ANN401
    """Path and name of an uploaded file.

    Args:
        cache: Where uploads lie.
        payload: What a request says about the file.

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
    """A picture as HTML with the pixels inside: no file, no second request."""
    data = base64.b64encode(_encode(image, ".jpg")).decode()
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{html.escape(alt, quote=True)}">'
        f"{below}</figure>"
    )


def legend(colormap: str) -> str:
    """The colour map as a bar with words at its ends."""
    colours = heat_table(colormap if colormap in COLORMAPS else "turbo", 1.0, False).colours
    stops = ", ".join("rgb({2} {1} {0})".format(*colours[index]) for index in range(0, 256, 17))
    return (
        '<div class="legend" role="img" aria-label="Colours from little to much evidence">'
        f'<span>little evidence</span><i style="background: linear-gradient(90deg, {stops})"></i>'
        "<span>much evidence</span></div>"
        '<p class="hint">Uncoloured places do not speak for the class. '
        "The network does not see what is darkened.</p>"
    )


def _downloads(picture: KeptPicture, look: Look) -> str:
    query = html.escape(
        urlencode(
            {
                "class": look.class_name,
                "view": look.view,
                "layer": look.layer,
                "method": look.method,
                "opacity": look.opacity,
                "colormap": look.colormap,
            }
        )
    )
    stem = html.escape(Path(picture.name).stem or "picture", quote=True)
    return (
        '<div class="downloads">'
        f'<a href="live/picture/{picture.token}/overlay.png?{query}" '
        f'download="{stem}-explained.png">Download the picture (PNG)</a>'
        f'<a href="live/picture/{picture.token}/record.json?{query}" '
        f'download="{stem}-explained.json">Download the record (JSON)</a></div>'
    )


def _encode(image: Image, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if suffix == ".jpg" else []
    return cv2.imencode(suffix, image, options)[1].tobytes()


def _spoken(sentence: str) -> str:
    """A Markdown sentence as plain messages."""
    return sentence.replace("**", "").replace("\\", "")
