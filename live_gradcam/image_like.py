"""Types of what can be explained, for signatures; `live_gradcam.images.inputs` takes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ColorOrder: TypeAlias = Literal["bgr", "rgb"]
"""Order of the colours in an array or a tensor."""


class BinaryReader(Protocol):
    """File object opened for reading bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to ``size`` bytes."""


class ArrayLike(Protocol):
    """What NumPy makes an array of: ``numpy.ndarray``, ``torch.Tensor`` and others."""

    def __array__(self) -> NDArray[Any]: ...


class FrameLike(Protocol):
    """What has an ``image``, as `live_gradcam.Frame`."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """``uint8 (H, W, 3)``, BGR."""


class PillowImage(Protocol):
    """An image of Pillow, which is not loaded for its type's sake."""

    @property
    def mode(self) -> str:
        """Name of its pixels' format."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    def getbands(self) -> tuple[str, ...]:
        """Return the names of its channels."""


ImageLike: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryReader
    | PillowImage
    | ArrayLike
    | FrameLike
)
"""A path, an address of a web server, the bytes of an image file, an open file, an image of Pillow,
an array, a tensor or a frame; `live_gradcam.Explainer.explain` says what each has to be like."""
