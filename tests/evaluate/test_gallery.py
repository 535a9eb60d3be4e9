"""The images of a report: which are chosen, and where they end."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.evaluate.dataset import open_dataset
from live_gradcam.evaluate.gallery import Gallery, make_gallery, select_extremes
from live_gradcam.evaluate.options import EvaluationOptions
from tests.evaluate.support import LABELS, make_image_result, make_result, write_folder
from tests.explain.support import tiny_classifier


def test_the_worst_and_the_best_images_are_shown_once_each() -> None:
    images = [make_image_result(i, 0, inside=i / 10) for i in range(7)]
    shown = select_extremes(images, 0, "gradcam")
    assert [(each.index, good) for each, good in shown] == [
        (0, False),
        (1, False),
        (5, True),
        (6, True),
    ]
    assert [each.index for each, _ in select_extremes(images[:3], 0, "gradcam")] == [0, 1, 2]
    assert len(select_extremes(images[:1], 0, "gradcam")) == 1


def test_a_report_stops_growing(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    dataset = open_dataset(write_folder(tmp_path, "object", 2), network.labels)
    images = [make_image_result(i, item.labels[0]) for i, item in enumerate(dataset.items)]
    result = make_result(images, LABELS)
    options = EvaluationOptions(device="cpu", precision="fp32")

    def gallery(most_bytes: int) -> Gallery:
        return make_gallery(result, network, dataset, options, most_bytes=most_bytes)

    whole, small = gallery(1 << 20), gallery(1)
    assert [len(shown) for shown in whole.by_class.values()] == [2, 2, 2]
    assert (len(small.by_class), small.left_out) == (1, 2)
    for item in dataset.items:
        assert item.path is not None
        item.path.unlink()
    assert [len(shown) for shown in gallery(1 << 20).by_class.values()] == [0, 0, 0]
