"""The networks that ship with live-gradcam: a folder each, with a card and the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from live_gradcam.errors import ModelError
from live_gradcam.fetching import file_sha256

FOLDER = Path(__file__).resolve().parents[2] / "models"
"""Folder that contains one folder for each bundled network."""


def bundled_names() -> list[str]:
    """Return the names of the bundled networks, sorted."""
    return sorted(card.parent.name for card in FOLDER.glob("*/card.json"))


def read_card(name: str) -> dict[str, Any]:
    """Read a bundled network's card: architecture, labels, preprocessing, weights and hash."""
    card: dict[str, Any] = json.loads((FOLDER / name / "card.json").read_text(encoding="utf-8"))
    return card


def bundled_weights(name: str) -> Path:
    """Return the path of a bundled network's weights, verified against the card's hash.

    Raises:
        ModelError: It is missing or damaged.
    """
    card = read_card(name)
    path = FOLDER / name / str(card["weights"])
    if not path.is_file() or file_sha256(path) != card["sha256"]:
        cause = "it is damaged" if path.is_file() else "it is missing"
        raise ModelError("cannot use the bundled network", str(path), cause, "Install again")
    return path
