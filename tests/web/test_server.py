"""The page inside a process of one's own: it leaves nothing behind, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from live_gradcam.web.server import gradio_environment

from .conftest import free_port

# In a process of its own, because Gradio leaves event loops open in it.
_SERVE = """
import itertools, os, socket, sys, time, types
import gradio.http_server
import httpx
from live_gradcam.errors import UsageError
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.web import AppState, serving

# Gradio's own patience is over at its first look at the clock.
gradio.http_server.time = types.SimpleNamespace(
    sleep=time.sleep, time=itertools.count(0.0, 60.0).__next__
)
port = int(sys.argv[1])
classifier = load_classifier("scenes")
explainer = Explainer(classifier, device="cpu", precision="fp32", compile="off")


def left_behind(use):
    before = dict(os.environ)
    with explainer, AppState.open(classifier, explainer) as state:
        try:
            use(state)
        except (RuntimeError, UsageError) as error:
            print(f"{type(error).__name__}: {error}")
        assert dict(os.environ) == before
        return state.cache.path.exists()


def ask(state):
    with serving(state, port=port) as address:
        assert os.environ["GRADIO_TEMP_DIR"] == str(state.cache.path)
        answer = httpx.get(f"{address.local}config", trust_env=False, timeout=60)
        print(answer.status_code, address.shared)


def break_off(state):
    with serving(state, port=port):
        raise RuntimeError("broken")


def take_the_port_away(state):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with serving(state, port=port):
            print("it listens")


assert not left_behind(ask)
assert not left_behind(break_off)
left_behind(take_the_port_away)
"""


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


def test_a_page_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    port = free_port()
    done = subprocess.run(
        [sys.executable, "-c", _SERVE, str(port)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=840,
    )
    assert done.returncode == 0, done.stderr
    cause = "nothing can listen there, perhaps another program does"
    assert done.stdout.splitlines() == [
        "200 None",
        "RuntimeError: broken",
        f"UsageError: cannot open the page: 127.0.0.1:{port}: {cause}. Choose another --port.",
    ]
