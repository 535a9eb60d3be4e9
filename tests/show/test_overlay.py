"""What is drawn where, and in which colour."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from live_gradcam.choices import COLORMAP_NAMES, HUD_LAYOUTS, LAYOUTS, HudLayout, Layout
from live_gradcam.native import cv2
from live_gradcam.show.heat import heat_table
from live_gradcam.show.overlay import (
    HelpGroup,
    Hud,
    MarkedArea,
    OverlayOptions,
    draw,
    draw_mosaic,
    locate,
    paint,
)
from live_gradcam.show.panel import ACCENT
from live_gradcam.show.scene import outline_area
from live_gradcam.show.text import text_strip
from live_gradcam.values import Explanation, Image, OutputKind, Prediction, Region

BARE = OverlayOptions(show_labels=False, show_legend=False, show_hud=False)
TOLD = OverlayOptions(show_labels=False, show_legend=False)
REGION = Region(120, 40, 280, 280)


def gray(width: int = 520, height: int = 360, level: int = 120) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def explanation(
    evidence: Any = None,
    *,
    region: Region = REGION,
    labels: tuple[str, ...] = ("mug", "teapot", "vase"),
    top: float = 0.8,
) -> Explanation:
    if evidence is None:
        evidence = np.zeros((1, 7, 7), np.float32)
        evidence[0, 2, 4] = 3.0
    evidence = np.asarray(evidence, np.float32)
    shares = (top, top / 4, top / 8)
    predictions = tuple(
        Prediction(10 + n, label, 5.0 - n, share)
        for n, (label, share) in enumerate(zip(labels, shares, strict=True))
    )
    count = len(evidence)
    return Explanation(
        predictions, tuple(range(10, 10 + count)), evidence, region, labels=labels[:count]
    )


def tiles(one: Explanation, width: int = 520, height: int = 360, *, mosaic: bool) -> list[Region]:
    """Where the pictures of a mosaic, or the two side by side, stand."""
    options = OverlayOptions(layout="side-by-side")
    scene = paint(gray(width, height), one, options=options, mosaic=mosaic)
    return [picture.place for picture in scene.pictures]


def inside(image: Image, region: Region = REGION) -> Image:
    return image[region.y : region.y + region.height, region.x : region.x + region.width]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gives_a_new_image_of_the_same_size_and_leaves_the_frame_alone(layout: Layout) -> None:
    frame = gray()
    before = frame.copy()
    frame.flags.writeable = False
    image = draw(frame, explanation(), options=OverlayOptions(layout=layout), hud=Hud(fps=5.0))
    assert image.shape == frame.shape
    assert image.dtype == np.uint8
    assert not np.shares_memory(image, frame)
    np.testing.assert_array_equal(frame, before)


def test_a_view_of_a_larger_array_is_drawn_like_its_copy() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (360, 1040, 3), np.uint8)
    view = wide[:, ::-2]
    np.testing.assert_array_equal(draw(view, explanation()), draw(view.copy(), explanation()))


def test_what_the_network_did_not_see_is_dimmed() -> None:
    image = draw(gray(), explanation(), options=BARE)
    assert np.all(image[:, : REGION.x - 2] == round(120 * 0.42))
    assert np.all(image[: REGION.y - 2] == round(120 * 0.42))
    assert np.all(image[REGION.y + REGION.height + 2 :] == round(120 * 0.42))
    assert np.all(image[:, REGION.x + REGION.width + 2 :] == round(120 * 0.42))


def test_a_light_frame_stands_around_the_region_on_any_ground() -> None:
    for level in (0, 120, 255):
        image = draw(gray(level=level), explanation(np.zeros((1, 7, 7))), options=BARE).astype(int)
        edge, around = image[200, REGION.x].mean(), image[200, REGION.x - 1].mean()
        assert edge - around > 200


def test_no_frame_where_the_network_saw_everything() -> None:
    frame = gray()
    seen = Region(0, 0, 520, 360)
    image = draw(frame, explanation(np.full((1, 7, 7), -1.0), region=seen), options=BARE)
    np.testing.assert_array_equal(image[:250], frame[:250])


def test_the_hottest_spot_lies_in_the_middle_of_the_hottest_cell() -> None:
    for row, column in ((0, 0), (2, 4), (3, 3), (6, 6)):
        evidence = np.zeros((1, 7, 7), np.float32)
        evidence[0, row, column] = 3.0
        image = draw(gray(), explanation(evidence), options=BARE)
        change = np.abs(inside(image).astype(int) - 120).sum(axis=2)
        change[:2] = change[-2:] = 0
        change[:, :2] = change[:, -2:] = 0
        hottest = change > 0.97 * change.max()
        y, x = (float(axis.mean()) for axis in np.nonzero(hottest))
        stride = REGION.width / 7
        # At the rim the hot plateau reaches to the edge: still inside the cell.
        assert row * stride <= y <= (row + 1) * stride
        assert column * stride <= x <= (column + 1) * stride
        if 0 < row < 6:
            assert y == pytest.approx((row + 0.5) * stride, abs=2.0)
            assert x == pytest.approx((column + 0.5) * stride, abs=2.0)


def test_full_heat_is_opacity_times_the_last_colour_of_the_map() -> None:
    for name in COLORMAP_NAMES:
        options = dataclasses.replace(BARE, colormap=name, opacity=0.5)
        image = draw(gray(), explanation(np.ones((1, 7, 7))), options=options)
        colour = heat_table(name, 0.5, False).colours[255].astype(float)
        np.testing.assert_allclose(inside(image)[140, 140], 0.5 * 120 + 0.5 * colour, atol=1.5)


def test_opacity_zero_shows_the_image_alone() -> None:
    options = dataclasses.replace(BARE, opacity=0.0)
    image = draw(gray(), explanation(), options=options)
    np.testing.assert_array_equal(inside(image)[2:-2, 2:-2], 120)


def test_cold_cells_keep_the_untouched_image() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (360, 520, 3), np.uint8)
    evidence = np.full((1, 7, 7), -0.5, np.float32)
    evidence[0, 5, 5] = 2.0
    image = draw(frame, explanation(evidence), options=BARE)
    np.testing.assert_array_equal(inside(image)[2:100, 2:100], inside(frame)[2:100, 2:100])


@pytest.mark.parametrize("evidence", [np.zeros((1, 7, 7)), np.full((1, 7, 7), -2.0)])
def test_a_map_without_positive_evidence_is_blank_and_says_so(evidence: Any) -> None:
    frame = np.random.default_rng(2).integers(0, 256, (360, 520, 3), np.uint8)
    image, bare = (draw(frame, explanation(evidence), options=each) for each in (TOLD, BARE))
    np.testing.assert_array_equal(inside(bare)[2:-2, 2:-2], inside(frame)[2:-2, 2:-2])
    warm = draw(frame, explanation(), options=TOLD)
    below = REGION.y + REGION.height + 2
    assert np.any(image[below:] != warm[below:]), "a sentence stands below it"


def test_low_confidence_is_said() -> None:
    sure = draw(gray(), explanation(top=0.21), options=TOLD)
    unsure = draw(gray(), explanation(top=0.19), options=TOLD)
    assert np.any(sure[300:] != unsure[300:])
    np.testing.assert_array_equal(sure[:300], unsure[:300])


def test_numbers_that_are_not_finite_never_reach_the_image() -> None:
    evidence = np.zeros((1, 7, 7), np.float32)
    evidence[0, 0, :3] = [np.nan, np.inf, -np.inf]
    evidence[0, 3, 3] = 1.0
    clean = np.nan_to_num(evidence, nan=0.0, posinf=0.0, neginf=0.0)
    np.testing.assert_array_equal(
        draw(gray(), explanation(evidence)), draw(gray(), explanation(clean))
    )


def test_a_given_scale_makes_weak_evidence_look_weak() -> None:
    evidence = np.full((1, 7, 7), 0.3, np.float32)
    alone = draw(gray(), explanation(evidence), options=BARE)
    steady = draw(gray(), explanation(evidence), options=dataclasses.replace(BARE, scale=3.0))
    change = [np.abs(inside(p)[140, 140].astype(int) - 120).max() for p in (alone, steady)]
    assert change[1] < 0.4 * change[0]


def test_signed_evidence_is_warm_where_for_and_cool_where_against() -> None:
    evidence = np.zeros((1, 7, 7), np.float32)
    evidence[0, :, :3], evidence[0, :, 4:] = 2.0, -2.0
    image = draw(gray(), explanation(evidence), options=dataclasses.replace(BARE, signed=True))
    blue, _, red = inside(image)[140, 60].astype(int)
    assert red - blue > 80
    blue, _, red = inside(image)[140, 220].astype(int)
    assert blue - red > 80
    np.testing.assert_allclose(inside(image)[140, 139:141].astype(int), 120, atol=4)


def test_unsigned_heat_ignores_evidence_against() -> None:
    evidence = np.full((1, 7, 7), -5.0, np.float32)
    evidence[0, 3, 3] = 1.0
    zero = np.maximum(evidence, 0)
    np.testing.assert_array_equal(
        draw(gray(), explanation(evidence), options=BARE),
        draw(gray(), explanation(zero), options=BARE),
    )


def test_the_explained_class_is_marked_and_only_that_one() -> None:
    def marks(explained: int) -> NDArray[np.int64]:
        one = dataclasses.replace(explanation(), explained=(explained,), labels=("x",))
        options = dataclasses.replace(BARE, show_labels=True)
        image = draw(gray(), one, options=options).astype(int)
        accent = np.abs(image - ACCENT).max(axis=2) < 12
        return np.nonzero(accent.any(axis=1))[0]

    first, second, other = marks(10), marks(11), marks(99)
    assert first.size
    assert first.max() < second.min(), "the mark moves down to the second row"
    assert second.max() < other.min(), "and to a row of its own for another class"


def test_a_larger_probability_has_a_longer_bar() -> None:
    def length(top: float) -> int:
        options = dataclasses.replace(BARE, show_labels=True)
        image = draw(gray(), explanation(top=top), options=options).astype(int)
        return int((np.abs(image - ACCENT).max(axis=2) < 12).sum(axis=1).max())

    assert length(0.9) > 1.5 * length(0.5) > 2 * length(0.2)


@pytest.mark.parametrize("level", [0, 120, 255])
@pytest.mark.parametrize("size", [(160, 120), (640, 480), (1280, 720), (3840, 2160), (360, 640)])
def test_labels_are_legible_on_any_ground_at_any_size(level: int, size: tuple[int, int]) -> None:
    frame = gray(*size, level)
    options = dataclasses.replace(BARE, show_labels=True)
    with_labels = draw(frame, explanation(np.zeros((1, 7, 7)), region=Region(0, 0, *size)))
    changed = np.any(with_labels != frame, axis=2)
    assert changed[: size[1] // 2, : size[0]].any(), "there is room for labels"
    text = draw(frame, explanation(region=Region(0, 0, *size)), options=options)
    corner = text[: max(30, size[1] // 12), : size[0] // 2].astype(int).mean(axis=2)
    assert corner.max() - np.percentile(corner, 20) > 100


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "labels",
    [
        ("日本語のラベル", "Ærøskøbing", "Жук"),
        ("😀 smile", "x" * 400, ""),
        ("two\nlines\tand\x00more", "\u202eright to left", "e\u0301\u0302"),
    ],
)
def test_any_label_can_be_drawn(layout: Layout, labels: tuple[str, ...]) -> None:
    one = explanation(labels=labels)
    image = draw(gray(), one, options=OverlayOptions(layout=layout), hud=Hud(fps=1.0))
    assert image.shape == (360, 520, 3)


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 500),
    rows=st.integers(1, 15),
    columns=st.integers(1, 15),
    count=st.integers(0, 4),
    place=st.tuples(
        st.integers(-20, 60), st.integers(-20, 60), st.integers(1, 800), st.integers(1, 600)
    ),
    layout=st.sampled_from(LAYOUTS),
    hud_layout=st.sampled_from(HUD_LAYOUTS),
    signed=st.booleans(),
    helped=st.booleans(),
)
def test_every_size_every_region_and_every_map_can_be_drawn(
    width: int,
    height: int,
    rows: int,
    columns: int,
    count: int,
    place: tuple[int, int, int, int],
    layout: Layout,
    hud_layout: HudLayout,
    signed: bool,
    helped: bool,
) -> None:
    evidence = np.random.default_rng(4).normal(size=(count, rows, columns)).astype(np.float32)
    one = Explanation(
        tuple(Prediction(n, f"class {n}", 1.0, 0.1) for n in range(5)),
        tuple(range(count)),
        evidence,
        Region(*place),
    )
    frame = gray(width, height)
    hud = Hud(fps=12.3, latency_ms=45, dropped=6, model="resnet18", banner="lost", notes=("a",),
              recording_seconds=3725, verdict="it decides", title="an exhibit", figures=("0.1",),
              marked=MarkedArea(evidence.sum(0) > 0),
              help=(HelpGroup("Keys", (("q", "quit"), ("x", "y"))),) if helped else ())  # fmt: skip
    options = OverlayOptions(layout=layout, signed=signed, hud_layout=hud_layout)
    assert draw(frame, one, options=options, hud=hud).shape == frame.shape
    assert draw_mosaic(frame, one, options=options, hud=hud).shape == frame.shape
    turned = draw(frame, one, options=options, hud=hud, size=(height, width))
    assert turned.shape == (width, height, 3)
    assert np.all(frame == 120)


def test_hud_shows_what_it_is_given_and_nothing_else() -> None:
    plain = draw(gray(), explanation(), options=OverlayOptions(), hud=None)
    np.testing.assert_array_equal(plain, draw(gray(), explanation(), hud=Hud()))
    for hud in (
        Hud(fps=24.0),
        Hud(status=("frozen",)),
        Hud(on_air=("on air at http://127.0.0.1:8090/: 2 watching",)),
        Hud(banner="connection lost"),
        Hud(recording_seconds=12.0),
        Hud(notes=("saved a.png",)),
        Hud(verdict="this area decides"),
        Hud(marked=MarkedArea(np.eye(7, dtype=bool))),
        Hud(title="What does it see?"),
        Hud(invitation="Hold something up to the camera"),
        Hud(help=(HelpGroup("", (("q", "quit"),)),)),
    ):
        assert np.any(draw(gray(), explanation(), hud=hud) != plain), hud


@pytest.mark.parametrize(
    "hud",
    [Hud(latency_ms=41.0), Hud(dropped=3), Hud(model="resnet18"), Hud(precision="bf16"),
     Hud(compiled=False), Hud(capture="1280x720"), Hud(figures=("12 %",))],
)  # fmt: skip
def test_developers_figures_are_for_the_expert_layout_alone(hud: Hud) -> None:
    for layout in HUD_LAYOUTS:
        options = OverlayOptions(hud_layout=layout)
        plain, told = (
            draw(gray(), explanation(), options=options, hud=each) for each in (None, hud)
        )
        assert np.any(told != plain) == (layout == "expert")


def test_a_hidden_hud_still_shows_a_banner() -> None:
    options = OverlayOptions(show_hud=False)
    plain = draw(gray(), explanation(), options=options)
    hidden = draw(gray(), explanation(), options=options, hud=Hud(fps=24.0, notes=("a",)))
    np.testing.assert_array_equal(hidden, plain)
    assert np.any(draw(gray(), explanation(), options=options, hud=Hud(banner="lost")) != plain)


def test_plain_layout_without_labels_is_the_frame() -> None:
    frame = np.random.default_rng(5).integers(0, 256, (360, 520, 3), np.uint8)
    options = dataclasses.replace(BARE, layout="plain")
    np.testing.assert_array_equal(draw(frame, explanation(), options=options), frame)


def test_side_by_side_shows_the_untouched_image_beside_the_heat() -> None:
    noise = np.random.default_rng(6).integers(0, 256, (360, 520, 3), np.uint8)
    frame = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    image = draw(frame, explanation(), options=dataclasses.replace(BARE, layout="side-by-side"))
    left, right = tiles(explanation(), mosaic=False)
    expected = cv2.resize(inside(frame), (left.width, left.height), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(inside(image, left), expected)
    heat = np.abs(inside(image, right).astype(int) - expected).sum(axis=2)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 2 / 7 <= y / right.height <= 3 / 7
    assert 4 / 7 <= x / right.width <= 5 / 7


def test_mosaic_has_a_tile_for_each_map_on_one_scale() -> None:
    evidence = np.zeros((3, 7, 7), np.float32)
    for position, (row, column, value) in enumerate(((1, 1, 4.0), (3, 3, 2.0), (5, 5, 0.4))):
        evidence[position, row, column] = value
    options = dataclasses.replace(BARE, colormap="turbo")  # whose steps on grey are all large
    image = draw_mosaic(gray(), explanation(evidence), options=options)
    peaks = []
    places = tiles(explanation(evidence), mosaic=True)
    for place, (row, column) in zip(places, ((1, 1), (3, 3), (5, 5)), strict=True):
        change = np.abs(inside(image, place).astype(int) - 120).sum(axis=2)
        y, x = (int((at + 0.5) / 7 * place.height) for at in (row, column))
        peaks.append(change[y, x])
    assert peaks[0] > peaks[1] > 3 * peaks[2]


def test_locate_finds_the_frame_pixel_under_the_mouse() -> None:
    one = explanation(np.zeros((2, 7, 7)))
    assert locate(300, 50, (520, 360), one) == (300, 50)
    assert locate(520, 50, (520, 360), one) is None
    options = OverlayOptions(layout="side-by-side")
    for mosaic in (False, True):
        for place in tiles(one, mosaic=mosaic):
            middle = (place.x + place.width // 2, place.y + place.height // 2)
            found = locate(*middle, (520, 360), one, options=options, mosaic=mosaic)
            assert found == pytest.approx((REGION.x + 140, REGION.y + 140), abs=2)
    assert locate(260, 5, (520, 360), one, options=options) is None


def test_options_refuse_what_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"turbo, viridis.*not rainbow"):
        OverlayOptions(colormap="rainbow")
    with pytest.raises(ValueError, match=r"0 to 1, not 1\.5"):
        OverlayOptions(opacity=1.5)
    with pytest.raises(ValueError, match="side-by-side"):
        OverlayOptions(layout="stereo")  # type: ignore[arg-type]


def test_many_threads_may_draw_at_once() -> None:
    frames = [gray(level=40 * n) for n in range(6)]
    cases = [explanation(labels=(f"mug {n}", "日本", "é" * n + "x")) for n in range(6)]
    hud = Hud(fps=23.4, model="resnet18")
    alone = [draw(f, e, hud=hud) for f, e in zip(frames, cases, strict=True)]
    text_strip.cache_clear()
    with ThreadPoolExecutor(6) as pool:
        for _ in range(10):
            together = pool.map(lambda f, e: draw(f, e, hud=hud), frames, cases)
            for one, other in zip(alone, together, strict=True):
                np.testing.assert_array_equal(one, other)


def test_drawing_changing_numbers_for_ever_takes_no_more_memory() -> None:
    process = pytest.importorskip("psutil").Process()
    frame = gray(640, 480)
    one = explanation()
    sizes = []
    for number in range(1200):
        hud = Hud(fps=number / 7, latency_ms=number * 1.3, dropped=number, notes=(f"n {number}",))
        draw(frame, one, hud=hud)
        if number in (400, 1199):
            sizes.append(process.memory_info().rss)
    assert sizes[1] - sizes[0] < 8e6


@pytest.mark.parametrize("size", [(640, 480), (480, 360), (500, 375)])
def test_the_legend_of_a_mosaic_lies_beside_the_maps(size: tuple[int, int]) -> None:
    region = Region(0, 0, 100, 100)
    frame = gray(*size)
    one = explanation(np.ones((3, 7, 7)), region=region)
    with_legend, without = (
        draw_mosaic(frame, one, options=OverlayOptions(show_legend=shown), hud=None)
        for shown in (True, False)
    )
    changed = (with_legend != without).any(axis=2)
    assert changed.any()
    for place in tiles(one, *size, mosaic=True):
        assert not inside(changed, place).any()


def test_while_the_help_is_read_nothing_looks_out_from_under_it() -> None:
    keys = (HelpGroup("Keys", tuple((key, "what it does") for key in "abcdefgh")),)
    for one in (explanation(), explanation(top=0.1), explanation(np.zeros((1, 7, 7)))):
        helped = [
            draw(gray(), one, options=OverlayOptions(show_labels=shown, show_legend=shown),
                 hud=Hud(fps=rate, model=name, help=keys))
            for shown, rate, name in ((True, 24.0, "resnet18"), (False, None, ""))
        ]  # fmt: skip
        np.testing.assert_array_equal(helped[0], helped[1])
    told = draw(gray(), explanation(), hud=Hud(help=keys, recording_seconds=3.0))
    assert np.any(told != helped[0]), "but a recording is still seen to run"


def test_a_long_message_leaves_the_other_half_of_the_image_alone() -> None:
    note = "recorded live-gradcam-20261125-131707.mp4 (59 frames, 2.0 s)"
    options = dataclasses.replace(BARE, show_hud=True)
    frame = gray(1280, 720)
    plain = draw(frame, explanation(), options=options)
    changed = (draw(frame, explanation(), options=options, hud=Hud(notes=(note,))) != plain).any(2)
    rows, columns = np.nonzero(changed)
    assert columns.min() > 0.43 * 1280
    assert rows.min() > 0.8 * 720


def test_what_lasts_stands_where_the_rates_do_in_the_colour_of_marks() -> None:
    options = dataclasses.replace(BARE, show_hud=True)
    image = draw(gray(), explanation(), options=options, hud=Hud(status=("frozen",))).astype(int)
    rows, columns = np.nonzero(np.abs(image - ACCENT).max(axis=2) < 12)
    assert rows.size
    assert rows.max() < 60
    assert columns.min() > 400


@pytest.mark.parametrize(
    ("shares", "output"),
    [((0.01, 0.95, 0.02), OutputKind()), ((0.55, 0.45), OutputKind("binary", threshold=0.3))],
)
def test_the_sentence_names_the_best_class_first_however_a_held_list_is_ordered(
    shares: tuple[float, ...], output: OutputKind
) -> None:
    held = dataclasses.replace(
        explanation(),
        predictions=tuple(
            Prediction(number, f"class {number}", share, share)
            for number, share in enumerate(shares)
        ),
        explained=(0,),
        output=output,
    )
    ranked = (held.predictions[1], held.predictions[0], *held.predictions[2:])
    options, hud = OverlayOptions(hud_layout="stage"), Hud(status=("held",))
    said, true = (
        draw(gray(), each, options=options, hud=hud)
        for each in (held, dataclasses.replace(held, predictions=ranked))
    )
    np.testing.assert_array_equal(said, true)
    steady = Hud(status=("frozen",))
    assert np.any(
        draw(gray(), held, options=options, hud=steady)
        != draw(gray(), dataclasses.replace(held, predictions=ranked), options=options, hud=steady)
    ), "a steady order is told as it is"


def test_an_outline_follows_the_edge_of_its_area_in_few_strokes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = 0
    draw_lines = cv2.polylines

    def count(image: Image, lines: list[NDArray[np.int32]], *rest: Any) -> Any:
        nonlocal points
        points += sum(map(len, lines))
        return draw_lines(image, lines, *rest)

    monkeypatch.setattr(cv2, "polylines", count)
    rows, columns = np.mgrid[:24, :24] - 11.5
    marked = MarkedArea(np.hypot(rows, columns) < 8)
    frame = gray(720, 720)
    outline_area(frame, Region(0, 0, 720, 720), marked)
    y, x = np.nonzero((frame == 255).all(axis=2))
    distances = np.hypot(y - 359.5, x - 359.5) / 30
    assert len(y) > 1000
    assert 7 < distances.min() < distances.max() < 9, "within a cell of it"
    assert points < 500
