"""Picture files become arrays, the same way for every wing. Never torch."""

from __future__ import annotations

from live_gradcam.images.pixels import MAX_PIXELS
from live_gradcam.images.read import Picture, load_picture, read_image

__all__ = ["MAX_PIXELS", "Picture", "load_picture", "read_image"]
