"""The images of a report: which are chosen, and where they end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from live_gradcam.evaluate.dataset import open_dataset
from live_gradcam.evaluate.gallery import Gallery, make_gallery, select_extremes, select_striking
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


def test_a_caption_has_the_change_that_its_percentages_have(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    dataset = open_dataset(write_folder(tmp_path, "object", 1), network.labels)
    image = make_image_result(0, 0, drop=0.934 - 0.126, control=0.0)
    image = replace(
        image, methods={"gradcam": replace(image.methods["gradcam"], probability=0.934)}
    )
    options = EvaluationOptions(device="cpu", precision="fp32")
    gallery = make_gallery(make_result([image], LABELS), network, dataset, options)
    # 93 % become 13 %.
    assert "; \N{MINUS SIGN}80 points without the hottest fifth" in gallery.striking[0].caption


def test_blank_and_saturated_pictures_are_neither_the_worst_nor_striking() -> None:
    images = [make_image_result(i, 0, inside=0.5 + i / 100) for i in range(5)]
    sure = make_image_result(5, 0, inside=0.0, drop=0.0, control=0.001)
    sure = replace(sure, methods={"gradcam": replace(sure.methods["gradcam"], probability=1.0)})
    blank = make_image_result(6, 0, inside=None)
    blank = replace(blank, methods={"gradcam": replace(blank.methods["gradcam"], blank=True)})
    everything = [sure, blank, *images]
    assert [each.index for each, _ in select_extremes(everything, 0, "gradcam")] == [0, 1, 3, 4]
    striking = select_striking(everything, "gradcam")
    assert [(title, each.index) for title, each in striking] == [
        ("the clearest", 4),
        ("a typical one", 2),
        ("the weakest", 0),
    ]
    alone = [each.index for each, _ in select_extremes([sure, blank], 0, "gradcam")]
    assert sorted(alone) == [5, 6]


def test_a_wrong_answer_is_striking() -> None:
    images = [make_image_result(i, 0, inside=0.5 + i / 100) for i in range(5)]
    images.append(make_image_result(9, 0, said=1, inside=0.9))
    titles = {title: each.index for title, each in select_striking(images, "gradcam")}
    assert titles == {"the clearest": 4, "wrong, though sure of it": 9, "the weakest": 0}
    assert select_striking(images[:1], "gradcam") == [("the clearest", images[0])]
