"""Many images are run in parts of one size, and in halves where memory is short."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from live_gradcam.explain.engine.batching import run_in_parts
from live_gradcam.explain.engine.failures import OutOfMemory

_SMALL, _LARGE = (8, 8), (8, 16)


def _begin(
    most: int, begun: list[slice], *, late: bool
) -> Callable[[slice], Callable[[], list[int]]]:
    """A device with room for some images, which fails at once or when it is waited for."""

    def begin(part: slice) -> Callable[[], list[int]]:
        begun.append(part)
        failed = part.stop - part.start > most

        def finish() -> list[int]:
            if failed:
                raise OutOfMemory("out of memory")
            return list(range(part.start, part.stop))

        if failed and not late:
            raise OutOfMemory("out of memory")
        return finish

    return begin


def test_a_part_is_of_one_size_and_no_larger_than_what_shares_a_forward() -> None:
    begun: list[slice] = []
    sizes = [_SMALL] * 5 + [_LARGE] * 2 + [_SMALL]
    found = run_in_parts(sizes, lambda waiting, *_: min(waiting, 3), _begin(9, begun, late=False))
    assert found == list(range(8))
    assert [(each.start, each.stop) for each in begun] == [(0, 3), (3, 5), (5, 7), (7, 8)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_what_does_not_fit_is_run_in_halves_and_nothing_changes_its_place(
    most: int, late: bool
) -> None:
    begun: list[slice] = []
    found = run_in_parts([_SMALL] * 11, lambda waiting, *_: waiting, _begin(most, begun, late=late))
    assert found == list(range(11))
    assert max(each.stop - each.start for each in begun[-2:]) <= most


@pytest.mark.parametrize("late", [False, True])
def test_one_image_that_does_not_fit_ends_it(late: bool) -> None:
    with pytest.raises(OutOfMemory):
        run_in_parts([_SMALL] * 3, lambda waiting, *_: waiting, _begin(0, [], late=late))


def test_no_images_are_no_work() -> None:
    assert run_in_parts([], lambda *_: 1, _begin(1, [], late=False)) == []
