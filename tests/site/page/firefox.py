"""Firefox without a window, over WebDriver BiDi: https://w3c.github.io/webdriver-bidi/."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .visits import PATIENCE_MS

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
_LISTENING = "WebDriver BiDi listening on "
_SETTINGS = {
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
}


class FirefoxPage:
    """An open page.

    Attributes:
        problems: What the console calls an error, and errors of scripts.
        requests: Every address that the page asked for.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._asked = 0
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        (context,) = self.call("browsingContext.getTree")["contexts"]
        self._context = context["context"]

    def call(self, method: str, **params: Any) -> Any:
        """Send a command and return its result."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_MS / 1000))
            if message.get("id") == self._asked:
                assert message["type"] == "success", message
                return message["result"]
            self._note(message)

    def _note(self, event: Any) -> None:
        params = event.get("params", {})
        if event.get("method") == "network.beforeRequestSent":
            self.requests.append(params["request"]["url"])
        elif params.get("level") == "error":
            self.problems.append(str(params["text"]))

    def open(self, address: str) -> None:
        """Open an address."""
        self.call("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def run(self, script: str) -> Any:
        """Return the value of an expression: a text, a number or yes and no."""
        answer = self.call(
            "script.evaluate",
            expression=script,
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def wait_until(self, script: str) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not self.run(script):
            said = self.run("document.body.innerText")
            assert time.monotonic() < deadline, f"{script} is still false; the page says: {said}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self.call("input.performActions", context=self._context, actions=[source])


@contextmanager
def firefox(profile: Path) -> Iterator[FirefoxPage]:
    """Start Firefox with a camera that is none.

    Args:
        profile: An empty folder.
    """
    if FIREFOX is None:
        pytest.skip("needs Debian's firefox-esr")
    sockets = pytest.importorskip("websockets.sync.client", reason="needs websockets")
    settings = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in _SETTINGS.items()
    )
    (profile / "user.js").write_text("".join(settings), encoding="utf-8")
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
    command += ["--remote-debugging-port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as browser:
        assert browser.stderr is not None
        try:
            lines = (line.decode(errors="replace").strip() for line in browser.stderr)
            address = next((each for each in lines if each.startswith(_LISTENING)), "")
            assert address, "Firefox does not say where it listens"
            # It goes on talking, and would stop where nobody listened.
            listener = threading.Thread(target=lambda: [None for _ in lines], name="firefox-says")
            listener.start()
            where = f"{address.removeprefix(_LISTENING)}/session"
            with sockets.connect(where, max_size=None, proxy=None) as socket:
                yield FirefoxPage(socket)
        finally:
            browser.terminate()
            browser.wait(30)
    listener.join()
