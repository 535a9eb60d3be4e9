"""Which networks and methods can be exported: a graph of each, against torch.

    python scripts/exports.py                # what is not measured yet, into build/exports.json
    python scripts/exports.py --only 'resn'  # names that match a pattern
    python scripts/exports.py --write        # the table in the README, from build/exports.json

All of torchvision's classification networks with random weights, made into an ONNX graph of several
methods at once, which ONNX Runtime runs on a batch of another size than it was traced with. A
network counts as exported if scores and maps are within the bars of `live-gradcam export`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.classifier import Classifier, build_classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.export.onnx_graph import make_onnx
from live_gradcam.explain.heads import Chooser, ClosedFormHead, Explained, Head
from live_gradcam.explain.methods import Method, require_method
from live_gradcam.explain.networks.torchvision_networks import FAMILIES, family_of
from live_gradcam.scenes import render_scene
from scripts.house_map import put_between
from scripts.zoo import describe, torchvision_names

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "exports.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- exports: begin -->", "<!-- exports: end -->"

METHODS = ("gradcam", "hirescam", "layercam", "gradcam++")
_BAR = 1e-3
# Larger ones are made of the same modules, and take more memory than a small machine has.
_MOST_PARAMETERS = 150_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one network.

    Attributes:
        name: Name for ``--model``.
        head: ``closed form`` or ``gradient``.
        worst: Largest difference of each method's maps, as a share of their maximum; a method that
            cannot be exported has none.
        scores: Largest difference of scores, as a share of the largest.
        reason: Why it cannot be exported; empty where it can.
        seconds: Time that it took.
    """

    name: str
    head: str = ""
    worst: dict[str, float] | None = None
    scores: float = 0.0
    reason: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> tuple[str, ...]:
        """Methods whose maps are within the bar."""
        if self.scores > _BAR:
            return ()
        return tuple(name for name, worst in (self.worst or {}).items() if worst <= _BAR)


class SeveralMethods(Method):
    """The maps of several methods, one behind the other.

    Args:
        head: The classifier's own.
        names: Of the methods.
    """

    name = "several"

    def __init__(self, head: Head, names: Sequence[str]) -> None:
        super().__init__(head)
        self.heads = [require_method(name).make_head(head) for name in names]

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        found = [head.explain(activations, choose) for head in self.heads]
        logits, classes, _, basis = found[0]
        return logits, classes, torch.cat([each[2] for each in found], 1), basis


def examine(name: str, methods: Sequence[str] = METHODS) -> Result:
    """Export one network with random weights, and compare."""
    started = time.monotonic()

    def seconds() -> float:
        return round(time.monotonic() - started, 1)

    classifier = build_classifier(describe(name))
    head = "closed form" if isinstance(classifier.head, ClosedFormHead) else "gradient"
    try:
        scores, worst = compare(classifier, methods)
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
        return Result(name, head, {}, reason=reason, seconds=seconds())
    return Result(name, head, worst, scores, seconds=seconds())


def compare(classifier: Classifier, methods: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Return the largest relative difference of scores, and of each method's maps."""
    import onnxruntime

    network = FusedNetwork(
        replace(classifier, head=SeveralMethods(classifier.head, methods)), precision="fp32"
    )
    height, width = classifier.preprocessing.input_size
    made = make_onnx(network, classes="top", maps=1, shape=(1, height, width))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    del made
    images = [
        render_scene(seed, width=max(64, width), height=max(64, height)).image for seed in (1, 2)
    ]
    pixels = np.stack([image[:height, :width, ::-1] for image in images])
    scores, classes, maps = session.run(None, {"pixels": pixels})
    with torch.no_grad():
        bgr = torch.from_numpy(pixels[..., ::-1].copy())
        wanted = network(bgr, torch.tensor([-1]))
    if not np.array_equal(classes, wanted[1].numpy()):
        raise ArithmeticError("another class is the best one")
    worst = {
        method: _difference(maps[:, place], wanted[2][:, place].numpy())
        for place, method in enumerate(methods)
    }
    return _difference(scores, wanted[0].numpy()), worst


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    if not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def read_results(path: Path) -> dict[str, Result]:
    """Return what was measured before."""
    if not path.is_file():
        return {}
    return {row["name"]: Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))}


def measure(path: Path, pattern: str, seconds: float, *, again: bool) -> dict[str, Result]:
    """Examine what is not examined yet, small networks first, and save after each."""
    results = read_results(path)
    end = time.monotonic() + seconds
    for name in sorted(torchvision_names(), key=parameters_of):
        known = results.get(name)
        wanted = re.search(pattern, name) and (known is None or (again and not known.passed))
        if not wanted or time.monotonic() > end or parameters_of(name) > _MOST_PARAMETERS:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results[name] = examine(name)
        print(results[name], flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(result) for result in results.values()]
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return results


def parameters_of(name: str) -> int:
    """Return a network's number of parameters, from torchvision's table."""
    from torchvision import models

    return int(models.get_model_weights(name).DEFAULT.meta["num_params"])


def table(results: dict[str, Result]) -> str:
    """Return the table for the README: a row for each of torchvision's families."""
    lines = [
        f"| torchvision | head | exported | {' | '.join(f'`{name}`' for name in METHODS)} |",
        f"|---|---|---|{'---|' * len(METHODS)}",
    ]
    place: Callable[[Result], int] = lambda row: FAMILIES.index(family_of(row.name))  # noqa: E731
    for _, group in groupby(sorted(results.values(), key=place), place):
        rows = sorted(group, key=lambda row: row.name)
        heads = " and ".join(sorted({row.head for row in rows}))
        shown = [
            f"{max((row.worst or {}).get(name, 0.0) for row in rows):.0e}"
            if all(name in row.passed for row in rows)
            else f"{sum(name in row.passed for row in rows)} of {len(rows)}"
            for name in METHODS
        ]
        count = sum(bool(row.passed) for row in rows)
        names = ", ".join(f"`{row.name}`" for row in rows)
        lines.append(f"| {names} | {heads} | {count} of {len(rows)} | {' | '.join(shown)} |")
    refused = sorted((row for row in results.values() if row.reason), key=lambda row: row.name)
    if refused:
        lines += ["", "| not exported | reason |", "|---|---|"]
        lines += [f"| `{row.name}` | {row.reason.replace('|', '/')} |" for row in refused]
    return "\n".join(lines)


def write_table(results: dict[str, Result]) -> None:
    """Put the table into the README, between its marks."""
    text = README.read_text(encoding="utf-8")
    README.write_text(put_between(text, BEGIN, END, table(results)), encoding="utf-8")


def main() -> None:
    """Measure, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop starting after so long")
    parser.add_argument("--again", action="store_true", help="also those that failed before")
    parser.add_argument("--write", action="store_true", help="write the table into the README")
    options = parser.parse_args()
    if options.write:
        write_table(read_results(RESULTS))
        return
    torch.set_num_threads(1)
    measure(RESULTS, options.only, options.seconds, again=options.again)


if __name__ == "__main__":
    main()
