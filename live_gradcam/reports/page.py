"""Pages that need nothing else, for a screen, a phone, paper, day and night.

They are made from templates, which escape everything that comes from a file; a page may load
nothing, which its head also tells the browser. ``report.css`` and ``report.js`` stand here for all
of them, and are included by name.
"""

from __future__ import annotations

import base64

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from live_gradcam.native import cv2
from live_gradcam.values import Image
from live_gradcam.wording import percent

_QUALITY = 80


def open_template(room: str, name: str) -> Template:
    """Return a template of a room, which escapes everything that comes from a file.

    Args:
        room: The package that has the template in its folder ``templates``.
        name: Name of the file.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(room), PackageLoader("live_gradcam.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": count, "listed": _listed, "percent": percent}
    return environment.get_template(name)


def data_uri(image: Image) -> str:
    """Return an image, ``uint8 (H, W, 3)`` BGR, as a JPEG in a data URI."""
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a JPEG encoder is part of OpenCV"
    return jpeg_uri(encoded.tobytes())


def jpeg_uri(encoded: bytes) -> str:
    """Return a JPEG as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")


def count(number: int, one: str, many: str = "") -> str:
    """Return a number of things, e.g. ``1 picture`` or ``12,000 pictures``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
