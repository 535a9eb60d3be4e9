"""``live-gradcam models`` and ``cameras``: tables of what other commands can be given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from live_gradcam.cli.console import Console
from live_gradcam.cli.known_names import model_names
from live_gradcam.cli.options import matching, option

AsJson = Annotated[bool, option("Print JSON instead.", "--json")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsArguments:
    """Everything that can be typed after ``live-gradcam models``."""

    methods: Annotated[bool, option("List the methods instead, with their definitions.")] = False
    layers: Annotated[
        str | None,
        option(
            "List the layers of this network instead.",
            metavar="MODEL",
            autocompletion=matching(model_names),
        ),
    ] = None
    as_json: AsJson = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CamerasArguments:
    """Everything that can be typed after ``live-gradcam cameras``."""

    as_json: AsJson = False


def models_command(arguments: ModelsArguments, console: Console) -> None:
    """List the networks: name, explained layer, input size, and whether the weights are here.

    Raises:
        ModelError: There is no such network.
    """
    if arguments.layers is not None:
        _list_layers(console, arguments.layers, as_json=arguments.as_json)
    elif arguments.methods:
        _list_methods(console, as_json=arguments.as_json)
    else:
        _list_models(console, as_json=arguments.as_json)


def cameras_command(arguments: CamerasArguments, console: Console) -> None:
    """List the cameras by number and name."""
    from live_gradcam.capture.camera import list_cameras

    cameras = list_cameras()
    if arguments.as_json:
        _print_json(console, cameras=[asdict(camera) for camera in cameras])
        return
    if not cameras:
        console.note("No camera was found. Without one: live-gradcam demo")
        return
    rows = [(str(camera.index), camera.name, camera.path) for camera in cameras]
    console.table(("number", "name", "device"), rows)


def _print_json(console: Console, **content: Sequence[Any] | int | None) -> None:
    console.out(json.dumps(content, ensure_ascii=False))


def _list_models(console: Console, *, as_json: bool) -> None:
    """List every network by name: explained layer, input size, presence of its weights."""
    from live_gradcam.explain.networks.catalogue import list_models
    from live_gradcam.explain.networks.timm_networks import count_timm

    models, count = list_models(), count_timm()
    if as_json:
        _print_json(console, models=[asdict(row) for row in models], timm_models=count)
        return
    rows = [
        (row.name, row.layer, f"{row.input_size}x{row.input_size}", "here" if row.cached else "-")
        for row in models
    ]
    console.table(("name", "explained layer", "input", "weights"), rows)
    console.note("Weights that are not here are downloaded at the first run.")
    if count is None:
        console.note('The networks of timm are timm:NAME, after: pip install "live-gradcam[timm]"')
    else:
        console.note(
            f"And {count} networks of timm: --model timm:NAME, such as timm:convnext_atto."
        )


def _list_methods(console: Console, *, as_json: bool) -> None:
    """List every method: name, paper, unit of its maps, and definition."""
    from live_gradcam.explain.methods import METHODS

    shown = ("name", "title", "paper", "unit", "definition")
    if as_json:
        described = ({key: getattr(e, key) for key in (*shown, "note")} for e in METHODS.values())
        _print_json(console, methods=list(described))
        return
    rows = [[getattr(each, name) for name in shown] for each in METHODS.values()]
    console.table((*shown[:-1], "map of class c"), rows)
    console.note(
        "A: the layer's activations; y: the scores; G: the gradient of y_c by A; sums and means "
        "without an index: over places."
    )
    for each in METHODS.values():
        if each.note:
            console.note(f"{each.name}: {each.note}")


def _list_layers(console: Console, model: str, *, as_json: bool) -> None:
    """List the layers of a network that can be explained, early to late; needs no weights.

    Raises:
        ModelError: There is no such network.
    """
    from live_gradcam.explain.load import list_layers_by_name

    layers, default = list_layers_by_name(model)
    if as_json:
        described = (
            {
                "index": index,
                "name": layer.name,
                "channels": layer.channels,
                "grid": list(layer.grid),
                "default": layer.name == default,
            }
            for index, layer in enumerate(layers)
        )
        _print_json(console, layers=list(described))
        return
    rows = []
    for index, layer in enumerate(layers):
        grid = "x".join(map(str, layer.grid[::-1]))
        chosen = "yes" if layer.name == default else ""
        rows.append((str(index), layer.name, str(layer.channels), grid, chosen))
    console.table(("index", "layer", "channels", "grid", "default"), rows)
