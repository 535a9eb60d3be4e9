"""``live-gradcam models``: which networks there are."""

from __future__ import annotations

from live_gradcam.cli.console import Console


def execute(console: Console) -> None:
    """List every network by name: explained layer, input size, whether its weights are here."""
    from live_gradcam.explain.networks.catalogue import list_models
    from live_gradcam.explain.networks.timm_networks import count_timm

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


def list_methods(console: Console) -> None:
    """List every method: name, paper, what its numbers are in, and what it computes."""
    from live_gradcam.explain.methods.table import METHODS

    console.table(
        ("name", "title", "paper", "unit", "map of class c"),
        [
            (each.name, each.title, each.paper, each.unit, each.definition)
            for each in METHODS.values()
        ],
    )
    console.note(
        "A: the layer's activations; y: the scores; G: the gradient of y_c by A; sums and means "
        "without an index: over places."
    )
    for each in METHODS.values():
        if each.note:
            console.note(f"{each.name}: {each.note}")


def list_layers(console: Console, model: str) -> None:
    """List the layers of a network that can be explained, early to late; needs no weights.

    Raises:
        ModelError: There is no such network.
    """
    from live_gradcam.explain.load import list_layers_by_name

    layers, default = list_layers_by_name(model)
    console.table(
        ("index", "layer", "channels", "grid", "default"),
        [
            (
                str(index),
                layer.name,
                str(layer.channels),
                "x".join(map(str, layer.grid[::-1])),
                "yes" if layer.name == default else "",
            )
            for index, layer in enumerate(layers)
        ],
    )


def _weights(cached: bool) -> str:
    return "here" if cached else "-"
