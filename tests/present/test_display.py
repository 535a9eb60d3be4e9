"""Explanations in words, in notebooks, in a window, in Matplotlib."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image as Pillow

import live_gradcam as lg
from live_gradcam.show.images import write_image
from live_gradcam.values import Explanation
from tests.helpers.screen import HAS_SCREEN, VirtualScreen
from tests.present import support


def test_the_repr_prints_classes_shapes_and_the_picture(tmp_path: Path) -> None:
    write_image(tmp_path / "scene.png", support.scene())
    text = repr(support.explainer().explain(tmp_path / "scene.png", classes="top"))
    assert "\n" not in text
    assert text.startswith("Explanation(")
    for part in ("triangle 4", "gradcam float32 (3, 7, 7)", "320x240", "scene.png"):
        assert part in text


def test_the_repr_of_anything_works(make_explanation: Callable[..., Explanation]) -> None:
    assert "no evidence" in repr(make_explanation(evidence=np.zeros((1, 2, 2), np.float32)))
    nothing = Explanation((), (), np.zeros((0, 1, 1), np.float32), lg.Region(0, 0, 4, 4))
    assert "no predictions" in repr(nothing)
    assert "<" in nothing._repr_html_()


def test_notebooks_get_a_small_png_of_the_overlay() -> None:
    data = support.explained()._repr_png_()
    assert data is not None
    found = np.asarray(Pillow.open(io.BytesIO(data)))
    np.testing.assert_array_equal(found[..., ::-1], support.explained().overlay())
    large = np.repeat(np.repeat(support.scene(), 5, 0), 5, 1)
    data = support.explainer().explain(large)._repr_png_()
    assert data is not None
    assert Pillow.open(io.BytesIO(data)).size == (640, 480)


def test_notebooks_get_a_picture_and_the_predictions_in_html() -> None:
    page = support.explained()._repr_html_()
    assert re.search(
        r'<img alt="triangle 4\d %" width="320" height="240" src="data:image/jpeg', page
    )
    for each in support.explained().predictions:
        assert f">{each.label}</td>" in page
    assert len(page) < 100_000


def test_labels_are_text_and_never_html(make_explanation: Callable[..., Explanation]) -> None:
    evil = "<script>alert(1)</script>"
    page = make_explanation(labels=(evil, "b", "c"))._repr_html_()
    assert "<script" not in page
    assert "&lt;script" in page
    assert "does not know its picture" in page


def test_it_is_plotted_with_the_class_as_title() -> None:
    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2)
    explained = support.explained()
    returned = explained.plot(axes[0], opacity=0.5)
    assert returned is axes[0]
    drawn = explained.overlay(opacity=0.5, show_labels=False, show_legend=False)
    shown = np.asarray(axes[0].get_images()[0].get_array())
    np.testing.assert_array_equal(shown[..., ::-1], drawn)
    assert re.fullmatch(r"triangle 4\d %", axes[0].get_title())
    assert explained.plot(of=explained.labels[1]).get_title().startswith(explained.labels[1])
    plt.close("all")
    del figure


def test_without_a_display_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(lg.DeviceError, match=r"there is no display\. Save it: explanation\.save"):
        support.explained().show()


def test_a_notebook_shows_it_below_the_cell() -> None:
    """In a kernel's shell, as far as it can be without a kernel."""
    code = """
import json, os
os.environ.pop("DISPLAY", None)
from IPython.core.interactiveshell import InteractiveShell
from tests.present import support
shell = InteractiveShell.instance()
shell.kernel = object()
seen = []
shell.display_pub.publish = lambda data, **_: seen.append(sorted(data))
support.explained().show(opacity=0.5)
shell.history_manager.end_session()
print(json.dumps(seen))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "IPYTHONDIR": os.devnull, "HISTFILE": os.devnull},
        timeout=240,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ['[["image/png", "text/html", "text/plain"]]'], (
        done.stdout + done.stderr
    )


@pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox")
def test_on_a_display_it_is_a_window_until_a_key(tmp_path: Path) -> None:
    code = """
from tests.present import support
support.explained().show()
print("closed")
"""
    with VirtualScreen(800, 600) as screen:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env=screen.environment,
        )
        try:
            window = screen.find_window("triangle 4")
            stdout = ""
            for _ in range(30):  # a key that comes before the window listens is nobody's
                with contextlib.suppress(subprocess.CalledProcessError):  # the window has gone
                    screen.xdotool("key", "--window", window, "q")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    stdout, _ = process.communicate(timeout=2)
                    break
        finally:
            process.kill()
            process.wait()
    assert stdout.splitlines()[-1] == "closed"
