"""Train the bundled network on generated scenes, and on nothing else.

    python scripts/train_scenes.py --seed 7 --scale 0.65

is the command that made the bundled network. One command runs the whole schedule (`STAGES`, its
length times ``--scale``); that run took 81 minutes on a busy machine, and the card holds its
figures. ``Ctrl-C`` or a crash loses a few minutes at most;
``--resume`` goes on from the checkpoint and sees the very samples it would have seen. The result is
written to ``--output``: fp16 weights, labels and a card.

How it learns: the class scores see the picture's labels (soft over all objects present), and, since
the generator knows where everything is, every cell of the class maps at layer4 sees which objects
cover it. The head stays torchvision's own, so these maps *are* the Grad-CAM evidence; the network
is thus trained to put its evidence where the object is, which the card says.

The objects keep their size in pixels from stage to stage: small pictures show a large part of the
scene's objects and little around them, so that what is learned fast at 128 pixels holds at 224.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.models import resnet18

from live_gradcam.native import cv2
from live_gradcam.scenes import SCENE_CLASSES, render_scene
from scripts.evaluate_scenes import BARS, MODEL, class_maps, evaluate, load_network, table

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FINAL_SIZE = 224
BATCH = 64
PEAK_RATE = 1e-3
LAST_RATE = 1e-6
WARM_UP_STEPS = 300
WEIGHT_DECAY = 0.03
AVERAGE = 0.998  # of the exponential moving average that is shipped
CELLS_WEIGHT = 0.5
# Scenes of the evaluation have seeds below this; those of the training begin here.
FIRST_TRAINING_SEED = 1 << 40


@dataclass(frozen=True)
class Stage:
    """A part of the schedule.

    Attributes:
        size: Side of the images in pixels.
        steps: Number of batches.
        objects: Share of scenes with one, two and three objects.
        zoom: Factor on the objects' size relative to the image, for one, two, three objects.
    """

    size: int
    steps: int
    objects: tuple[float, float, float]
    zoom: tuple[float, float, float]


STAGES = (
    Stage(128, 2200, (0.7, 0.3, 0.0), (1.6, 1.25, 1.0)),
    Stage(160, 1300, (0.5, 0.3, 0.2), (1.35, 1.2, 1.15)),
    Stage(224, 1300, (0.4, 0.3, 0.3), (1.0, 1.0, 1.0)),
)


class Scenes(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batches by the number of the step, so that a resumed run sees what it would have seen."""

    def __init__(self, seed: int, stages: tuple[Stage, ...]) -> None:
        self._first = FIRST_TRAINING_SEED * (seed + 1)
        self._stages = stages

    def __len__(self) -> int:
        return sum(stage.steps for stage in self._stages)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        cv2.setNumThreads(1)
        stage = stage_of(self._stages, step)
        size, cells = stage.size, stage.size // 32
        images = np.empty((BATCH, size, size, 3), np.uint8)
        labels = np.zeros((BATCH, len(SCENE_CLASSES)), np.float32)
        covered = np.zeros((BATCH, len(SCENE_CLASSES), cells, cells), np.float32)
        for row in range(BATCH):
            seed = self._first + step * BATCH + row
            chance = random.Random(seed)
            (number,) = chance.choices((1, 2, 3), stage.objects)
            # Cameras deliver more pixels than the network takes: some scenes are scaled down.
            side = round(size * chance.choice((1.0, 1.0, 1.0, 1.15, 1.5)))
            scene = render_scene(
                seed, width=side, height=side, objects=number, zoom=stage.zoom[number - 1]
            )
            images[row] = cv2.resize(scene.image, (size, size), interpolation=cv2.INTER_AREA)
            for item in scene.objects:
                labels[row, item.class_index] = 1.0 / number
                covered[row, item.class_index] = cv2.resize(
                    item.mask.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA
                )
        rgb = torch.from_numpy(images).permute(0, 3, 1, 2).flip(1)
        return rgb, torch.from_numpy(labels), torch.from_numpy(covered)


def stage_of(stages: tuple[Stage, ...], step: int) -> Stage:
    """Return the stage that a step belongs to."""
    for stage in stages:
        if step < stage.steps:
            return stage
        step -= stage.steps
    raise IndexError(step)


def learning_rate(step: int, steps: int) -> float:
    """Return the rate of a step: linear warm-up, then a cosine down to almost nothing."""
    if step < WARM_UP_STEPS:
        return PEAK_RATE * (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)
    return LAST_RATE + 0.5 * (PEAK_RATE - LAST_RATE) * (1.0 + float(np.cos(np.pi * done)))


