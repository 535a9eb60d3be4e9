"""Pieces of the page: every colour map has a legend, and no label brings markup."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from live_gradcam.choices import COLORMAP_NAMES, DEFAULT_COLORMAP
from live_gradcam.values import Explanation
from live_gradcam.web.figures import (
    class_cards,
    downloads,
    example_gallery,
    invitation,
    legend,
    overlay_figure,
)
from live_gradcam.web.image_cache import CachedImage
from live_gradcam.web.settings import ViewSettings, class_choices

from .conftest import scene

EVIL = '"><script>*b*'


def test_every_colour_map_has_a_legend() -> None:
    bars = {legend(name) for name in COLORMAP_NAMES}
    assert len(bars) == len(COLORMAP_NAMES)
    assert legend("no such colours") == legend(DEFAULT_COLORMAP)


def test_labels_and_names_cannot_bring_markup(
    make_explanation: Callable[..., Explanation],
) -> None:
    cached = CachedImage("ann", scene(1), f"{EVIL}.png")
    settings = ViewSettings(class_name=EVIL)
    labels = (EVIL, "teapot", "vase")
    explanation, choices = make_explanation(labels=labels), class_choices(labels)
    pieces = [
        overlay_figure(cached, settings, alt=EVIL),
        class_cards(cached, settings, choices, [explanation], explanation.predictions[0]),
        downloads(cached, settings),
        example_gallery([EVIL]),
        invitation([EVIL, "teapot"]),
    ]
    for piece in pieces:
        assert "<script>" not in piece
        assert '""' not in re.sub(r'alt=""', "", piece)


def test_each_class_stands_once_with_its_figure_and_the_shown_one_is_pressed(
    make_explanation: Callable[..., Explanation],
) -> None:
    both = make_explanation(evidence=np.ones((2, 7, 7), np.float32))
    choices = class_choices(("mug", "teapot", "vase"))
    cached = CachedImage("ann", scene(1), "x.png")
    cards = class_cards(
        cached,
        ViewSettings(),
        choices,
        [both.with_classes([0]), both.with_classes([1])],
        both.predictions[1],
    )
    labels = re.findall(r'class="name">(\w+)<', cards)
    assert labels == ["mug", "teapot"]
    assert re.findall(r'class="figure">(.*?)<', cards) == ["80 %", "10 %"]
    assert re.findall(r'aria-pressed="(\w+)"', cards) == ["false", "true"]
    # A class that is asked for has a card of its own, without a map.
    one = [both.with_classes([0])]
    more = class_cards(cached, ViewSettings(), choices, one, both.predictions[2])
    assert re.findall(r'class="name">(\w+)<', more) == ["mug", "vase"]


def test_classes_of_one_label_are_told_apart(make_explanation: Callable[..., Explanation]) -> None:
    labels = ("crane", "hen", "Crane")
    explanation = make_explanation(labels=labels)
    cards = class_cards(
        CachedImage("ann", scene(1), "x.png"),
        ViewSettings(),
        class_choices(labels),
        [explanation],
        explanation.predictions[2],
    )
    assert re.findall(r'data-class="(.*?)"', cards) == ["0", "2"]
    assert re.findall(r'class="name">(.*?)<', cards) == ["crane (0)", "Crane (2)"]


def test_the_invitation_says_what_the_network_knows() -> None:
    text = invitation([f"thing {number}" for number in range(1000)])
    assert "and 994 more" in text
    few = invitation(["cat", "dog"])
    assert "cat, dog" in few
    assert "more" not in few
