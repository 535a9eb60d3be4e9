"""Make the README's picture of a cheat that is caught: ``python scripts/teaching_picture.py``.

Three objects are filmed, each before a wall of its own. The picture shows what `live-gradcam teach`
finds out about that by itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image as PilImages

import live_gradcam as lg
from live_gradcam.native import cv2
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.teaching import learn
from live_gradcam.teaching.covers import ClassPicture, Shown, picture_of
from live_gradcam.teaching.folders import collect, find_files
from live_gradcam.values import Image
from live_gradcam.wording import percent
from tests.teaching.sessions import show, wall

PICTURE = Path(__file__).resolve().parents[1] / ".github" / "teach.jpg"
_SHARED = Path(__file__).resolve().parents[2] / "shared"
_CLASSES = {"star": 3, "heart": 2, "fish": 1}  # and the wall of each
_FRAMES, _BURSTS = 20, 2
_SIDE, _GAP, _TEXT = 300, 12, 30
_INK, _SAID, _GROUND = (60, 45, 40), (20, 60, 170), (255, 255, 255)


def films(folder: Path) -> None:
    """Write films of each object before its wall."""
    for label, behind in _CLASSES.items():
        shape = SCENE_CLASSES.index(label)
        (folder / label).mkdir()
        for burst in range(_BURSTS):
            path = folder / label / f"{burst}.avi"
            codec = cv2.VideoWriter.fourcc(*"MJPG")
            writer = cv2.VideoWriter(str(path), codec, 8, (224, 224))
            for image in show(shape, wall(behind), 10 * behind + burst, _FRAMES).frames:
                writer.write(image)
            writer.release()


def caught(folder: Path) -> tuple[ClassPicture, str]:
    """Teach these films; return a picture of the first class that is told by its background."""
    weights = _SHARED / "weights" / "squeezenet1_1-imagenet.pth"
    network = lg.load_classifier("squeezenet1_1", weights=weights)
    classes = find_files(folder, print)
    with lg.FeatureExtractor(network) as extractor:
        lesson = learn(collect(classes, extractor))
        taught = lesson.put_on(network)
        told = next(each.label for each in lesson.learned.classes if each.by_background)
        own = next(each for each in classes if each.label == told)
        picture = picture_of(own, taught, extractor)
    assert picture is not None, "it was taught from films that can be read"
    sentence = next(
        each for each in lesson.learned.sentences if each.startswith(f"it knows {told}")
    )
    return picture, sentence


def _panel(shown: Shown, label: str, title: str) -> Image:
    image = cv2.resize(shown.image, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    strip: Image = np.full((_TEXT, _SIDE, 3), _GROUND, np.uint8)
    text = f"{title}: {label} {percent(shown.share)}"
    cv2.putText(strip, text, (0, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)
    return np.vstack((image, strip))


def compose(picture: ClassPicture, sentence: str) -> Image:
    """Return the picture: as it was taught, with the object covered, and the sentence."""
    assert picture.covered is not None, "the object moves"
    panels = [
        _panel(picture.whole, picture.label, "as it was taught"),
        _panel(picture.covered, picture.label, "object covered"),
    ]
    gap = np.full((_SIDE + _TEXT, _GAP, 3), _GROUND, np.uint8)
    pair = np.hstack((panels[0], gap, panels[1]))
    strip = np.full((_TEXT, pair.shape[1], 3), _GROUND, np.uint8)
    return np.vstack((pair, strip[: _TEXT // 3], _written(sentence, pair.shape[1])))


def _written(sentence: str, width: int) -> Image:
    """Write a sentence in as many lines as it takes."""
    lines, line = [], ""
    for word in sentence.split():
        wider = f"{line} {word}".strip()
        size, _ = cv2.getTextSize(wider, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 1)
        if size[0] > width:
            lines.append(line)
            wider = word
        line = wider
    lines.append(line)
    strip: Image = np.full((24 * len(lines), width, 3), _GROUND, np.uint8)
    for number, each in enumerate(lines):
        place = (0, 24 * number + 17)
        cv2.putText(
            strip, each, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (20, 60, 170), 1, cv2.LINE_AA
        )
    return strip


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=PICTURE)
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        films(Path(folder))
        picture, sentence = caught(Path(folder))
    image = np.pad(
        compose(picture, sentence), ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255
    )
    colours = PilImages.fromarray(image[..., ::-1].copy())
    colours.save(output, quality=88, subsampling=0, optimize=True)
    print(f"{output}: {sentence}")


if __name__ == "__main__":
    main()
