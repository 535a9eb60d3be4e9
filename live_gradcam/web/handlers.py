"""Events of the page: values in, values out, no layout."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from live_gradcam.errors import LiveGradcamError, SourceError, UsageError
from live_gradcam.images import read_image
from live_gradcam.web import messages
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.figures import class_cards, downloads, invitation, overlay_figure
from live_gradcam.web.image_cache import CachedImage
from live_gradcam.web.settings import ViewSettings, class_choices, read_settings
from live_gradcam.web.state import AppState
from live_gradcam.web.timeline import timeline
from live_gradcam.web.videos import Cancelled

_logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_POLL_SECONDS = 0.2
MEASURING = "*Testing whether the coloured places matter …*"


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

    def first_view(self) -> list[Any]:
        """What the page shows before anything is asked: an explained example, or an invitation."""
        examples = self._state.images.examples
        if not examples:
            return [invitation(self._state.classifier.labels), "", "", "", ""]
        settings = ViewSettings()
        self._state.images.removal(examples[0], settings)
        return self._answer(examples[0], settings)

    @guarded
    def open_image(self, request: gr.Request, payload: Any, *controls: Any) -> list[Any]:  # noqa: ANN401
        """An image was uploaded, pasted or removed."""
        visitor = _visitor(request)
        if payload is None:
            self._state.images.cache.remove(visitor)
            cached = self._state.images.current(visitor)
            return self.first_view() if cached is None else self._show(cached, controls)
        path, name = uploaded(self._state.cache, payload)
        cached = self._state.images.open(visitor, read_image(path), name)
        return self._show(cached, controls)

    @guarded
    def choose_example(
        self,
        request: gr.Request,
        event: gr.EventData,
        *controls: Any,  # noqa: ANN401
    ) -> list[Any]:
        """One of the examples was chosen."""
        place = _event_value(event, "example")
        if not isinstance(place, int):
            raise UsageError("there is no such example")
        cached = self._state.images.take_example(place, _visitor(request))
        return self._show(cached, controls)

    @guarded
    def choose_class(self, event: gr.EventData) -> Any:  # noqa: ANN401
        """One of the classes beside the picture was chosen."""
        chosen = _event_value(event, "class")
        names = [name for _, name in class_choices(self._state.classifier.labels)]
        return chosen if chosen in names else gr.skip()

    @guarded
    def change_settings(self, request: gr.Request, *controls: Any) -> list[Any]:  # noqa: ANN401
        """A control was changed: the same image, shown in another way."""
        cached = self._state.images.current(_visitor(request))
        return [gr.skip()] * 5 if cached is None else self._show(cached, controls)

    @guarded
    def measure_trust(self, request: gr.Request, *controls: Any) -> list[Any]:  # noqa: ANN401
        """Measure how far the shown map can be trusted."""
        visitor, images = _visitor(request), self._state.images
        cached = images.current(visitor)
        if cached is None:
            return [gr.skip()] * 5
        settings, shown = read_settings(*controls), cached.shown
        if shown is not None and settings != shown:
            return [gr.skip()] * 5  # the controls were changed before this was begun
        images.removal(cached, settings)
        if images.cache.get(visitor) is not cached or cached.shown is not shown:
            return [gr.skip()] * 5  # something else is shown by now, and is measured next
        # The cards, too, because the test finds out how likely an unlikely class is.
        return self._answer(cached, settings)

    def _show(self, cached: CachedImage, controls: Sequence[Any]) -> list[Any]:
        settings = read_settings(*controls)
        answer = self._answer(cached, settings)
        cached.shown = settings
        return answer

    def _answer(self, cached: CachedImage, settings: ViewSettings) -> list[Any]:
        explanation = self._state.images.explain(cached, settings)
        sentence = messages.describe_answer(explanation)
        removal = (settings.cache_key, explanation.explained[0])
        trust, tested = MEASURING, removal in cached.removals
        if tested:
            trust = messages.describe_trust(cached.removals[removal])
        return [
            overlay_figure(cached, settings, alt=messages.plain(sentence), mark=tested),
            *(sentence, trust, self._cards(cached, settings), downloads(cached, settings)),
        ]

    def _cards(self, cached: CachedImage, settings: ViewSettings) -> str:
        explanation = self._state.images.explain(cached, settings)
        index = explanation.explained[0]
        shown = next((p for p in explanation.predictions if p.class_index == index), None)
        best = self._state.images.explain_top(cached, settings)
        choices = class_choices(self._state.classifier.labels)
        return class_cards(cached, settings, choices, best, shown)

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
    ) -> tuple[str | None, str, str]:
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
            return None, "Cancelled.", ""
        finally:
            self._state.videos.end(visitor)
        notes = "".join(f" {note}." for note in summary.notes)
        said = (
            f"{summary.frames} frames in {summary.seconds:.1f} s, "
            f"{summary.per_second:.1f} frames a second.{notes}"
        )
        return str(job.output), said, timeline(job.seen)

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


def _event_value(event: gr.EventData, name: str) -> Any:  # noqa: ANN401
    """A value that the page's script sent with an event; ``None`` where it did not."""
    data = event._data
    return data.get(name) if isinstance(data, Mapping) else None
