"""Events of the page: what goes wrong is one sentence, and what visitors send is not trusted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from live_gradcam.errors import SourceError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.handlers import MEASURING, Handlers, guarded, uploaded
from live_gradcam.web.image_cache import CachedImage
from live_gradcam.web.settings import ViewSettings, settings_as_query
from live_gradcam.web.state import AppState

from .conftest import scene


@pytest.fixture
def cache() -> Iterator[CacheFolder]:
    cache = CacheFolder(files=10, size_bytes=10**8, age_seconds=1000)
    yield cache
    cache.close()


def test_an_error_for_users_is_one_sentence_for_visitors() -> None:
    @guarded
    def fail() -> None:
        raise SourceError("cannot read picture", "/tmp/secret-place/mug.jpg", "it is truncated")

    with pytest.raises(gr.Error) as caught:
        fail()
    assert caught.value.message == "cannot read picture: mug.jpg: it is truncated."


def test_a_bug_is_for_the_servers_log_only(caplog: pytest.LogCaptureFixture) -> None:
    @guarded
    def fail() -> None:
        raise ZeroDivisionError("secret")

    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as caught:
        fail()
    assert "secret" not in caught.value.message
    assert "ZeroDivisionError: secret" in caplog.text


@pytest.mark.parametrize(
    "payload", [None, "x.png", {}, {"path": 3}, {"path": "/etc/passwd"}, {"path": "x.png"}], ids=str
)
def test_only_uploads_are_opened(cache: CacheFolder, payload: Any) -> None:
    with pytest.raises(SourceError, match="it was not uploaded to this page"):
        uploaded(cache, payload)


def test_an_upload_has_the_visitors_name_for_it(cache: CacheFolder) -> None:
    path = str(cache.path / "x.png")
    assert uploaded(cache, {"path": path}) == (Path(path), "x.png")
    assert uploaded(cache, {"path": path, "orig_name": "../my mug.png"})[1] == "my mug.png"


ANN = gr.Request(session_hash="ann")


def controls(class_name: str = "") -> list[Any]:
    """What the controls of the picture tab hand over, in order."""
    return [*(settings_as_query(ViewSettings(class_name=class_name)) | {"opacity": 0.5}).values()]


@pytest.fixture
def state(classifier: Classifier, explainer: Explainer) -> Iterator[AppState]:
    with AppState.open(classifier, explainer) as state:
        yield state


def test_an_upload_that_is_taken_away_leaves_the_example_as_the_controls_want_it(
    state: AppState,
) -> None:
    handlers = Handlers(state)
    example = state.images.examples[0]
    label = state.images.explain(example, ViewSettings()).predictions[1].label
    state.images.open("ann", scene(1), "mine.png")
    taken = handlers.open_image(ANN, None, *controls(label))
    measured = handlers.measure_trust(ANN, *controls(label))
    assert f"asked about **{label}**" in taken[1]
    assert measured[1] == taken[1]
    assert measured[4] == taken[4]
    assert f"{example.token}/overlay.jpg?class={label}&" in measured[0]


def choose_another_class(handlers: Handlers, _state: AppState) -> Any:
    return handlers.change_settings(ANN, *controls("star"))


def open_another_picture(_handlers: Handlers, state: AppState) -> Any:
    return state.images.open("ann", scene(2), "another.png")


@pytest.mark.parametrize("meanwhile", [choose_another_class, open_another_picture])
def test_what_is_not_shown_any_more_is_measured_for_nobody(
    state: AppState,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Handlers, AppState], Any],
) -> None:
    handlers = Handlers(state)
    state.images.open("ann", scene(1), "mine.png")
    handlers.change_settings(ANN, *controls())
    measure = state.images.removal

    def removal(cached: CachedImage, settings: ViewSettings) -> Removal | None:
        meanwhile(handlers, state)
        return measure(cached, settings)

    with monkeypatch.context() as patched:
        patched.setattr(state.images, "removal", removal)
        assert handlers.measure_trust(ANN, *controls()) == [gr.skip()] * 5
    measured = handlers.measure_trust(ANN, *controls("star"))
    assert "**star**" in measured[1], "what is shown now is measured"
    assert measured[2] != MEASURING


def test_what_the_controls_do_not_say_any_more_is_not_measured(state: AppState) -> None:
    handlers = Handlers(state)
    state.images.open("ann", scene(1), "mine.png")
    handlers.change_settings(ANN, *controls())
    handlers.change_settings(ANN, *controls("star"))
    assert handlers.measure_trust(ANN, *controls()) == [gr.skip()] * 5
    assert "**star**" in handlers.measure_trust(ANN, *controls("star"))[1]


def test_a_control_says_that_the_picture_is_not_kept_any_more(state: AppState) -> None:
    handlers = Handlers(state)
    state.images.open("ann", scene(1), "mine.png")
    for number in range(state.limits.images):
        state.images.open(f"visitor {number}", scene(2, 64, 48), "theirs.png")
    with pytest.raises(gr.Error, match="not kept any more"):
        handlers.change_settings(ANN, *controls())


def test_only_classes_that_there_are_can_be_chosen(state: AppState) -> None:
    handlers = Handlers(state)
    assert handlers.choose_class(gr.EventData(None, {"class": "star"})) == "star"
    for wrong in ("teapot", 3, None, ["star"]):
        assert handlers.choose_class(gr.EventData(None, {"class": wrong})) == gr.skip()
