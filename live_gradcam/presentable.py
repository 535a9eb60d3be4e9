"""What an explanation can do for people: methods whose work is done in `live_gradcam.present`.

A value is ground: every room uses it, and it may use none of them. So that ``explanation.show()``
is there all the same, these methods open `live_gradcam.present` when they are called, by its name
and nowhere else. They are for those who use the package; the package's own rooms call `show` and
`present` themselves, downwards, and a test holds both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict

from typing_extensions import Self, Unpack

from live_gradcam.choices import ColormapName, HudLayout, Layout
from live_gradcam.image_like import ImageLike

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

DOOR = "live_gradcam.present"
"""The room that does what the methods say."""


class DrawOptions(TypedDict, total=False):
    """Options of a drawn explanation, each as in `live_gradcam.OverlayOptions`.

    Attributes:
        colormap: Name of the colour map.
        opacity: Weight of the hottest colour, 0..1.
        layout: Heat on the image, the untouched image beside it, or no heat at all.
        signed: Show evidence against the class too.
        scale: The evidence that gets the full colour; ``None`` is the map's own maximum.
        show_labels: Draw the best classes.
        show_legend: Draw the colour bar.
        show_hud: Draw rates, of moving images.
        top_k: How many classes are listed.
        hud_layout: What is written, see `live_gradcam.choices.HudLayout`.
    """

    colormap: ColormapName
    opacity: float
    layout: Layout
    signed: bool
    scale: float | None
    show_labels: bool
    show_legend: bool
    show_hud: bool
    top_k: int
    hud_layout: HudLayout


class Presentable:
    """The Python face of an explanation.

    Wherever a class can be named (``of``), it is the index or the label of one that has a map;
    ``None`` is the first. Wherever a picture is needed, it is the one that was explained: read
    again from its file, or still in memory; where it is neither, give it as ``image``.
    """

    __slots__ = ()

    def heatmap(
        self,
        size: tuple[int, int] | None = None,
        positive: bool = True,
        *,
        of: int | str | None = None,
    ) -> NDArray[np.float32]:
        """Return one map at the size of the image.

        The cells are enlarged bicubically to the region that the network saw, each centred over
        its part of it. Outside of that region the network saw nothing, and the heatmap is 0.

        Args:
            size: Width and height; ``None`` is the image's own.
            positive: Keep only evidence for the class. The map's largest positive value becomes 1.
                Otherwise its largest absolute value becomes 1 or -1, and evidence against the class
                is negative.
            of: Class.

        Returns:
            ``float32 (height, width)`` in 0..1, or in -1..1. All 0 where there is no evidence;
            never NaN.

        Raises:
            UsageError: There is no map of such a class, or the size is not known.
        """
        found: NDArray[np.float32] = _call("heatmap", self, size, positive, of=of)
        return found

    def overlay(
        self,
        image: ImageLike | None = None,
        *,
        of: int | str | None = None,
        **options: Unpack[DrawOptions],
    ) -> NDArray[np.uint8]:
        """Draw the explanation on its picture, as `live_gradcam.draw` does.

        Args:
            image: The picture, where it is not known any more.
            of: Class.
            **options: See `live_gradcam.OverlayOptions`.

        Returns:
            ``uint8 (H, W, 3)`` BGR.

        Raises:
            SourceError: The picture is not known, has changed, or cannot be read.
            UsageError: There is no map of such a class, or no such option.
        """
        found: NDArray[np.uint8] = _call("overlay", self, image, of=of, **options)
        return found

    def show(
        self,
        image: ImageLike | None = None,
        *,
        of: int | str | None = None,
        **options: Unpack[DrawOptions],
    ) -> None:
        """Show the explanation: below the cell of a notebook, else in a window until a key.

        Args:
            image: As for `overlay`.
            of: As for `overlay`.
            **options: As for `overlay`.

        Raises:
            DeviceError: There is neither a notebook nor a display.
            SourceError: As for `overlay`.
            UsageError: As for `overlay`.
        """
        _call("show", self, image, of=of, **options)

    def save(
        self,
        path: str | os.PathLike[str],
        image: ImageLike | None = None,
        *,
        of: int | str | None = None,
        **options: Unpack[DrawOptions],
    ) -> None:
        """Save the explanation; the name's ending says as what. An existing file is replaced.

        Args:
            path: ``.png``, ``.jpg``, ``.jpeg``, ``.webp`` or ``.bmp`` is the overlay; ``.json`` is
                `to_json`; ``.npz`` has ``evidence`` (K, h, w), ``explained`` (K), ``labels`` (K),
                ``heatmap`` (H, W) where the size is known, and ``explanation``, the JSON of all
                else. `live_gradcam.Explanation.load` reads the last two.
            image: As for `overlay`.
            of: As for `overlay`.
            **options: As for `overlay`; for pictures only.

        Raises:
            SinkError: The file cannot be written.
            SourceError: As for `overlay`.
            UsageError: As for `overlay`, or there is no such kind of file.
        """
        _call("save", self, path, image, of=of, **options)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load what `save` has written as ``.json`` or ``.npz``.

        Raises:
            SourceError: The file cannot be read, or holds no explanation.
        """
        found: Self = _call("load", path)
        return found

    def plot(
        self,
        ax: Axes | None = None,
        image: ImageLike | None = None,
        *,
        of: int | str | None = None,
        **options: Unpack[DrawOptions],
    ) -> Axes:
        """Plot the overlay with Matplotlib; the title says the class and how sure the network is.

        Args:
            ax: Axes to plot into; ``None`` makes a figure.
            image: As for `overlay`.
            of: As for `overlay`.
            **options: As for `overlay`; labels and legend are left out unless asked for.

        Returns:
            The axes.

        Raises:
            UsageError: Matplotlib is not installed; or as for `overlay`.
            SourceError: As for `overlay`.
        """
        found: Axes = _call("plot", self, ax, image, of=of, **options)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as Python's own types, ready for JSON; of the picture, name and size.

        Numbers that are not finite are ``None``.
        """
        found: dict[str, Any] = _call("to_dict", self)
        return found

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the explanation that `to_dict` made the dictionary of.

        Raises:
            SourceError: It is not such a dictionary.
        """
        found: Self = _call("from_dict", content)
        return found

    def to_json(self) -> str:
        """Return `to_dict` as JSON, in one line."""
        found: str = _call("to_json", self)
        return found

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the explanation that `to_json` made the text of.

        Raises:
            SourceError: It is no such text.
        """
        found: Self = _call("from_json", text)
        return found

    def __repr__(self) -> str:
        found: str = _call("describe", self)
        return found

    def _repr_png_(self) -> bytes | None:
        found: bytes | None = _call("repr_png", self)
        return found

    def _repr_html_(self) -> str:
        found: str = _call("repr_html", self)
        return found


def _call(name: str, *arguments: object, **options: object) -> Any:  # noqa: ANN401 - see callers
    function: Callable[..., Any] = getattr(import_module(DOOR), name)
    return function(*arguments, **options)
