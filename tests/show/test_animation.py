"""GIF, WebP and APNG: every frame for its own time, in its own colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from live_gradcam.native import cv2
from live_gradcam.show.animation import AnimationSink
from live_gradcam.values import Explanation, Frame, SourceInfo

SECONDS = [0.0, 0.1, 0.25, 0.5, 1.0]


def written(
    path: Path, seconds: list[float], explained: Explanation, *, fps: float | None = 10.0
) -> tuple[AnimationSink, list[np.ndarray]]:
    """An animation of frames that differ everywhere."""
    images = []
    with AnimationSink(path, SourceInfo("x", "video", False, 64, 48, fps=fps)) as sink:
        for number, when in enumerate(seconds):
            ramp = np.linspace(0, 255, 64).astype(np.uint8)
            image = np.empty((48, 64, 3), np.uint8)
            image[..., 0], image[..., 1], image[..., 2] = ramp, 40 * number % 256, 255 - ramp
            images.append(image)
            sink.write(Frame(image, number, when), image, explained)
    return sink, images


def read_back(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """What Pillow sees: BGR images, and milliseconds."""
    images, times = [], []
    with PIL.Image.open(path) as file:
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            file.load()
            times.append(float(file.info["duration"]))
            images.append(np.asarray(file.convert("RGB"))[..., ::-1])
        assert file.info["loop"] == 0, "it is played for ever"
    return images, times


@pytest.mark.parametrize(("suffix", "tolerance"), [(".gif", 8.0), (".webp", 8.0), (".apng", 0.0)])
def test_frames_come_back_in_their_colours_each_for_its_time(
    tmp_path: Path, explained: Explanation, suffix: str, tolerance: float
) -> None:
    path = tmp_path / f"out{suffix}"
    sink, images = written(path, SECONDS, explained)
    found, times = read_back(path)
    assert times == [100, 150, 250, 500, 500], "the last one lasts as long as the one before"
    assert len(found) == len(images)
    for image, back in zip(images, found, strict=True):
        assert np.abs(image.astype(int) - back).mean() <= tolerance
    assert sink.notes == ()
    assert sink.description == f"{path} (5 frames)"


def test_a_gif_leaves_out_what_browsers_would_slow_down_and_says_so(
    tmp_path: Path, explained: Explanation
) -> None:
    sink, _ = written(tmp_path / "out.gif", [n / 100 for n in range(11)], explained, fps=100.0)
    _, times = read_back(tmp_path / "out.gif")
    assert times == [20] * 6
    assert sink.notes == ("out.gif: 5 frames left out: it can show 50 a second",)


@pytest.mark.parametrize("suffix", [".gif", ".apng"])
def test_opencv_reads_it(tmp_path: Path, explained: Explanation, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    written(path, SECONDS, explained)
    image = cv2.imread(str(path))
    assert image is not None
    assert image.shape == (48, 64, 3)


def test_an_image_of_another_size_is_fitted_and_said(
    tmp_path: Path, explained: Explanation
) -> None:
    path = tmp_path / "out.gif"
    with AnimationSink(path, SourceInfo("x", "pictures", False, 64, 48)) as sink:
        for number, size in enumerate([(48, 64), (96, 48)]):
            image = np.full((*size, 3), 200, np.uint8)
            sink.write(Frame(image, number, float(number)), image, explained)
    assert sink.notes == ("out.gif: pictures of another size are fitted into 64x48",)
    assert read_back(path)[1] == [1000, 1000]
