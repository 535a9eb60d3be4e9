"""The page's interface for programs: typed functions, called with ``gradio_client``.

Gradio reads the types while the program runs, so that this module does not postpone annotations.
"""

from typing import Any, TypeAlias, cast

import gradio as gr

from live_gradcam.choices import ColormapName, View
from live_gradcam.images import read_image
from live_gradcam.web.handlers import guarded, uploaded
from live_gradcam.web.image_cache import CachedImage
from live_gradcam.web.images import draw_overlay, encode_image, likely
from live_gradcam.web.settings import ViewSettings, read_settings
from live_gradcam.web.state import AppState

_DEFAULT = ViewSettings()
_Answer: TypeAlias = tuple[str, dict[str, float], list[list[float]], gr.FileData]


class Api:
    """Functions for programs.

    Args:
        state: Services that do the work.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state

    @guarded
    def explain(
        self,
        image: gr.FileData,
        class_name: str = "",
        view: View = _DEFAULT.view,
        opacity: float = _DEFAULT.opacity,
        colormap: ColormapName = _DEFAULT.colormap,
    ) -> _Answer:
        """Explain one picture: label, probabilities, evidence, overlay.

        Args:
            image: An uploaded picture.
            class_name: The class to explain, a name or an index; empty for the most likely one.
            view: What the network is shown: the centre, the squeezed frame, or all of it.
            opacity: Of full heat, 0 to 1.
            colormap: Colours of the heat.

        Returns:
            The most likely label; the most likely labels and their probabilities, best first (the
            numbers themselves where the network's output is plain numbers); the
            evidence for the explained class, rows of numbers in logits where the page's
            method is Grad-CAM; and the overlay as PNG.
        """
        return self._explain(image, read_settings(class_name, view, "", "", opacity, colormap))

    @guarded
    def explain_with(
        self,
        image: gr.FileData,
        method: str,
        class_name: str = "",
        view: View = _DEFAULT.view,
        opacity: float = _DEFAULT.opacity,
        colormap: ColormapName = _DEFAULT.colormap,
    ) -> _Answer:
        """Explain one picture with a method of your choice.

        Args:
            image: As for `explain`.
            method: What makes the map: a name that the page offers.
            class_name: As for `explain`.
            view: As for `explain`.
            opacity: As for `explain`.
            colormap: As for `explain`.

        Returns:
            The same as `explain`; the evidence is in the method's own unit.
        """
        return self._explain(image, read_settings(class_name, view, "", method, opacity, colormap))

    @guarded
    def classes(self) -> list[str]:
        """The names of the classes that the network knows, in order."""
        return list(self._state.classifier.labels)

    def _explain(self, image: gr.FileData, settings: ViewSettings) -> _Answer:
        path, name = uploaded(self._state.cache, image)
        cached = CachedImage(f"program {path}", read_image(path), name)
        explanation = self._state.images.explain(cached, settings)
        overlay = draw_overlay(cached.image, explanation, settings)
        return (
            explanation.predictions[0].label,
            likely(explanation, self._state.classifier.labels),
            explanation.evidence[0].tolist(),
            self._file(cached.token, encode_image(overlay, ".png")),
        )

    def _file(self, token: str, data: bytes) -> gr.FileData:
        path = self._state.cache.path / "made" / token / "overlay.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        self._state.cache.sweep()
        # Gradio wants the plain form of its own class here.
        content: Any = gr.FileData(path=str(path)).model_dump()
        return cast("gr.FileData", content)
