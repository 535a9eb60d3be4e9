"""Presets: one word that sets several options, for a use that people often have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from live_gradcam.choices import Preset
from live_gradcam.errors import UsageError

Values: TypeAlias = Mapping[str, Any]
"""Options as they are typed, without their dashes, and their values."""

_EXACT: Values = {"precision": "fp32", "resample": "pil"}

PRESETS: Mapping[str, Mapping[Preset, Values]] = {
    "run": {
        "stage": {"hud": "stage", "top-k": 1, "opacity": 0.7},
        "kiosk": {"kiosk": True, "hud": "stage", "top-k": 1, "mirror": True},
        "paper": {
            "no-labels": True,
            "no-legend": True,
            "no-fps": True,
            "no-smooth": True,
            "colormap": "viridis",
            **_EXACT,
        },
        "audit": {"truth": True, "strict": True, "no-smooth": True, "no-fps": True, **_EXACT},
    },
    "evaluate": {"paper": _EXACT, "audit": {"strict": True, **_EXACT}},
    "web": {"paper": _EXACT, "audit": {"compile": "off", **_EXACT}},
}
"""What each preset sets, by command."""


def preset_values(command: str, preset: str) -> Values:
    """Return what a preset sets for a command; nothing where the command has no presets.

    Raises:
        UsageError: The command has presets, but not this one.
    """
    known: Mapping[Any, Values] = PRESETS.get(command, {})
    if known and preset not in known:
        step = f"Choose from {', '.join(known)}"
        raise UsageError(f"unknown preset for {command}", preset, "", step)
    return known.get(preset, {})


def describe_preset(values: Values) -> str:
    """Return what a preset sets as it would be typed, e.g. ``--strict --precision fp32``."""
    words = (f"--{key}" if value is True else f"--{key} {value}" for key, value in values.items())
    return " ".join(words)


def presets_markdown() -> str:
    """Return the README's table of the presets."""
    rows = ["| `--preset` | `run` | `evaluate` | `web` |", "|---|---|---|---|"]
    for preset in PRESETS["run"]:
        cells = [
            f"`{describe_preset(PRESETS[command][preset])}`" if preset in PRESETS[command] else ""
            for command in ("run", "evaluate", "web")
        ]
        rows.append(f"| `{preset}` | {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(rows) + "\n"
