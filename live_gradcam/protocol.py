"""The protocol of explainers: a batch of images in, one explanation for each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from live_gradcam.choices import View
from live_gradcam.values import Explanation, Image

ClassChoice: TypeAlias = int | str | Sequence[int | str] | Literal["top", "all"] | None
"""Classes to explain: the top one, named ones, the ``top_k`` best, or all."""


class BatchExplainer(Protocol):
    """Explains batches of images, as `live_gradcam.Explainer` does."""

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        """Return one explanation for each image, in order.

        Args:
            images: ``uint8 (H, W, 3)`` BGR, of any sizes; not modified.
            classes: Classes that get a map: ``None`` the top one, ``"top"`` the best ones,
                ``"all"`` every class, else names or indices.
            view: Part of the image that the network is shown; ``None`` for the explainer's own.

        Raises:
            UsageError: There is no such class or view.
            DeviceError: The device failed, or has too little memory.
        """
