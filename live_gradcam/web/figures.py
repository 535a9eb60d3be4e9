"""Pieces of the page as HTML: pictures that ask for their own pixels, legend, classes, downloads.

A picture is an ``img`` with ``data-live``, the address that draws it; ``page.js`` adds the width in
which it is shown, so that it is drawn for this screen.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.show.heat import heat_table
from live_gradcam.values import Explanation, Prediction
from live_gradcam.web.image_cache import CachedImage
from live_gradcam.web.settings import ViewSettings, settings_as_query
from live_gradcam.wording import strength

_DEFAULT = ViewSettings().colormap


def overlay_figure(
    cached: CachedImage, settings: ViewSettings, *, alt: str, mark: bool = False
) -> str:
    """The explained picture.

    Args:
        cached: The picture.
        settings: How it is shown.
        alt: What it shows, in words.
        mark: Mark the area that the removal test hides.
    """
    height, width = cached.image.shape[:2]
    address = _address(cached, "overlay.jpg", settings) + ("&mark=1" if mark else "")
    return (
        f"<figure>{_live_image(address, width, height, alt, focus=True)}"
        '<p class="spot" role="status" aria-live="polite"></p></figure>'
    )


def class_cards(
    cached: CachedImage,
    settings: ViewSettings,
    choices: Sequence[tuple[str, str]],
    explanations: Sequence[Explanation],
    shown: Prediction | None,
) -> str:
    """A card for each of the best classes: its map, its name and how likely it is.

    Args:
        cached: The picture.
        settings: How it is shown.
        choices: Of all classes, as of `class_choices`.
        explanations: One for each of the best classes.
        shown: The class that the large picture explains, where it is known how likely it is.
    """
    cards = []
    for place, each in enumerate(explanations):
        found = next(p for p in each.predictions if p.class_index == each.explained[0])
        region = each.region
        address = _address(cached, f"map-{place}.jpg", settings)
        picture = _live_image(address, region.width, region.height, "")
        cards.append(_card(picture, found, choices, pressed=found is shown or found == shown))
    if shown is not None and not any(shown.class_index == e.explained[0] for e in explanations):
        cards.append(_card("", shown, choices, pressed=True))
    return f'<ul class="classes" aria-label="The most likely classes">{"".join(cards)}</ul>'


def _card(
    picture: str, found: Prediction, choices: Sequence[tuple[str, str]], *, pressed: bool
) -> str:
    is_share = found.probability is not None
    figure = html.escape(strength(found.strength, is_share=is_share))
    title, name = (html.escape(each, quote=True) for each in choices[found.class_index])
    meter = ""
    if found.probability is not None:
        meter = f'<i class="bar" style="--share: {found.probability:.4f}"></i>'
    return (
        f'<li><button type="button" data-class="{name}" '
        f'aria-pressed="{str(pressed).lower()}" title="Explain this class">{picture}'
        f'<span class="name">{title}</span> <span class="figure">{figure}</span>{meter}'
        "</button></li>"
    )


def example_gallery(names: Sequence[str]) -> str:
    """The examples as buttons.

    Args:
        names: What each of them shows.
    """
    buttons = [
        f'<button type="button" data-example="{place}" aria-label="Example: '
        f'{html.escape(name, quote=True)}"><img data-live="live/example/{place}.jpg" '
        f'width="4" height="3" alt=""></button>'
        for place, name in enumerate(names)
    ]
    return (
        '<p class="heading" id="examples-heading">Or one of these, which the network knows</p>'
        f'<div class="examples" role="group" aria-labelledby="examples-heading">'
        f"{''.join(buttons)}</div>"
    )


def invitation(labels: Sequence[str]) -> str:
    """What stands where the explained picture will be, while there is none.

    Args:
        labels: Labels of the network's classes.
    """
    named = list(dict.fromkeys(labels))
    step = max(1, len(named) // 6)
    some = [html.escape(label) for label in named[step // 2 :: step]][:6]
    more = f" and {len(named) - len(some)} more" if len(named) > len(some) else ""
    return (
        '<div class="empty"><p><strong>Give it a picture of your own.</strong></p>'
        f"<p>This network knows {', '.join(some)}{more}. It will show which part of your picture "
        "it goes by.</p></div>"
    )


def legend(colormap: str) -> str:
    """The colour map as a bar with words at its ends."""
    colours = heat_table(colormap if colormap in COLORMAP_NAMES else _DEFAULT, 1.0, False).colours
    stops = ", ".join("rgb({2} {1} {0})".format(*colours[index]) for index in range(0, 256, 17))
    return (
        '<div class="legend" role="img" aria-label="Colours from little to much evidence">'
        f'<span>little evidence</span><i style="background: linear-gradient(90deg, {stops})"></i>'
        "<span>much evidence</span></div>"
        '<p class="hint">Uncoloured places do not speak for the class. '
        "The network does not see what is darkened.</p>"
    )


def downloads(cached: CachedImage, settings: ViewSettings) -> str:
    """Links to the picture with its labels, and to its record."""
    stem = html.escape(Path(cached.name).stem or "picture", quote=True)
    overlay = html.escape(_address(cached, "overlay.png", settings), quote=True)
    record = html.escape(_address(cached, "record.json", settings), quote=True)
    return (
        '<div class="downloads">'
        f'<a href="{overlay}" download="{stem}-explained.png">Download the picture (PNG)</a>'
        f'<a href="{record}" download="{stem}-explained.json">Download the record (JSON)</a></div>'
    )


def _address(cached: CachedImage, kind: str, settings: ViewSettings) -> str:
    return f"live/picture/{cached.token}/{kind}?{urlencode(settings_as_query(settings))}"


def _live_image(address: str, width: int, height: int, alt: str, *, focus: bool = False) -> str:
    more = ' tabindex="0"' if focus else ""
    return (
        f'<img data-live="{html.escape(address, quote=True)}" width="{width}" height="{height}" '
        f'alt="{html.escape(alt, quote=True)}"{more}>'
    )
