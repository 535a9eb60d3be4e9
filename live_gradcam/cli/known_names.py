"""Names that can be typed, for completion: found without torch, within milliseconds."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import live_gradcam
from live_gradcam.choices import METHOD_NAMES

# A builder of torchvision, which its own registry knows by the function's name.
_BUILDER = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
_PREFIXES = ("timm:", "hf:")


def model_names() -> list[str]:
    """Return the bundled networks, torchvision's, and the prefixes of other libraries' names.

    torchvision's source is searched, because loading it takes seconds.
    """
    bundled = Path(live_gradcam.__file__).parent / "models"
    names = [card.parent.name for card in bundled.glob("*/card.json")]
    found = find_spec("torchvision")
    if found is not None and found.origin is not None:
        for module in sorted((Path(found.origin).parent / "models").glob("*.py")):
            names += _BUILDER.findall(module.read_text(encoding="utf-8"))
    return [*sorted(set(names)), *_PREFIXES]


def method_names() -> list[str]:
    """Return the names of the methods."""
    return list(METHOD_NAMES)


def device_names() -> list[str]:
    """Return what ``--device`` takes."""
    return ["auto", "cpu", "cuda", "mps", "intel-gpu", "npu", "tensorrt", "coreml", "directml"]


def source_names() -> list[str]:
    """Return the sources that are words; files are completed by the shell."""
    return ["scene"]


def measure_names() -> list[str]:
    """Return the measures of an evaluation."""
    from live_gradcam.evaluate.options import MEASURES

    return list(MEASURES)
