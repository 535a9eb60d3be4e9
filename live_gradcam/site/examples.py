"""Pictures that the network knows, as files beside the page."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.graph.open import open_graph
from live_gradcam.images import read_image
from live_gradcam.native import cv2
from live_gradcam.web.examples import find_examples

_MOST = 4
_QUALITY = 92


def write_examples(folder: Path, graph: Path) -> list[tuple[str, str]]:
    """Write generated pictures that a graph gets right, and is sure about, as JPEG files.

    Args:
        folder: Made here.
        graph: Asked about each picture, and about what is left of it in its file.

    Returns:
        Name of each file, and what it shows; none where nothing that can be generated is among the
        labels.
    """
    folder.mkdir()
    written: list[tuple[str, str]] = []
    with open_graph(graph, engine="onnxruntime") as explainer:
        for example in find_examples(explainer, explainer.classifier.labels, most=2 * _MOST):
            name = f"example-{len(written) + 1}.jpg"
            options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
            data = cv2.imencode(".jpg", example.image, options)[1].tobytes()
            (folder / name).write_bytes(data)
            shown = explainer.explain(read_image(folder / name)).predictions[0].label
            if shown == example.name:
                written.append((name, example.name))
            else:
                (folder / name).unlink()
            if len(written) == _MOST:
                break
    return written
