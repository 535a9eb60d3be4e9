"""The size of a forward is found out from real work, bounded by memory, and never asked twice."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from live_gradcam.explain.engine.batching import BatchSizer, free_memory
from live_gradcam.explain.explainer import Explainer
from tests.explain import support

SIDE = 224
GIGABYTE = 1 << 30


def work(sizer: BatchSizer, each: dict[int, float], images: int = 200) -> list[int]:
    """Explain images, at a number of seconds for an image in a forward of each size."""
    sizes = []
    while images:
        size = sizer.next_size(images, SIDE, SIDE)
        sizer.note(size, SIDE, SIDE, each.get(size, 1.0) * size)
        sizes.append(size)
        images -= size
    return sizes


@pytest.mark.parametrize(
    ("each", "chosen"),
    [
        ({1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7}, 8),
        ({1: 1.0, 2: 0.9, 4: 0.7, 8: 0.8}, 4),
        ({1: 1.0, 2: 0.98, 4: 0.98, 8: 0.98}, 1),  # nothing worth waiting for
        ({1: 1.0, 2: 0.8, 4: 0.79, 8: 0.78}, 2),
        ({1: 1.0, 2: 1.2, 4: 1.4, 8: 1.6}, 1),
        ({1: 0.1, 2: 0.9, 4: 0.8, 8: 0.8}, 4),  # 2 is dearer than 4: 1 is not tried
    ],
)
def test_the_smallest_of_the_cheapest_sizes_is_chosen(each: dict[int, float], chosen: int) -> None:
    sizer = BatchSizer("cpu")
    sizes = work(sizer, each)
    assert sizer.chosen(SIDE, SIDE) == chosen
    assert sum(sizes) == 200
    assert set(sizes[20:-2]) == {chosen}, "settled after a few forwards"
    assert sizer.chosen(SIDE, SIDE + 32) is None, "each input size for itself"


def test_the_first_forward_of_a_size_is_a_warm_up() -> None:
    sizer = BatchSizer("cpu")
    took = {4: iter([99.0, 1.0, 1.0, 1.0]), 8: iter([99.0, 1.6, 1.6, 1.6]), 2: iter([0.9] * 4)}
    while sizer.chosen(SIDE, SIDE) is None:
        size = sizer.next_size(50, SIDE, SIDE)
        sizer.note(size, SIDE, SIDE, next(took[size]))
    assert sizer.chosen(SIDE, SIDE) == 8


def test_where_sizes_are_steady_no_time_decides() -> None:
    for each in ({1: 0.1, 2: 0.5, 4: 0.9, 8: 1.0}, {1: 1.0, 2: 0.9, 4: 0.5, 8: 0.1}):
        sizer = BatchSizer("cpu", steady=True)
        assert work(sizer, each, images=102) == [*[4] * 25, 2]
        sizer.note_too_large(4, SIDE, SIDE)
        assert set(work(sizer, each)) == {2}
    scarce = BatchSizer("cpu", steady=True, free_memory=lambda: 2 * 2 * SIDE * SIDE * 12 * 84)
    assert set(work(scarce, {})) == {2}


def test_single_images_never_wait_for_company() -> None:
    sizer = BatchSizer("cpu")
    for _ in range(50):
        assert sizer.next_size(1, SIDE, SIDE) == 1
        sizer.note(1, SIDE, SIDE, 1.0)


def test_memory_bounds_what_is_tried() -> None:
    faster = {1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7}
    needed = 8 * SIDE * SIDE * 12 * 84
    for free, chosen in ((2 * needed, 8), (needed, 4), (needed // 4, 1), (0, 1)):
        sizer = BatchSizer("cpu", free_memory=partial(int, free))
        assert max(work(sizer, faster)) == chosen
        assert sizer.chosen(SIDE, SIDE) == chosen


def test_a_size_that_did_not_fit_is_halved_and_not_tried_again() -> None:
    sizer = BatchSizer("cpu")
    work(sizer, {1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7})
    sizer.note_too_large(8, SIDE, SIDE)
    assert set(work(sizer, {})[:-1]) == {4}
    fixed = BatchSizer("cuda", fixed=4)
    fixed.note_too_large(4, SIDE, SIDE)
    assert fixed.next_size(9, SIDE, SIDE) == 2


def test_a_size_that_does_not_fit_while_it_is_tried_gives_way_to_a_fresh_trial() -> None:
    sizer = BatchSizer("cpu")
    sizer.note(4, SIDE, SIDE, 1.0)
    sizer.note(4, SIDE, SIDE, 1.0)
    sizer.note_too_large(4, SIDE, SIDE)
    for took in (99.0, 1.0, 1.0):  # the first forward of the new size is a warm-up again
        assert sizer.next_size(50, SIDE, SIDE) == 2
        sizer.note(2, SIDE, SIDE, took)
    assert sizer.next_size(50, SIDE, SIDE) == 2, "not timed often enough yet"
    assert max(work(sizer, {1: 0.9, 2: 0.5})) == 2
    assert sizer.chosen(SIDE, SIDE) == 2


def test_free_memory_of_this_machine_is_known() -> None:
    free = free_memory(torch.device("cpu"))
    assert free is None or 1 << 20 < free < 1 << 50


def test_batches_of_any_size_give_the_same_explanations() -> None:
    """While sizes are being tried, and after: order and values stay."""
    classifier = support.tiny_classifier()
    images = [support.smooth_image(seed=seed) for seed in range(70)]
    with Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer:
        together = explainer.explain_batch(images)
        alone = [explainer.explain(image) for image in images]
    for one, other in zip(together, alone, strict=True):
        assert one.explained == other.explained
        support.assert_maps_close(one.evidence, other.evidence)
