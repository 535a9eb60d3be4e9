"""Overlays from Python: on what was explained, on what is given, with options as words."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.images.read import LoadedImage, load_image, read_image
from live_gradcam.present import drawing
from live_gradcam.presentable import DrawOptions
from live_gradcam.show.images import write_image
from live_gradcam.show.overlay import draw as draw_overlay
from live_gradcam.values import Explanation
from tests.present import support


def test_options_are_given_as_words() -> None:
    explained, scene = support.explained(), support.scene()
    options = lg.OverlayOptions(opacity=0.4, colormap="viridis", show_labels=False)
    expected = draw_overlay(scene, explained, options=options)
    found = lg.draw(scene, explained, opacity=0.4, colormap="viridis", show_labels=False)
    np.testing.assert_array_equal(found, expected)
    found = explained.overlay(opacity=0.4, colormap="viridis", show_labels=False)
    np.testing.assert_array_equal(found, expected)
    other = lg.OverlayOptions(opacity=0.9, colormap="viridis", show_labels=False)
    np.testing.assert_array_equal(lg.draw(scene, explained, options=other, opacity=0.4), expected)
    assert (lg.draw(scene, explained, opacity=0.0) != expected).any()


def test_every_option_of_an_overlay_can_be_given_as_a_word() -> None:
    hints = get_type_hints(DrawOptions)
    assert sorted(hints) == sorted(field.name for field in fields(lg.OverlayOptions))


def test_the_picture_may_be_anything_that_can_be_explained(tmp_path: Path) -> None:
    explained, scene = support.explained(), support.scene()
    path = tmp_path / "scene.png"
    write_image(path, scene)
    expected = lg.draw(scene, explained)
    for given in (path, path.read_bytes(), scene / 255):
        np.testing.assert_array_equal(lg.draw(given, explained), expected)
        np.testing.assert_array_equal(explained.overlay(given), expected)
    rgb = np.ascontiguousarray(scene[..., ::-1])
    np.testing.assert_array_equal(lg.draw(rgb, explained, color="rgb"), expected)


def test_another_class_is_drawn_by_name() -> None:
    explained, scene = support.explained(), support.scene()
    second = explained.with_classes(explained.explained[1:2])
    expected = draw_overlay(scene, second)
    np.testing.assert_array_equal(explained.overlay(of=explained.labels[1]), expected)
    assert (explained.overlay() != expected).any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"opcity": 0.4}, "opcity: there is no such option. Did you mean opacity"),
        ({"colormap": "magmaa"}, "colormap='magmaa'.*Did you mean magma.*viridis"),
        ({"layout": "side"}, "layout='side'.*Did you mean side-by-side"),
        ({"opacity": 4}, "opacity must be from 0 to 1, not 4"),
        ({"opacity": "much"}, "."),
        ({"top_k": -1}, "top_k"),
    ],
)
def test_wrong_options_are_usage_errors(options: Any, said: str) -> None:
    with pytest.raises(lg.UsageError, match=said):
        support.explained().overlay(**options)
    with pytest.raises(lg.UsageError, match=said):
        lg.draw(support.scene(), support.explained(), **options)


# The picture that was explained


def test_a_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "scene.png", support.scene())
    monkeypatch.chdir(tmp_path)
    explained = support.explainer().explain("scene.png")
    expected = lg.draw(support.scene(), explained)
    monkeypatch.chdir("/")
    for each in (explained, pickle.loads(pickle.dumps(explained))):
        np.testing.assert_array_equal(each.overlay(), expected)
    write_image(tmp_path / "scene.png", 255 - support.scene())
    with pytest.raises(lg.SourceError, match="another picture than the one that was explained"):
        explained.overlay()
    (tmp_path / "scene.png").unlink()
    with pytest.raises(lg.SourceError, match="no such file"):
        explained.overlay()


def test_a_file_that_goes_while_it_is_read_has_been_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "scene.png", support.scene())
    explained = support.explainer().explain(tmp_path / "scene.png")

    def read_and_lost(path: Path | str) -> LoadedImage:
        loaded = load_image(path)
        Path(path).unlink()
        return loaded

    monkeypatch.setattr(drawing, "load_image", read_and_lost)
    np.testing.assert_array_equal(explained.overlay(), lg.draw(support.scene(), explained))


def test_an_array_of_one_line_can_be_drawn_in_the_next() -> None:
    explained = support.explainer().explain(support.scene().copy())
    np.testing.assert_array_equal(explained.overlay(), lg.draw(support.scene(), explained))


def test_a_reused_buffer_is_not_drawn_on() -> None:
    buffer = support.scene().copy()
    explained = support.explainer().explain(buffer)
    buffer[:] = buffer[:, ::-1]
    with pytest.raises(lg.SourceError, match="changed after it was explained"):
        explained.overlay()


def test_what_is_gone_is_said(make_explanation: Callable[..., Explanation]) -> None:
    explained = pickle.loads(pickle.dumps(support.explained()))
    with pytest.raises(lg.SourceError, match=r"not in memory any more.*overlay\(image\)"):
        explained.overlay()
    assert (explained.overlay(support.scene()) == support.explained().overlay()).all()
    with pytest.raises(lg.SourceError, match="10x10, and 320x240 was explained"):
        explained.overlay(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(lg.SourceError, match="does not know its picture"):
        make_explanation().overlay()


def test_the_pictures_of_a_batch_are_known_while_somebody_has_them(tmp_path: Path) -> None:
    images = [support.scene(), support.scene()[:, ::-1].copy()]
    write_image(tmp_path / "scene.png", images[0])
    explained = support.explainer().explain_batch([*images, tmp_path / "scene.png"])
    for each, image in zip(explained, [*images, read_image(tmp_path / "scene.png")], strict=True):
        np.testing.assert_array_equal(each.overlay(), lg.draw(image, each))


def test_the_pictures_of_an_array_are_known_while_somebody_has_it() -> None:
    batch = np.stack([support.scene(), support.scene()[:, ::-1]])
    by_row = support.explainer().explain_batch(batch)
    by_part = support.explainer().explain_batch([batch[0], batch[1, :, ::-1], batch[1, 40:, 60:]])
    parts = [*batch, batch[0], batch[0], batch[1, 40:, 60:]]
    for each, part in zip([*by_row, *by_part], parts, strict=True):
        np.testing.assert_array_equal(each.overlay(), lg.draw(part.copy(), each))
    del batch, parts, part
    for each in [*by_row, *by_part]:
        with pytest.raises(lg.SourceError, match="not in memory any more"):
            each.overlay()
