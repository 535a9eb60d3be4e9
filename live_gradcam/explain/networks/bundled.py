"""The networks that ship with live-gradcam: a folder each, with a card and the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.download import file_sha256

_FOLDER = Path(__file__).resolve().parents[2] / "models"


def bundled_names() -> list[str]:
    """The bundled networks, sorted."""
    return sorted(card.parent.name for card in _FOLDER.glob("*/card.json"))


def read_card(name: str) -> dict[str, Any]:
    """What a bundled network's card says of it."""
    card: dict[str, Any] = json.loads((_FOLDER / name / "card.json").read_text(encoding="utf-8"))
    return card


def bundled_weights(name: str) -> Path:
    """The file with a bundled network's weights, verified.

    Raises:
        ModelError: It is missing or damaged.
    """
    card = read_card(name)
    path = _FOLDER / name / str(card["weights"])
    if not path.is_file() or file_sha256(path) != card["sha256"]:
        cause = "it is damaged" if path.is_file() else "it is missing"
        raise ModelError("cannot use the bundled network", str(path), cause, "Install again")
    return path
