"""``live-gradcam models``: which networks there are."""

from __future__ import annotations

from live_gradcam.console import Console


def execute(console: Console) -> None:
    """List every network by name: explained layer, input size, whether its weights are here."""
    from live_gradcam.explain.catalogue import list_models

    console.table(
        ("name", "explained layer", "input", "weights"),
        [
            (row.name, row.layer, f"{row.input_size}x{row.input_size}", _weights(row.cached))
            for row in list_models()
        ],
    )
    console.note("Weights that are not here are downloaded at the first run.")


def _weights(cached: bool) -> str:
    return "here" if cached else "-"
