"""The page in this very process: it leaves nothing behind, whatever happens."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.web import AppState, serving
from live_gradcam.web.page import make_examples
from live_gradcam.web.server import gradio_environment

from .conftest import free_port


@pytest.fixture
def state(classifier: Classifier, explainer: Explainer) -> Iterator[AppState]:
    with AppState.open(classifier, explainer) as state:
        yield state


def test_the_environment_is_gradios_only_while_the_page_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", "/")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    before = dict(os.environ)
    with gradio_environment(tmp_path):
        assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path)
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        assert os.environ["NO_PROXY"] == "example.org,localhost,127.0.0.1,::1"
        assert "GRADIO_ALLOWED_PATHS" not in os.environ
    assert dict(os.environ) == before
    with pytest.raises(RuntimeError, match="broken"), gradio_environment(tmp_path):
        raise RuntimeError("broken")
    assert dict(os.environ) == before


def test_a_page_that_was_served_leaves_nothing_behind(state: AppState) -> None:
    before = dict(os.environ)
    with serving(state, port=free_port()) as address:
        assert address.shared is None
        answer = httpx.get(f"{address.local}config", trust_env=False, timeout=60)
        assert answer.status_code == 200
    assert dict(os.environ) == before
    assert not state.cache.path.exists()


def test_a_page_that_breaks_leaves_nothing_behind(state: AppState) -> None:
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="broken"), serving(state, port=free_port()):
        raise RuntimeError("broken")
    assert dict(os.environ) == before


def test_a_taken_port_leaves_nothing_behind(state: AppState) -> None:
    before = dict(os.environ)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = pytest.raises(UsageError, match=f"127.0.0.1:{port}: nothing can listen there")
        with refused, serving(state, port=port):
            pytest.fail("it listens")
    assert dict(os.environ) == before


def test_examples_are_images_of_our_own(tmp_path: Path) -> None:
    paths = make_examples(tmp_path / "examples")
    assert len(paths) >= 4
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
