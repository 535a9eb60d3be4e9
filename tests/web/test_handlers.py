"""Events of the page: what goes wrong is one sentence, and what visitors send is not trusted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from live_gradcam.errors import SourceError
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.handlers import guarded, uploaded


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
