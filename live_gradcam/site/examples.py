"""Pictures that the network knows, as files beside the page."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.native import cv2
from live_gradcam.web.examples import find_examples

_QUALITY = 92


def write_examples(folder: Path, classifier: Classifier) -> list[tuple[str, str]]:
    """Write generated pictures that a network gets right, and is sure about, as JPEG files.

    Args:
        folder: Made here.
        classifier: Asked about each picture.

    Returns:
        Name of each file, and what it shows; none where nothing that can be generated is among the
        labels.
    """
    folder.mkdir()
    with Explainer(classifier, device="cpu", compile="off", engine="torch") as explainer:
        found = find_examples(explainer, classifier.labels)
    written = []
    for place, example in enumerate(found, start=1):
        name = f"example-{place}.jpg"
        options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        data = cv2.imencode(".jpg", example.image, options)[1].tobytes()
        (folder / name).write_bytes(data)
        written.append((name, example.name))
    return written
