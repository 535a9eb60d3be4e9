"""The model zoo: which public networks can be explained by name, and why the others cannot.

    python scripts/zoo.py                    # measures what is not measured yet, in build/zoo.json
    python scripts/zoo.py --only 'timm:res'  # names that match a pattern
    python scripts/zoo.py --write            # the table in the README, from build/zoo.json

All of torchvision's classification networks, and of each family of timm the smallest one, with
random weights: a network counts as explained if its two parts compute what the network computes and
its maps are finite and not empty. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import nn

from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.classifier import build_classifier
from live_gradcam.explain.networks.spec import TIMM_PREFIX, NetworkSpec
from live_gradcam.explain.networks.timm_networks import describe_timm
from live_gradcam.explain.networks.torchvision_networks import (
    probe_size,
    published_preprocessing,
    require_family,
)
from scripts.house_map import put_between

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "zoo.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- zoo: begin -->", "<!-- zoo: end -->"

# Words that small members of a family have in their names, the smallest first.
_SMALL = (
    *("test_", "atto", "femto", "pico", "nano", "xxtiny", "xxs", "zepto", "micro", "mini", "tiny"),
    *("_xs", "xsmall", "_t", "small", "_s", "b0", "_0", "_m0", "lite", "18", "26", "base"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one network.

    Attributes:
        name: Name for ``--model``.
        family: Module of the library that it comes from.
        layer: Explained layer; empty where it cannot be explained.
        reason: Why it cannot be explained; empty where it can.
        seconds: Time that it took.
    """

    name: str
    family: str
    layer: str = ""
    reason: str = ""
    seconds: float = 0.0


def torchvision_names() -> list[str]:
    """List all of torchvision's classification networks."""
    from torchvision import models

    return sorted(models.list_models(module=models))


def timm_families() -> dict[str, str]:
    """Return the smallest network of each of timm's families, by the family's name."""
    import timm

    families = {}
    for family in timm.list_modules():
        names = timm.list_models(module=family)
        if names:
            families[family] = min(names, key=_size_of_name)
    return families


def _size_of_name(name: str) -> tuple[int, int, str]:
    rank = next((rank for rank, word in enumerate(_SMALL) if word in name), len(_SMALL))
    digits = re.findall(r"(\d+)$", name)
    return rank, int(digits[0]) if digits else 0, name


def examine(name: str, family: str) -> Result:
    """Build one network with random weights, and try to explain it."""
    started = time.monotonic()
    try:
        spec = describe(name)
        layer = explain_once(spec)
    except LiveGradcamError as error:
        reason = f"{error.what}: {error.cause or error.where}"
        return Result(name, family, "", reason, round(time.monotonic() - started, 1))
    except Exception as error:  # what the library itself cannot build is a reason, too
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
        return Result(name, family, "", reason, round(time.monotonic() - started, 1))
    return Result(name, family, layer, "", round(time.monotonic() - started, 1))


def explain_once(spec: NetworkSpec) -> str:
    """Cut a network and make a map; return the layer.

    Raises:
        ModelError: It cannot be explained.
        ArithmeticError: Its maps are empty or not finite.
    """
    classifier = build_classifier(spec)
    shape = (1, len(spec.preprocessing.planes), *spec.preprocessing.input_size)
    pixels = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = spec.network(pixels)
    activations = classifier.trunk(pixels)
    logits, _, maps, _ = classifier.head.explain(activations, lambda scores: scores.topk(1).indices)
    if isinstance(expected, torch.Tensor) and not torch.allclose(logits, expected, 1e-3, 1e-3):
        raise ArithmeticError("the two parts do not compute what the network computes")
    if not bool(maps.isfinite().all()) or not bool(maps.any()):
        raise ArithmeticError("its maps are empty or not finite")
    return classifier.layer


def describe(name: str) -> NetworkSpec:
    """Build a network with random weights, as ``--model`` would with published ones."""
    if name.startswith(TIMM_PREFIX):
        import timm

        plain = name.removeprefix(TIMM_PREFIX)
        network = timm.create_model(plain, pretrained=False)
        if not network.num_classes:  # published for its features: a user's own has classes
            network = timm.create_model(plain, pretrained=False, num_classes=10)
        return describe_timm(_lively(network), plain)
    from torchvision import models

    family = require_family(name)
    network = models.get_model(name, weights=None, **family.options)
    preprocessing = published_preprocessing(name, getattr(network, family.size_option or "", None))
    return NetworkSpec(
        name=name,
        network=_lively(network).eval().requires_grad_(False),
        layer=family.layer,
        labels=None,
        preprocessing=preprocessing,
        origin="random",
        probe_size=probe_size(family, preprocessing),
    )


def _lively(network: Any) -> nn.Module:  # noqa: ANN401 - timm's networks are untyped
    """Give layers that begin with zeros, or nearly so, weights that matter."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim >= 2 and float(parameter.abs().max()) < 1e-3:
                parameter.normal_(0, 0.02, generator=generator)
            elif name.endswith(("weight", "gamma")) and float(parameter.abs().max()) < 1e-3:
                parameter.fill_(1.0)
    module: nn.Module = network
    return module


def read_results(path: Path) -> dict[str, Result]:
    """Return what was measured before."""
    if not path.is_file():
        return {}
    return {row["name"]: Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))}


def measure(path: Path, pattern: str, seconds: float, *, again: bool) -> dict[str, Result]:
    """Examine what is not examined yet, as long as there is time, and save after each."""
    results = read_results(path)
    end = time.monotonic() + seconds
    for name, family in _jobs():
        known = results.get(name)
        wanted = re.search(pattern, name) and (known is None or (again and known.reason))
        if not wanted or time.monotonic() > end:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results[name] = examine(name, family)
        print(name, results[name].layer or results[name].reason, results[name].seconds, flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(result) for result in results.values()]
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return results


def _jobs() -> Iterator[tuple[str, str]]:
    for family, name in timm_families().items():
        yield f"{TIMM_PREFIX}{name}", family
    for name in torchvision_names():
        yield name, "torchvision"


def table(results: dict[str, Result]) -> str:
    """Return the table for the README."""
    lines = ["| library | explained | of |", "|---|---|---|"]
    for title, is_timm in (
        ("torchvision, every classification network", False),
        ("timm, the smallest network of each family", True),
    ):
        rows = [row for row in results.values() if row.name.startswith(TIMM_PREFIX) == is_timm]
        if not rows:
            continue
        count = sum(not row.reason for row in rows)
        lines.append(f"| {title} | {count} | {len(rows)} |")
    refused = sorted((row for row in results.values() if row.reason), key=lambda row: row.name)
    if refused:
        lines += ["", "| not explained | reason |", "|---|---|"]
        lines += [f"| `{row.name}` | {row.reason.replace('|', '/')} |" for row in refused]
    return "\n".join(lines)


def write_table(results: dict[str, Result]) -> None:
    """Put the table between its marks in the README."""
    text = README.read_text(encoding="utf-8")
    README.write_text(put_between(text, BEGIN, END, table(results)), encoding="utf-8")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="a regular expression of names")
    parser.add_argument("--seconds", type=float, default=500.0, help="begin none after this")
    parser.add_argument("--again", action="store_true", help="also what was not explained before")
    parser.add_argument("--write", action="store_true", help="write the table into the README")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        results = measure(options.results, options.only, options.seconds, again=options.again)
        print(table(results))
        if options.write:
            write_table(results)


if __name__ == "__main__":
    main()
