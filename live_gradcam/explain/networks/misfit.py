"""The error that ends a load: what was found in the file, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import Checkpoint
from live_gradcam.explain.networks.matching import Match, Shapes
from live_gradcam.explain.networks.recognise import class_count, examples, recognise
from live_gradcam.wording import percent

_CERTAIN = 0.995
_IN_PYTHON = (
    "In Python, load it into the network that it was trained with and give that to "
    "Classifier.from_module"
)


def misfit(
    name: str,
    expected: Shapes,
    checkpoint: Checkpoint,
    match: Match,
    path: Path,
    free: Sequence[str] = (),
    reason: str = "",
) -> ModelError:
    """Return the error for weights that do not fit a network.

    Args:
        name: The network that the user named.
        expected: Shapes of its tensors by name.
        checkpoint: Its weights.
        match: The best match of its names.
        path: The file.
        free: Names of parts whose shapes depend on what the network was trained for.
        reason: What is wrong where the names fit.
    """
    problems = [reason] if reason else _differences(expected, match.inside, free)
    count = class_count(checkpoint.tensors)
    found = f"the file has {len(checkpoint.tensors)} tensors"
    if checkpoint.state:
        found += f" under {checkpoint.state!r}"
    found += f", {', '.join(examples(checkpoint.tensors))}"
    if match.prefix:
        found += f", with the prefix {match.prefix!r}"
    if count is not None:
        found += f"; its last layer has {count} rows"
    cause = f"they do not fit {name}: {'; '.join(problems)}; {found}"
    return ModelError("cannot use weights", str(path), cause, _advice(name, checkpoint))


def _differences(expected: Shapes, found: Mapping[str, Tensor], free: Sequence[str]) -> list[str]:
    problems = []
    counters = "num_batches_tracked"
    missing = [key for key in expected if key not in found and not key.endswith(counters)]
    unknown = [key for key in found if key not in expected]
    if missing:
        problems.append(
            f"{len(missing)} of {len(expected)} tensors are missing, {_examples(missing)}"
        )
    if unknown:
        problems.append(f"{len(unknown)} of {len(found)} are unknown, {_examples(unknown)}")
    shapes = [
        f"{key} is {tuple(found[key].shape)}, not {expected[key]}"
        for key in expected
        if key in found
        and tuple(found[key].shape) != expected[key]
        and not any(part and key.startswith(f"{part}.") for part in free)
    ]
    if shapes:
        problems.append(f"{len(shapes)} have another shape, e.g. {shapes[0]}")
    return problems


def _examples(keys: list[str]) -> str:
    return f"e.g. {', '.join(repr(key) for key in keys[:2])}"


def _advice(name: str, checkpoint: Checkpoint) -> str:
    nearest = recognise(checkpoint)
    own = name.removeprefix("timm:")
    if nearest:
        best, share = nearest[0]
        equal = [each for each, other in nearest if other == share]
        if share >= _CERTAIN and own not in equal:
            return f"These are weights of {' or '.join(equal)}: add --model {best}"
        if own in equal:
            return f"These are weights of a changed or wrapped {own}. {_IN_PYTHON}"
        return (
            f"The nearest network is {best} ({percent(share)} of its tensors): name the one "
            f"that they were trained for with --model. {_IN_PYTHON}"
        )
    hint = _other_library(checkpoint.tensors)
    if hint:
        return hint
    return f"Name the network that they were trained for with --model. {_IN_PYTHON}"


_TIMM = "These look like weights of timm's {}: name the network with --model timm:NAME"
_TRANSFORMERS = (
    "These look like weights of Hugging Face's transformers: give their folder, with its "
    "config.json, as --model hf:FOLDER"
)
_LIBRARIES = (
    (
        r"\bembeddings\.patch_embeddings\b|\bembedder\.(stem_)?conv|\.encoder\.layer\.0\.",
        _TRANSFORMERS,
    ),
    (r"(^|\.)conv_stem\.weight$", _TIMM.format("EfficientNets or MobileNets")),
    (r"stages\.0\.blocks\.0\.conv_dw\.", _TIMM.format("ConvNeXts")),
    (r"layers\.0\.blocks\.0\.attn\.", _TIMM.format("Swin transformers")),
)
_WIDTHS = {192: "tiny", 384: "small", 768: "base", 1024: "large"}


def _other_library(tensors: Mapping[str, Tensor]) -> str:
    """Return advice for weights of networks that other libraries build."""
    for name, tensor in tensors.items():
        if name.endswith("patch_embed.proj.weight") and tensor.ndim == 4:
            width, patch = _WIDTHS.get(tensor.shape[0]), tensor.shape[-1]
            if width is not None and any(
                each.endswith("blocks.0.attn.qkv.weight") for each in tensors
            ):
                return (
                    f"These are weights of a vision transformer of timm: add --model "
                    f"timm:vit_{width}_patch{patch}_224"
                )
    for mark, library in _LIBRARIES:
        if any(re.search(mark, name) for name in tensors):
            return library
    return ""
