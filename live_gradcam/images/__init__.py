"""Image files become arrays, the same way everywhere. Never torch.

==========  =====================================================================
`read`      decoding of image files
`animated`  frames of animated ones
`sniff`     detection of a file's kind from its first bytes
`pixels`    limit of size, orientation, transparency
`geometry`  resizing, letterboxing, mirroring, and the regions that result
`parts`     parts of frames that are explained by themselves
==========  =====================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.images.sniff import Sniffed, is_text, sniff, sniff_bytes
from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.images.pixels import MAX_PIXELS
    from live_gradcam.images.read import LoadedImage, load_image, read_image

__all__ = [
    "MAX_PIXELS",
    "LoadedImage",
    "Sniffed",
    "is_text",
    "load_image",
    "read_image",
    "sniff",
    "sniff_bytes",
]

# What only sniffs loads no OpenCV.
__getattr__ = lazy_names(
    __name__, {"pixels": "MAX_PIXELS", "read": "LoadedImage load_image read_image"}
)
