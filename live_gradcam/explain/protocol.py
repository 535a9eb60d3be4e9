"""The one protocol for what explains a batch of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from live_gradcam.choices import View
from live_gradcam.values import Explanation, Image

ClassChoice: TypeAlias = "int | str | Sequence[int | str] | Literal['top', 'all'] | None"
"""Which classes are explained: the top one, named ones, the ``top_k`` best, or all."""


class BatchExplainer(Protocol):
    """What callers need of an explainer that they did not make themselves."""

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        """One explanation for each image, in order.

        Args:
            images: ``uint8 (H, W, 3)`` BGR, of any sizes; not modified.
            classes: Which classes get a map: ``None`` the top one, ``"top"`` the best ones,
                ``"all"`` every class, else names or indices.
            view: What the network is shown, if not the explainer's own view.

        Raises:
            UsageError: There is no such class or view.
            DeviceError: The device failed, or has too little memory.
        """
