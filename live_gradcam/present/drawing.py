"""Overlays: on a given picture, and on the one that was explained."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from typing_extensions import Unpack

from live_gradcam.choices import COLORMAP_NAMES, HUD_LAYOUTS, LAYOUTS
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.image_like import ColorOrder, ImageLike
from live_gradcam.images.inputs import take_image
from live_gradcam.images.read import load_image
from live_gradcam.images.sniff import cannot_open
from live_gradcam.present.heatmap import of_class
from live_gradcam.presentable import DrawOptions
from live_gradcam.show.options import Hud, OverlayOptions
from live_gradcam.show.overlay import draw as draw_overlay
from live_gradcam.values import Explanation, Image
from live_gradcam.wording import did_you_mean

_NAMES = tuple(field.name for field in fields(OverlayOptions))
_CHOICES = {"colormap": COLORMAP_NAMES, "layout": LAYOUTS, "hud_layout": HUD_LAYOUTS}
_WHAT = "cannot draw the explanation"
_GIVE = "Give the picture: overlay(image)"


def draw(
    image: ImageLike,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
    color: ColorOrder | None = None,
    **changes: Unpack[DrawOptions],
) -> Image:
    """Draw an explanation on a copy of its picture.

    Args:
        image: What `live_gradcam.Explainer.explain` takes; not modified.
        explanation: The first of its maps is drawn.
        options: Options of the overlay.
        hud: Rates and messages to draw on top.
        color: As for `live_gradcam.Explainer.explain`.
        **changes: Single options, e.g. ``opacity=0.4``; they win over ``options``.

    Returns:
        ``uint8 (H, W, 3)`` BGR of the picture's size, in every layout.

    Raises:
        SourceError: The picture cannot be read, or is none.
        UsageError: There is no such option, or it has no such value.
    """
    taken = take_image(image, color=color, keep=False)
    return draw_overlay(taken.image, explanation, options=changed(options, changes), hud=hud)


def overlay(
    explanation: Explanation,
    image: ImageLike | None = None,
    *,
    of: int | str | None = None,
    **options: Unpack[DrawOptions],
) -> Image:
    """Draw an explanation on its picture; see `live_gradcam.Explanation.overlay`."""
    wanted = changed(None, options)
    chosen = of_class(explanation, of)
    if image is None:
        return draw_overlay(explained_image(explanation), chosen, options=wanted)
    given = take_image(image, keep=False).image
    known = explanation.picture
    if known is not None and known.size != (given.shape[1], given.shape[0]):
        cause = (
            f"the picture given is {given.shape[1]}x{given.shape[0]}, and {known.width}x"
            f"{known.height} was explained"
        )
        raise SourceError(_WHAT, "", cause, "Give the picture in that size")
    return draw_overlay(given, chosen, options=wanted)


def changed(options: OverlayOptions | None, changes: DrawOptions) -> OverlayOptions:
    """Return options with some of them changed.

    Raises:
        UsageError: There is no such option, or it has no such value.
    """
    base = options or OverlayOptions()
    for name, value in changes.items():
        if name not in _NAMES:
            step = f"{did_you_mean(name, _NAMES)}Options are {', '.join(_NAMES)}"
            raise UsageError(_WHAT, name, "there is no such option", step)
        allowed = _CHOICES.get(name)
        if allowed and value not in allowed:
            step = f"{did_you_mean(str(value), allowed)}Choose from {', '.join(allowed)}"
            raise UsageError(_WHAT, f"{name}={value!r}", "there is no such value", step)
    try:
        return replace(base, **changes)
    except (TypeError, ValueError) as exc:
        raise UsageError(_WHAT, "", str(exc)) from exc


def explained_image(explanation: Explanation) -> Image:
    """Return the picture that was explained.

    Raises:
        SourceError: It is not known, has changed, or cannot be read.
    """
    picture = explanation.picture
    if picture is None:
        raise SourceError(_WHAT, "", "it does not know its picture", _GIVE)
    pixels = picture.pixels
    if pixels is not None and picture.is_unchanged(pixels):
        return pixels
    if picture.path:
        path = Path(picture.path)
        try:
            size = path.stat().st_size
        except OSError as exc:
            raise cannot_open(path, exc) from exc
        image = load_image(path).image
        same = (image.shape[1], image.shape[0]) == picture.size and size == picture.file_bytes
        if not same:
            cause = "the file holds another picture than the one that was explained"
            raise SourceError(_WHAT, picture.name, cause, _GIVE)
        return image
    if pixels is not None:
        cause = "the array was changed after it was explained"
        raise SourceError(_WHAT, picture.name, cause, "Explain a copy, or give it: overlay(image)")
    cause = "its picture is not in memory any more"
    raise SourceError(_WHAT, picture.name, cause, _GIVE)
