"""Teaching in a real window with real keys: a kill loses nothing, and the end is a file."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from tests.conftest import ROOT
from tests.helpers.objects import HEIGHT, WIDTH, ObjectServer, pictures
from tests.helpers.screen import HAS_SCREEN, PATIENCE_SECONDS, VirtualScreen

pytestmark = [
    pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox"),
]

MUG, CUP = 0, 3


class Lesson:
    """``live-gradcam run --teach`` in a window, what it says, and its journal."""

    def __init__(self, screen: VirtualScreen, folder: Path, *arguments: str) -> None:
        self.screen, self.folder = screen, folder
        self._said = folder / "said.txt"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "live_gradcam", "run", *arguments],
                cwd=folder,
                env={**screen.environment, "PYTHONPATH": os.fspath(ROOT)},
                stderr=said,
            )
        screen.find_window("^live-gradcam - ")

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    @property
    def kept(self) -> bytes:
        """What the journal holds."""
        return b"".join(each.read_bytes() for each in self.folder.glob("*.journal"))

    def frames(self, label: str) -> int:
        """How many frames of a class the journal holds."""
        return self.kept.count(f'"frame", "label": "{label}"'.encode())

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if holds():
                return
            assert self.process.poll() is None, self.said
            time.sleep(0.05)
        pytest.fail(f"never: {what}; {self.said}")

    @contextlib.contextmanager
    def holding(self, key: str) -> Iterator[None]:
        """Hold a key."""
        self.screen.xdotool("keydown", key)
        try:
            yield
        finally:
            self.screen.xdotool("keyup", key)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Lesson]]:
    with contextlib.ExitStack() as stack:
        screen = stack.enter_context(VirtualScreen(WIDTH, HEIGHT))

        def begin(*arguments: str) -> Lesson:
            made = Lesson(screen, tmp_path, *arguments)
            stack.callback(made.close)
            return made

        yield begin


def test_a_lesson_is_taught_killed_gone_on_with_and_saved(
    begin: Callable[..., Lesson], tmp_path: Path
) -> None:
    network = ("--model", "scenes", "--compile", "off")
    for shape in (None, MUG, CUP):
        pictures(shape)
    with ObjectServer() as server:
        lesson = begin(*network, "--teach", "mug", "--", server.address)
        lesson.until("nothing is shown first", lambda: lesson.frames("anything else") > 3)
        server.shape = MUG
        with lesson.holding("F1"):
            lesson.until("the mug is taken", lambda: lesson.frames("mug") > 4)
            lesson.process.kill()
            lesson.process.wait()
        shown = {each: lesson.frames(each) for each in ("mug", "anything else")}

        lesson = begin(*network, "--teach", "--resume", "--", server.address)
        lesson.until("it goes on", lambda: "going on with" in lesson.said)
        (line,) = re.findall(r"going on with .*: (.*)", lesson.said)
        assert dict(each.rsplit(" ", 1) for each in line.split(", ")) == {
            label: str(count) for label, count in shown.items()
        }
        # Of keys that come between two looks, the window's toolkit remembers the last one alone.
        for key in ("plus", "c", "u", "p", "space", "q", "Return"):
            lesson.screen.xdotool("key", key)
            time.sleep(1.0)
        lesson.until("the class is there", lambda: b'"label": "cup q"' in lesson.kept)
        server.shape = CUP
        with lesson.holding("2"):
            lesson.until("the cup is taken", lambda: lesson.frames("cup q") > 4)
        lesson.screen.xdotool("key", "q")
        lesson.process.wait(PATIENCE_SECONDS)

    assert lesson.process.returncode == 0, lesson.said
    (saved,) = tmp_path.glob("live-gradcam-*.safetensors")
    assert str(saved) in lesson.said
    assert not list(tmp_path.glob("*.journal"))
    with Explainer(load_classifier(weights=saved), compile="off", precision="fp32") as explainer:
        assert set(explainer.classifier.labels) == {"anything else", "mug", "cup q"}
        for shape, label in ((None, "anything else"), (MUG, "mug"), (CUP, "cup q")):
            named = [explainer.explain(each).predictions[0].label for each in pictures(shape)[::4]]
            assert named.count(label) >= 5, (label, named)
