"""The page's interface for programs: typed functions, called with ``gradio_client``.

Gradio reads the types while the program runs, so that this module does not postpone annotations.
"""

from typing import Any, cast

import gradio as gr

from live_gradcam.choices import ColormapName, View
from live_gradcam.images import read_image
from live_gradcam.native import cv2
from live_gradcam.web.handlers import guarded, read_look, uploaded
from live_gradcam.web.images import KeptPicture, Look, likely
from live_gradcam.web.state import AppState


class Programs:
    """What programs may ask for.

    Args:
        desks: Who does the work.
    """

    def __init__(self, desks: AppState) -> None:
        self._desks = desks

    @guarded
    def explain(
        self,
        image: gr.FileData,
        class_name: str = "",
        view: View = "crop",
        opacity: float = 0.6,
        colormap: ColormapName = "turbo",
    ) -> tuple[str, dict[str, float], list[list[float]], gr.FileData]:
        """Explain one picture: label, probabilities, evidence, overlay.

        Args:
            image: An uploaded picture.
            class_name: The class to explain, a name or an index; empty for the most likely one.
            view: What the network is shown: the centre, the squeezed frame, or all of it.
            opacity: Of full heat, 0 to 1.
            colormap: Colours of the heat.

        Returns:
            The most likely label; the most likely labels and their probabilities, best first; the
            evidence for the explained class, rows of numbers in logits where the page's
            method is Grad-CAM; and the overlay as PNG.
        """
        return self._explain(image, read_look(class_name, view, "", "", opacity, colormap))

    @guarded
    def explain_with(
        self,
        image: gr.FileData,
        method: str,
        class_name: str = "",
        view: View = "crop",
        opacity: float = 0.6,
        colormap: ColormapName = "turbo",
    ) -> tuple[str, dict[str, float], list[list[float]], gr.FileData]:
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
        return self._explain(image, read_look(class_name, view, "", method, opacity, colormap))

    def _explain(
        self, image: gr.FileData, look: Look
    ) -> tuple[str, dict[str, float], list[list[float]], gr.FileData]:
        path, name = uploaded(self._desks.cache, image)
        pictures = self._desks.pictures
        picture = KeptPicture(f"program {path}", read_image(path), name)
        explanation = pictures.explain(picture, look)
        return (
            explanation.predictions[0].label,
            likely(explanation, self._desks.classifier.labels),
            explanation.evidence[0].tolist(),
            self._file(
                picture,
                cv2.imencode(".png", pictures.overlay(picture, look, full_size=True))[1].tobytes(),
            ),
        )

    @guarded
    def classes(self) -> list[str]:
        """The names of the classes that the network knows, in order."""
        return list(self._desks.classifier.labels)

    def _file(self, picture: KeptPicture, data: bytes) -> gr.FileData:
        path = self._desks.cache.path / "made" / picture.token / "overlay.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        self._desks.cache.sweep()
        # Gradio wants the plain form of its own class here.
        content: Any = gr.FileData(path=str(path)).model_dump()
        return cast("gr.FileData", content)
