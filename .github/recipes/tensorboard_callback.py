"""Maps in TensorBoard while a network learns: does it begin to look at the right thing?

python tensorboard_callback.py runs/
tensorboard --logdir runs/
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import live_gradcam as lg


class MapLogger:
    """Call it after each epoch, from any training loop.

    Args:
        writer: TensorBoard's.
        images: A few pictures to watch, as `lg.Explainer.explain` takes them.
        targets: The true class of each.
        preprocessing: What the network is trained with.
    """

    def __init__(
        self,
        writer: SummaryWriter,
        images: Sequence[NDArray[np.uint8]],
        targets: Sequence[int],
        preprocessing: lg.Preprocessing,
    ) -> None:
        self.writer = writer
        self.images = images
        self.targets = targets
        self.preprocessing = preprocessing

    def __call__(self, network: nn.Module, epoch: int) -> None:
        """Log the map of each picture's true class, and how much of it is for that class."""
        # A copy in evaluation mode is explained; the network that learns is not touched.
        classifier = lg.Classifier.from_module(network, preprocessing=self.preprocessing)
        with lg.Explainer(classifier, compile="off", view="stretch") as explainer:
            for place, (image, target) in enumerate(zip(self.images, self.targets, strict=True)):
                explanation = explainer.explain(image, classes=target)
                rgb = cv2.cvtColor(explanation.overlay(), cv2.COLOR_BGR2RGB)
                self.writer.add_image(f"evidence/{place}", rgb, epoch, dataformats="HWC")
                logits = {each.class_index: each.logit for each in explanation.predictions}
                self.writer.add_scalar(f"logit/{place}", logits[target], epoch)


def main(folder: Path, epochs: int = 3) -> None:
    """Learn to tell bright left halves from bright right halves, and watch where it looks."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=4, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(256, 2),
    )
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 80, (64, 64, 64, 3), np.uint8)
    targets = np.arange(64) % 2
    for image, side in zip(pixels, targets, strict=True):
        image[:, side * 32 : side * 32 + 32] += 150
    preprocessing = lg.Preprocessing(resize_size=64, crop_size=64, mean=(0.5,) * 3, std=(0.5,) * 3)
    rgb = torch.from_numpy(pixels[..., ::-1].copy())  # pictures are BGR, the network learns RGB
    batch = (rgb.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    with SummaryWriter(str(folder)) as writer:
        log = MapLogger(writer, list(pixels[:2]), [0, 1], preprocessing)
        for epoch in range(epochs):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(batch), torch.from_numpy(targets))
            loss.backward()
            optimizer.step()
            log(network, epoch)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
