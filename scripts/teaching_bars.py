"""Measure what teaching has to reach, on real pictures and films and on generated scenes.

    python scripts/teaching_bars.py             # all of it, some minutes on two cores
    python scripts/teaching_bars.py --only real

Real ones and their weights stand beside the checkout, in ``../shared``. The exit code is 1 if a bar
is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import live_gradcam as lg
from live_gradcam.faithfulness.measures import points_at
from live_gradcam.native import cv2
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.teaching import Burst, learn
from live_gradcam.teaching.examples import make_burst
from live_gradcam.teaching.folders import ClassFolder, collect
from live_gradcam.values import Image
from live_gradcam.wording import percent
from tests.teaching.sessions import show, wall

_SHARED = Path(__file__).resolve().parents[2] / "shared"
_TAUGHT, _FRAMES, _BURSTS, _FRESH = 6, 10, 2, 10
_LEAST = 0.95
_VIEWS, _VIEW_BURSTS = 5, 4
_SIDE = 224


def _held_out(name: str, examples: lg.Examples) -> bool:
    learned = learn(examples).learned
    assert learned.accuracy is not None, "every class has several bursts"
    print(
        f"{name}: right about {percent(learned.accuracy, digits=1)} of {learned.held_out} held out"
    )
    return learned.accuracy >= _LEAST


def films(extractor: lg.FeatureExtractor) -> bool:
    """Each film a class, cut into bursts that are half a second apart."""
    files = sorted((_SHARED / "media" / "video").glob("*.mp4"))
    examples = collect([ClassFolder(each.stem, (each,)) for each in files], extractor)
    return _held_out(f"{len(files)} films as classes", examples)


def _views(image: Image, seed: int) -> list[Image]:
    """Views of a photograph: parts, turned a little, in another light."""
    rng = np.random.default_rng(seed)
    height, width = image.shape[:2]
    light, found = rng.uniform(0.7, 1.3), []
    for _ in range(_VIEWS):
        side = min(height, width) * rng.uniform(0.6, 1.0)
        middle = (
            width / 2 + rng.uniform(-0.5, 0.5) * (width - side),
            height / 2 + rng.uniform(-0.5, 0.5) * (height - side),
        )
        turn = cv2.getRotationMatrix2D(middle, rng.uniform(-15, 15), _SIDE / side)
        turn[:, 2] += (_SIDE / 2 - middle[0], _SIDE / 2 - middle[1])
        view = cv2.warpAffine(image, turn, (_SIDE, _SIDE), borderMode=cv2.BORDER_REFLECT)
        found.append((view * light).clip(0, 255).astype(np.uint8))
    return found


def photographs(extractor: lg.FeatureExtractor) -> bool:
    """Each photograph a class, of bursts of views of it, each burst in another light."""
    examples = lg.Examples()
    files = sorted((_SHARED / "media" / "images").glob("*.jpg"))
    for number, path in enumerate(files):
        image = lg.read_image(path)
        for burst in range(_VIEW_BURSTS):
            views = _views(image, 100 * number + burst)
            features = np.stack([each.pooled for each in extractor.extract(views)])
            examples = examples.with_burst(Burst(path.stem, features))
    return _held_out(f"{len(files)} photographs as classes, in augmented views", examples)


def _fresh(labels: list[str]) -> Iterator[lg.Scene]:
    """Scenes of one object, as many of each class."""
    left = dict.fromkeys(labels, _FRESH)
    seed = 50_000
    while any(left.values()):
        scene = lg.render_scene(seed, objects=1)
        seed += 1
        label = scene.objects[0].label if scene.objects else ""
        if left.get(label, 0):
            left[label] -= 1
            yield scene


def scenes() -> bool:
    """Six classes by 20 frames of two bursts each, on the bundled trunk; fresh scenes."""
    shapes = list(SCENE_CLASSES[:: len(SCENE_CLASSES) // _TAUGHT][:_TAUGHT])
    classifier = lg.load_classifier("scenes")
    examples = lg.Examples()
    with lg.FeatureExtractor(classifier) as extractor:
        for label in shapes:
            index = SCENE_CLASSES.index(label)
            for burst in range(_BURSTS):
                seed = 10 * index + burst
                frames = extractor.extract(show(index, wall(seed), seed, _FRAMES).frames)
                examples = examples.with_burst(make_burst(f"my {label}", frames, extractor))
        lesson = learn(examples)
        explainer = lg.TaughtExplainer(extractor, lesson.put_on(classifier))
        right, hits, count = 0, 0, 0
        for scene in _fresh(shapes):
            own = scene.objects[0]
            found = explainer.explain(scene.image, classes=[f"my {own.label}"])
            right += found.predictions[0].label == f"my {own.label}"
            hits += _points_at(found, own.mask)
            count += 1
    print(
        f"{_TAUGHT} generated classes, {_BURSTS * _FRAMES} frames each: right about "
        f"{percent(right / count, digits=1)} of {count} fresh scenes, pointing game "
        f"{percent(hits / count, digits=1)}"
    )
    return min(right, hits) / count >= _LEAST


def _points_at(explanation: lg.Explanation, mask: np.ndarray) -> bool:
    """Return whether the pointing game is won by the first map."""
    region = explanation.region
    down, across = region.y + region.height, region.x + region.width
    return points_at(explanation.evidence[0], mask[region.y : down, region.x : across])


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("real", "generated"))
    only = parser.parse_args().only
    reached = []
    if only != "generated":
        weights = _SHARED / "weights" / "squeezenet1_1-imagenet.pth"
        network = lg.load_classifier("squeezenet1_1", weights=weights)
        with lg.FeatureExtractor(network) as extractor:
            reached += [films(extractor), photographs(extractor)]
    if only != "real":
        reached.append(scenes())
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
