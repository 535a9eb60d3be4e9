"""``live-gradcam inspect``: what a checkpoint or a network is, and how to explain it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from live_gradcam.cli.console import Console
from live_gradcam.cli.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectArguments:
    """Everything that can be typed after ``live-gradcam inspect``."""

    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|MODEL",
            help="A checkpoint, an ONNX file, a Hugging Face folder, or a name as for --model.",
            show_default=False,
        ),
    ]
    weights: Annotated[
        Path | None, option("Your own checkpoint for the network of this name.", metavar="FILE")
    ] = None
    labels: Annotated[Path | None, option("Class names.", metavar="FILE")] = None
    state: Annotated[
        str | None, option("Set of weights to take where the file has several.", metavar="KEY")
    ] = None
    as_json: Annotated[bool, option("Print a JSON object instead.", "--json")] = False


def inspect_command(arguments: InspectArguments, console: Console) -> None:
    """Say what a checkpoint or a network is, which layers it has, and how to explain it.

    Raises:
        ModelError: The file is none of weights or of a network, or it cannot be explained as it is;
            what is known of it has then been printed.
    """
    from live_gradcam.explain.inspection import describe_lines, inspect_network, require_usable

    found = inspect_network(
        arguments.target,
        weights=arguments.weights,
        labels=arguments.labels,
        state=arguments.state,
    )
    if arguments.as_json:
        console.out(json.dumps(found.as_record(), ensure_ascii=False))
    else:
        for title, text in describe_lines(found):
            console.out(f"{title:<12} {text}")
    require_usable(found)
