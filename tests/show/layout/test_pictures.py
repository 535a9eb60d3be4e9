"""The places of pictures on a canvas."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from live_gradcam.show.layout import place_pictures, working_size
from live_gradcam.show.layout.pictures import place_tiles
from live_gradcam.values import Region

WHOLE = Region(0, 0, 640, 480)


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (160, 120)])
@pytest.mark.parametrize("caption", [(0, 0), (40, 10)])
def test_tiles_have_one_shape_do_not_overlap_and_stay_inside(
    count: int, size: tuple[int, int], caption: tuple[int, int]
) -> None:
    taken = np.zeros(size[::-1], int)
    area = 0
    for tile, words in place_tiles(count, *size, (4, 3), caption):
        assert tile.width / tile.height == pytest.approx(4 / 3, rel=0.1)
        for place in (tile, words):
            if place is not None:
                taken[place.y : place.y + place.height, place.x : place.x + place.width] += 1
                area += place.width * place.height
    assert taken.max() == 1
    assert taken.sum() == area, "nothing is cut off by the edge"


@pytest.mark.parametrize(
    ("size", "row"),
    [((1920, 1080), True), ((1280, 800), True), ((640, 480), True), ((1080, 1920), False)],
)
def test_three_stand_in_a_row_or_in_a_column_whichever_is_larger(
    size: tuple[int, int], row: bool
) -> None:
    tiles = [tile for tile, _ in place_tiles(3, *size, (1, 1))]
    assert len({tile.y for tile in tiles}) == (1 if row else 3)
    assert len({tile.x for tile in tiles}) == (3 if row else 1)
    gap = 2 * min(size) / 90
    assert tiles[0].width == pytest.approx((max(size) - gap) / 3, abs=2)
    for first, second in pairwise(tiles):
        assert (second.x - first.x, second.y - first.y) > (0, 0)


def test_each_caption_touches_its_tile() -> None:
    for tile, words in place_tiles(3, 900, 500, (1, 1), (100, 20)):
        assert words == Region(tile.x, tile.y + tile.height, tile.width, 20)
    for tile, words in place_tiles(3, 500, 900, (1, 1), (100, 20)):
        assert words in (
            Region(tile.x, tile.y + tile.height, tile.width, 20),
            Region(tile.x + tile.width, tile.y, 100, tile.height),
        )


def test_no_room_for_captions_leaves_the_tiles() -> None:
    tiles = place_tiles(3, 60, 20, (1, 1), (100, 40))
    assert len(tiles) == 3
    assert all(words is None for _, words in tiles)
    assert len(place_tiles(3, 1, 1, (1, 1))) == 1


@pytest.mark.parametrize("caption", [(0, 0), (2, 1)])
def test_tiles_stay_inside_of_the_smallest_canvas(caption: tuple[int, int]) -> None:
    for count, width, height in product(range(1, 6), range(1, 10), range(1, 10)):
        for tile, _ in place_tiles(count, width, height, (1, 1), caption):
            assert min(tile.x, tile.y) >= 0
            assert tile.x + tile.width <= width
            assert tile.y + tile.height <= height


@pytest.mark.parametrize("canvas", [(640, 480), (1920, 1080), (300, 900)])
@pytest.mark.parametrize("region", [WHOLE, Region(80, 0, 480, 480), Region(-40, 10, 900, 500)])
def test_the_frame_is_as_large_as_it_fits_and_the_region_lies_on_it(
    canvas: tuple[int, int], region: Region
) -> None:
    (picture,) = place_pictures((640, 480), canvas, region)
    place, seen = picture.place, picture.seen
    zoom = min(canvas[0] / 640, canvas[1] / 480)
    assert (place.width, place.height) == pytest.approx((640 * zoom, 480 * zoom), abs=1)
    assert abs(2 * place.x + place.width - canvas[0]) <= 1
    assert abs(2 * place.y + place.height - canvas[1]) <= 1
    left, right = max(region.x, 0), min(region.x + region.width, 640)
    assert (seen.x - place.x, seen.width) == pytest.approx(
        (left * zoom, (right - left) * zoom), abs=1.5
    )
    assert place.x <= seen.x
    assert seen.x + seen.width <= place.x + place.width


def test_a_point_of_the_canvas_and_its_pixel_of_the_frame_belong_together() -> None:
    for maps, beside in ((None, False), (None, True), (3, False)):
        for picture in place_pictures(
            (640, 480), (1000, 700), Region(80, 0, 480, 480), maps=maps, beside=beside
        ):
            for x, y in ((80, 0), (300, 200), (559, 479)):
                there = picture.to_canvas(Region(x, y, 1, 1))
                found = picture.to_frame(there.x, there.y)
                assert found is not None
                assert found == pytest.approx((x, y), abs=640 / picture.place.width + 1)
            assert picture.to_frame(picture.place.x - 1, picture.place.y) is None


def test_heat_is_blended_in_no_more_pixels_than_are_needed() -> None:
    assert working_size((640, 480), (2880, 2160)) == (640, 480)
    assert working_size((1920, 1080), (640, 360)) == (640, 360)
    assert working_size((160, 120), (1280, 960)) == (480, 360), "smooth when it is enlarged"
    assert working_size((160, 120), (320, 240)) == (320, 240)
