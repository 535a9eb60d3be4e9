"""Cases of the offline pipeline at 1280x720: its stages alone, all of it, and the usual loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from live_gradcam.bench.measure import Case
from live_gradcam.bench.network import SIZE
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.video import VideoSource
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.native import cv2
from live_gradcam.painter import Painter
from live_gradcam.pipeline import RunOptions, run_offline
from live_gradcam.protocol import LiveExplainer
from live_gradcam.show.open import open_sink
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.values import Explanation, Frame, Image, Region

WIDTH, HEIGHT = 1280, 720


def make_clip(folder: Path, frames: int) -> Path:
    """Write a generated clip with a number of frames at 1280x720 as H.264."""
    path = folder / "clip.mp4"
    blank: Explanation | None = None
    with SceneSource(seed=3, width=WIDTH, height=HEIGHT, max_frames=frames) as source:
        sink = open_sink(str(path), source.info)
        for frame in source:
            if blank is None:
                blank = _nothing(frame)
            sink.write(frame, frame.image, blank)
        sink.close()
    return path


def offline_cases(clip: Path, explainer: LiveExplainer, folder: Path) -> list[Case]:
    """Make cases that decode, explain, draw and encode alone, and one that does all of it."""
    with VideoSource(clip) as source:
        frames = list(source)
        info = source.info
    batch = explainer.preferred_batch_size
    images = [frame.image for frame in frames]
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    explanations = [each for part in batches for each in explainer.explain_batch(part)]
    names = (folder / f"out{number}.mp4" for number in itertools.count())

    def decode() -> None:
        with VideoSource(clip) as opened:
            for _ in opened:
                pass

    def explain() -> None:
        for part in batches:
            explainer.explain_batch(part)

    def draw() -> list[Image]:
        painter = Painter(OverlayOptions(), moving=True)
        return [painter.paint(*pair) for pair in zip(images, explanations, strict=True)]

    rendered_frames = draw()

    def encode() -> None:
        path = next(names)
        with open_sink(str(path), info) as sink:
            for written in zip(frames, rendered_frames, explanations, strict=True):
                sink.write(*written)
        path.unlink()

    def offline() -> None:
        path = next(names)
        with VideoSource(clip) as opened:
            run_offline(
                opened,
                explainer,
                [open_sink(str(path), info)],
                painter=Painter(OverlayOptions(), moving=True),
                options=RunOptions(batch_size=batch),
            )
        path.unlink()

    stages: tuple[tuple[str, str, Callable[[], object]], ...] = (
        ("decode", "decode alone", decode),
        ("explain", "explain alone", lambda: in_short_lived_thread(explain)),
        ("draw", "draw alone", draw),
        ("encode", "encode alone", encode),
        ("offline", "the whole offline pipeline", offline),
    )
    return [Case(*stage, per=len(frames), once=True) for stage in stages]


def naive_case(clip: Path, network: nn.Module, folder: Path, frames: int) -> Case:
    """Make the loop that people write today: OpenCV in and out, pytorch-grad-cam in between.

    Args:
        clip: Has at least as many frames.
        network: Torchvision's.
        folder: For its output.
        frames: Number of frames that it explains.

    Raises:
        ImportError: pytorch-grad-cam is not installed.
    """
    run = partial(in_short_lived_thread, _naive(clip, network, folder, frames))
    return Case("naive_loop", "the usual loop", run, per=frames, once=True)


def _naive(clip: Path, network: nn.Module, folder: Path, frames: int) -> Callable[[], None]:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.image import preprocess_image, show_cam_on_image

    cam = GradCAM(model=network, target_layers=[network.layer4[-1]])  # type: ignore[index]
    device = next(network.parameters()).device

    def run() -> None:
        capture = cv2.VideoCapture(str(clip))
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(folder / "naive.mp4"), fourcc, 30.0, (WIDTH, HEIGHT))
        for _ in range(frames):
            _, image = capture.read()
            rgb = cv2.resize(image, (SIZE, SIZE))[:, :, ::-1].astype("float32") / 255.0
            x = preprocess_image(rgb, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
            x = x.to(device)
            heat = cv2.resize(cam(input_tensor=x, targets=None)[0], (WIDTH, HEIGHT))
            whole = image[:, :, ::-1].astype("float32") / 255.0
            rendered = show_cam_on_image(whole, heat, use_rgb=True)
            with torch.no_grad():
                label = int(network(x).argmax())
            rendered = cv2.cvtColor(rendered, cv2.COLOR_RGB2BGR)
            cv2.putText(rendered, str(label), (20, 60), 0, 1.5, (255, 255, 255), 2)
            writer.write(rendered)
        writer.release()
        capture.release()

    return run


def _nothing(frame: Frame) -> Explanation:
    """An explanation for a sink that only takes the image."""
    height, width = frame.image.shape[:2]
    evidence = np.zeros((0, 1, 1), np.float32)
    return Explanation((), (), evidence, Region(0, 0, width, height))
