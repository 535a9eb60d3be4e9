"""``live-gradcam models``: which networks there are."""

from __future__ import annotations

from live_gradcam.console import Console


def execute(console: Console) -> None:
    """List every network by name: explained layer, input size, whether its weights are here."""
    from live_gradcam.explain.catalogue import list_models
    from live_gradcam.explain.timm_networks import count_timm

    console.table(
        ("name", "explained layer", "input", "weights"),
        [
            (row.name, row.layer, f"{row.input_size}x{row.input_size}", _weights(row.cached))
            for row in list_models()
        ],
    )
    console.note("Weights that are not here are downloaded at the first run.")
    count = count_timm()
    if count is None:
        console.note('The networks of timm are timm:NAME, after: pip install "live-gradcam[timm]"')
    else:
        console.note(
            f"And {count} networks of timm: --model timm:NAME, such as timm:convnext_atto."
        )


def _weights(cached: bool) -> str:
    return "here" if cached else "-"