def loss_of(logits: Tensor, maps: Tensor, labels: Tensor, covered: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the loss of the labels, and that of the cells of the class maps.

    A cell's evidence is brought to the scale of a logit (times h * w) and, without the class's
    bias, asked whether the class's object covers a good part of the cell.
    """
    target = (2.0 * covered).clamp(max=1.0)
    cells = maps * (maps.shape[2] * maps.shape[3])
    each = functional.binary_cross_entropy_with_logits(cells, target, reduction="sum")
    return functional.cross_entropy(logits, labels), each / target.sum().clamp(min=1.0)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int) -> None:
    """Move the averaged network towards the current one."""
    keep = min(AVERAGE, (1.0 + step) / (10.0 + step))
    own = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(own[name], 1.0 - keep)
        else:
            value.copy_(own[name])


def export(network: nn.Module, folder: Path, training: dict[str, Any]) -> None:
    """Write weights, labels and card; the card's figures are filled in by `record`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    weights = folder / "weights.safetensors"
    save_file(state, weights)
    weights.chmod(0o644)  # it is written for its owner alone, but installed for everybody
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "labels.txt").write_text("\n".join(SCENE_CLASSES) + "\n", encoding="utf-8")
    card = {
        "arch": "resnet18",
        "labels": list(SCENE_CLASSES),
        "weights": "weights.safetensors",
        "sha256": digest,
        "preprocessing": {
            "resize_size": FINAL_SIZE,
            "crop_size": FINAL_SIZE,
            "mean": list(MEAN),
            "std": list(STD),
            "interpolation": "bilinear",
            "antialias": True,
        },
        "training": training,
        "evaluation": {},
        "limits": [
            "Trained on generated scenes alone: it knows simple drawn or printed shapes, and gives "
            "one of its classes to any other picture.",
            "Trained with the objects' masks: the loss on the cells of the class maps taught it to "
            "put its evidence on the objects, so its maps are tidier than those of a network that "
            "saw labels alone.",
            "Objects need a diameter of about a quarter to three quarters of the picture's shorter "
            "side, and enough contrast; at most three objects of different classes.",
            "Never saw a photograph: on a busy real background (measured once, objects pasted on "
            "40 photographs) top-1 falls to about 68 %, to about 80 % for drawings on a sheet of "
            "paper. Fine texture is often called checkerboard. Hold the sheet before a plain wall.",
            "An outlined circle is a ring; a circle is filled.",
            "Made for 224x224; labels get worse at other input sizes.",
        ],
    }
    _write_card(folder, card)


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def record(folder: Path, *, number: int, seed: int) -> dict[str, float]:
    """Measure the exported files themselves and write the figures into their card."""
    network, transform, _ = load_network(folder)
    figures = evaluate(network, transform, number=number, seed=seed).figures()
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["evaluation"] = {
        "command": f"python scripts/evaluate_scenes.py --scenes {number} --seed {seed}",
        "scenes": number,
        "seed": seed,
        **{key: round(figures[key], 4) for key in BARS},
    }
    _write_card(folder, card)
    return figures


