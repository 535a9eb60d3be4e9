"""Generated scenes: one seed, one scene; true about themselves; learnt by the network."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import live_gradcam
from live_gradcam.capture.scene import (
    MIN_VISIBLE,
    SCENE_CLASSES,
    Scene,
    SceneSource,
    render_scene,
)
from live_gradcam.capture.source import Source
from live_gradcam.errors import UsageError
from live_gradcam.native import cv2
from live_gradcam.scenes.shapes import build_glyph

MODEL = Path(live_gradcam.__file__).parent / "models" / "scenes"
SEEDS = range(5000, 5040)


def same(first: Scene, second: Scene) -> bool:
    return bool(np.array_equal(first.image, second.image)) and all(
        a.label == b.label and np.array_equal(a.mask, b.mask)
        for a, b in zip(first.objects, second.objects, strict=True)
    )


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


# --- stills ---------------------------------------------------------------------------------------


def test_there_are_enough_classes_and_each_has_one_name() -> None:
    assert len(SCENE_CLASSES) >= 12
    assert len(set(SCENE_CLASSES)) == len(SCENE_CLASSES)


def test_a_seed_gives_the_same_scene_again_in_any_order_and_thread() -> None:
    first = {seed: render_scene(seed, width=160, height=120) for seed in SEEDS}
    with ThreadPoolExecutor(4) as pool:
        second = list(pool.map(lambda s: render_scene(s, width=160, height=120), reversed(SEEDS)))
    assert all(
        same(first[seed], scene) for seed, scene in zip(reversed(SEEDS), second, strict=True)
    )


def test_global_randomness_is_neither_used_nor_touched() -> None:
    np.random.seed(1)
    before = render_scene(1)
    state = np.random.get_state()[1].copy()  # type: ignore[index]
    np.random.seed(2)
    assert same(before, render_scene(1))
    np.random.seed(1)
    assert np.array_equal(state, np.random.get_state()[1])  # type: ignore[index]


def test_seeds_give_different_scenes() -> None:
    prints = {render_scene(seed, width=96, height=96).image.tobytes() for seed in range(50)}
    assert len(prints) == 50


@pytest.mark.parametrize(("width", "height"), [(96, 96), (320, 180), (90, 160), (641, 479)])
def test_image_mask_and_box_have_the_frame_s_size(width: int, height: int) -> None:
    scene = render_scene(3, width=width, height=height)
    assert scene.image.shape == (height, width, 3)
    assert scene.image.dtype == np.uint8
    for item in scene.objects:
        assert item.mask.shape == (height, width)
        assert item.mask.dtype == np.bool_
        rows, columns = np.nonzero(item.mask)
        assert (item.box.x, item.box.y) == (columns.min(), rows.min())
        assert item.box.x + item.box.width == columns.max() + 1
        assert item.box.y + item.box.height == rows.max() + 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_number_of_objects_is_as_asked_and_their_classes_differ(count: int) -> None:
    for seed in SEEDS:
        scene = render_scene(seed, width=96, height=96, objects=count)
        assert len({item.class_index for item in scene.objects}) == count
        assert all(SCENE_CLASSES[item.class_index] == item.label for item in scene.objects)


def test_every_class_and_every_number_of_objects_comes_up() -> None:
    scenes = [render_scene(seed, width=96, height=96) for seed in range(300)]
    classes = np.bincount([item.class_index for scene in scenes for item in scene.objects])
    assert len(classes) == len(SCENE_CLASSES)
    # About 37 expected of each: 300 scenes, 2 objects on average, 16 classes.
    assert classes.min() >= 15
    counts = np.bincount([len(scene.objects) for scene in scenes], minlength=4)
    assert counts[1:4].min() >= 70


@pytest.mark.parametrize("seed", range(6000, 6020))
def test_an_object_changes_its_mask_s_pixels_and_no_others(seed: int) -> None:
    count = 1 + seed % 3
    whole = render_scene(seed, width=224, height=224, objects=count)
    for position, item in enumerate(whole.objects):
        without = render_scene(seed, width=224, height=224, objects=count, hide=[position])
        assert [o.label for o in without.objects] == [
            o.label for i, o in enumerate(whole.objects) if i != position
        ]
        change = np.abs(whole.image.astype(int) - without.image.astype(int)).max(axis=2)
        # Blur, compression and smooth edges reach a few pixels beyond.
        assert change[~grown(item.mask, 10)].max(initial=0) <= 40
        # Outlines leave the background visible, so the mean over the whole mask is no measure.
        assert np.percentile(change[item.mask], 95) >= 25


def test_no_object_is_hidden_more_than_the_limit() -> None:
    shares = []
    for seed in range(7000, 7060):
        whole = render_scene(seed, width=128, height=128, objects=3)
        for position, item in enumerate(whole.objects):
            others = [i for i in range(3) if i != position]
            (alone,) = render_scene(seed, width=128, height=128, objects=3, hide=others).objects
            shares.append(item.mask.sum() / alone.mask.sum())
            assert not (item.mask & ~alone.mask).any()
    # The limit is on the area; counting pixels rounds at the edges.
    assert min(shares) >= MIN_VISIBLE - 0.05
    assert min(shares) < 0.99  # but objects do overlap


def test_objects_lie_in_the_central_square_of_a_wide_frame() -> None:
    for seed in SEEDS:
        for item in render_scene(seed, width=240, height=120).objects:
            centre = item.box.x + item.box.width / 2
            assert 60 <= centre <= 180


def test_zoom_makes_objects_larger() -> None:
    plain = [render_scene(s, objects=1).objects[0].mask.mean() for s in SEEDS]
    large = [render_scene(s, objects=1, zoom=1.5).objects[0].mask.mean() for s in SEEDS]
    assert np.mean(large) > 1.2 * np.mean(plain)


@pytest.mark.parametrize(
    "options", [{"width": 8}, {"height": 10_000}, {"objects": 0}, {"objects": 4}, {"zoom": 0.0}]
)
def test_what_cannot_be_made_is_refused_with_the_value_and_the_range(
    options: dict[str, float],
) -> None:
    with pytest.raises(UsageError) as caught:
        render_scene(0, **options)  # type: ignore[arg-type]
    assert str(next(iter(options.values()))) in str(caught.value)
    assert " to " in str(caught.value)


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("class_index", range(len(SCENE_CLASSES)), ids=SCENE_CLASSES)
def test_shapes_fill_their_radius_and_stay_inside(class_index: int, drawn: bool) -> None:
    for seed in range(12):
        rng = np.random.Generator(np.random.PCG64(seed))
        glyph = build_glyph(rng, class_index, drawn=drawn, turn=0.5 * seed)
        reach = max(np.hypot(*p.points.T).max() + 0.5 * p.width for p in glyph.primitives)
        assert 0.7 <= reach <= 1.4
        assert all(np.isfinite(p.points).all() for p in glyph.primitives)


# --- the moving scene -----------------------------------------------------------------------------


def test_the_source_keeps_the_contract() -> None:
    with SceneSource(seed=4, width=160, height=120, fps=25.0, max_frames=7) as source:
        assert isinstance(source, Source)
        info = source.info
        assert (info.kind, info.live, info.width, info.height) == ("scene", False, 160, 120)
        assert (info.fps, info.frame_count, info.duration_seconds) == (25.0, 7, 7 / 25)
        iterator = iter(source)
        frames = [next(iterator) for _ in range(3)]
        frames += list(source)  # iterating again continues
    assert [frame.index for frame in frames] == list(range(7))
    assert [frame.pts_seconds for frame in frames] == pytest.approx([i / 25 for i in range(7)])
    assert all(frame.image.shape == (120, 160, 3) for frame in frames)
    assert all(frame.captured_seconds is None for frame in frames)


def test_an_endless_source_ends_when_it_is_closed_and_closes_twice() -> None:
    source = SceneSource(width=96, height=96)
    assert source.info.frame_count is None
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 4:
            source.close()
    source.close()
    assert len(frames) == 4
    assert list(source) == []


def test_a_moving_scene_depends_on_its_seed_alone() -> None:
    def pictures(seed: int) -> list[np.ndarray]:
        source = SceneSource(seed=seed, width=160, height=120, fps=2.0, max_frames=25)
        return [frame.image for frame in source]

    first, again, other = pictures(1), pictures(1), pictures(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_truth_follows_the_moving_objects_through_the_acts() -> None:
    source = SceneSource(seed=3, width=320, height=240, fps=4.0, max_frames=160)
    acts: list[tuple[str, ...]] = []
    for frame in source:
        objects = source.truth(frame.index)
        labels = tuple(item.label for item in objects)
        assert 1 <= len(set(labels)) == len(labels) <= 3
        for item in objects:
            assert item.mask.mean() > 0.01
            # A centre crop and a squeezed frame both see it.
            columns = np.nonzero(item.mask)[1]
            assert 40 <= columns.mean() <= 280
        if not acts or acts[-1] != labels:
            acts.append(labels)
    assert len(acts) == 8  # 40 s of 5 s each
    assert {len(labels) for labels in acts} == {1, 2, 3}


def test_objects_move_and_asking_for_the_truth_changes_no_frame() -> None:
    asked = SceneSource(seed=5, width=160, height=120, max_frames=40)
    plain = SceneSource(seed=5, width=160, height=120, max_frames=40)
    for one, other in zip(asked, plain, strict=True):
        asked.truth(200)
        assert np.array_equal(one.image, other.image)
    (start,), (later,) = asked.truth(0), asked.truth(39)
    assert start.label == later.label
    assert (start.mask & later.mask).sum() < 0.97 * start.mask.sum()


@pytest.mark.parametrize("options", [{"width": 0}, {"fps": 0.0}, {"max_frames": -1}])
def test_a_source_that_cannot_be_made_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="cannot make a scene"):
        SceneSource(**options)  # type: ignore[arg-type]


# --- the bundled network --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def card() -> dict:
    return json.loads((MODEL / "card.json").read_text(encoding="utf-8"))


def test_the_bundled_files_are_what_the_card_says(card: dict) -> None:
    data = (MODEL / card["weights"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == card["sha256"]
    assert len(data) <= 23_000_000
    assert card["arch"] == "resnet18"
    assert tuple(card["labels"]) == SCENE_CLASSES
    assert (MODEL / "labels.txt").read_text(encoding="utf-8").split() == list(SCENE_CLASSES)
    assert card["training"]["finished"]
    assert card["training"]["command"].startswith("python scripts/train_scenes.py")
    assert card["limits"]


def test_the_bundled_network_names_and_finds_objects_it_never_saw(card: dict) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file
    from torchvision.models import resnet18
    from torchvision.transforms import v2

    network = resnet18(num_classes=len(card["labels"]))
    state = load_file(MODEL / card["weights"])
    network.load_state_dict(
        {
            name: value.float() if value.is_floating_point() else value
            for name, value in state.items()
        }
    )
    network.eval()
    preprocessing = card["preprocessing"]
    transform = v2.Compose(
        [
            v2.Resize(preprocessing["resize_size"], antialias=preprocessing["antialias"]),
            v2.CenterCrop(preprocessing["crop_size"]),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocessing["mean"], preprocessing["std"]),
        ]
    )
    activations: list = []
    network.layer4.register_forward_hook(lambda _m, _i, output: activations.append(output))
    right = found = 0
    scenes = [render_scene(seed, objects=1) for seed in range(800_000_000, 800_000_100)]
    for start in range(0, len(scenes), 25):
        part = scenes[start : start + 25]
        rgb = [torch.from_numpy(s.image[..., ::-1].copy()).permute(2, 0, 1) for s in part]
        with torch.inference_mode():
            logits = network(torch.stack([transform(picture) for picture in rgb]))
            maps = torch.einsum("nk,bkhw->bnhw", network.fc.weight, activations.pop())
        for scene, row, evidence in zip(part, logits, maps, strict=True):
            (item,) = scene.objects
            right += int(row.argmax()) == item.class_index
            y, x = divmod(int(evidence[item.class_index].argmax()), evidence.shape[2])
            cells = cv2.resize(item.mask.astype(np.float32), (7, 7), interpolation=cv2.INTER_AREA)
            found += bool(cells[y, x] > 0.0)
    assert right >= 95
    assert found >= 95