class Run:
    """A training run: its state, which a checkpoint holds, and its steps."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.stages = tuple(
            Stage(s.size, max(1, round(s.steps * options.scale)), s.objects, s.zoom) for s in STAGES
        )
        self.steps = sum(stage.steps for stage in self.stages)
        self.device = torch.device(options.device)
        torch.manual_seed(options.seed)
        self.network = resnet18(num_classes=len(SCENE_CLASSES)).to(self.device)
        self.network = self.network.to(memory_format=torch.channels_last)
        self.average = resnet18(num_classes=len(SCENE_CLASSES)).to(self.device).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY
        )
        self.step = 0
        self.seconds = 0.0
        if options.resume:
            self._load()

    @property
    def checkpoint(self) -> Path:
        """Path of the file that holds the state of the run."""
        path: Path = self.options.checkpoint
        return path

    def save(self) -> None:
        """Write the checkpoint; an interruption while writing leaves the older one."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "key": self._key(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)

    def _key(self) -> str:
        return f"seed={self.options.seed} scale={self.options.scale}"

    def _load(self) -> None:
        if not self.checkpoint.exists():
            sys.exit(f"{self.checkpoint}: there is no checkpoint to resume from")
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["key"] != self._key():
            sys.exit(f"{self.checkpoint}: belongs to another run ({state['key']})")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield what is left of the schedule's batches."""
        loader = DataLoader(
            Scenes(self.options.seed, self.stages),
            batch_size=None,
            sampler=range(self.step, self.steps),
            num_workers=self.options.workers,
            prefetch_factor=4 if self.options.workers else None,
        )
        yield from loader

    def train_step(self, images: Tensor, labels: Tensor, covered: Tensor) -> tuple[float, float]:
        """Train with one batch; return both losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps)
        mean = torch.tensor(MEAN, device=self.device).view(3, 1, 1)
        std = torch.tensor(STD, device=self.device).view(3, 1, 1)
        x = (images.to(self.device).float() / 255.0 - mean) / std
        x = x.contiguous(memory_format=torch.channels_last)
        labels, covered = labels.to(self.device), covered.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.bf16):
            logits, maps = class_maps(self.network, x)
        by_label, by_cell = loss_of(logits.float(), maps.float(), labels, covered)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(by_label + CELLS_WEIGHT * by_cell)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        update_average(self.average, self.network, self.step)
        return float(by_label.detach()), float(by_cell.detach())

    def training_card(self) -> dict[str, Any]:
        """Return the card's entry about this run."""
        shown = ["python", "scripts/train_scenes.py", "--seed", str(self.options.seed)]
        if self.options.scale != 1.0:
            shown += ["--scale", str(self.options.scale)]
        return {
            "command": " ".join(shown),
            "seed": self.options.seed,
            "steps": self.step,
            "finished": self.step == self.steps,
            "scenes_seen": self.step * BATCH,
            "run_time_minutes": round(self.seconds / 60.0, 1),
            "device": f"{self.device.type}, {torch.get_num_threads()} threads, "
            f"{'bfloat16' if self.options.bf16 else 'float32'}, {platform.machine()}",
            "torch": torch.__version__,
            "data": "generated scenes only (live_gradcam.scenes)",
            "losses": "cross-entropy over the objects present; binary cross-entropy of every cell "
            "of the class maps at layer4 against the objects' masks",
            "optimiser": f"AdamW, {PEAK_RATE} with warm-up and cosine, weight decay "
            f"{WEIGHT_DECAY}, batch {BATCH}, exponential moving average {AVERAGE}",
            "stages": [asdict(stage) for stage in self.stages],
        }


def train(run: Run, console: Console) -> None:
    """Run what is left of the schedule, with a progress bar and a line now and then."""
    options = run.options
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    run.network.train()
    began, before = time.monotonic(), run.seconds
    saved = began
    label_loss = cell_loss = 0.0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=run.steps, completed=run.step)
        for images, labels, covered in run.batches():
            losses = run.train_step(images, labels, covered)
            label_loss += losses[0] / options.report_every
            cell_loss += losses[1] / options.report_every
            now = time.monotonic()
            run.seconds = before + now - began
            progress.update(task, completed=run.step, description=f"{images.shape[-1]} px")
            if run.step % options.report_every == 0:
                console.print(
                    f"step {run.step}/{run.steps}  {images.shape[-1]} px  labels "
                    f"{label_loss:.3f}  cells {cell_loss:.3f}  {run.seconds / 60:.1f} min"
                )
                label_loss = cell_loss = 0.0
            if now - saved > 60.0 * options.save_minutes:
                run.save()
                saved = now
            if run.step % options.check_every == 0:
                check(run, console)
    run.save()


def check(run: Run, console: Console) -> None:
    """Export the network as it is, and measure it on a few scenes."""
    export(run.average, run.options.output, run.training_card())
    console.print(table(record(run.options.output, number=240, seed=999_999)))


def main() -> int:
    """Train, export, measure."""
    parser = argparse.ArgumentParser(description="Train the bundled network on generated scenes.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=MODEL, help="folder for the result")
    parser.add_argument("--checkpoint", type=Path, default=Path("train_scenes.part"))
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw scenes")
    parser.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, default=True,
        help="compute in bfloat16 (faster where the processor has it)",
    )  # fmt: skip
    parser.add_argument("--scale", type=float, default=1.0, help="of the schedule's length")
    parser.add_argument("--report-every", type=int, default=100, help="steps between lines")
    parser.add_argument("--check-every", type=int, default=1000, help="steps between exports")
    parser.add_argument("--save-minutes", type=float, default=3.0, help="between checkpoints")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console()
    run = Run(options)
    try:
        train(run, console)
    except KeyboardInterrupt:
        run.save()
        console.print(f"stopped at step {run.step}; go on with --resume")
        return 130
    export(run.average, options.output, run.training_card())
    figures = record(options.output, number=2000, seed=1)
    console.print(table(figures))
    with suppress(FileNotFoundError):
        run.checkpoint.unlink()
    return int(any(figures[key] < bar for key, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
