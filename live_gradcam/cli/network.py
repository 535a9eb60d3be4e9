"""The network that a command line names, and the options that name it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from live_gradcam.choices import (
    DEFAULT_DEVICE,
    DEFAULT_FUSE,
    DEFAULT_MODEL,
    DEFAULT_OUTPUT,
    DEFAULT_PRECISION,
    DEFAULT_THRESHOLD,
    OUTPUT_CHOICES,
    CompileChoice,
    Fuse,
    OutputChoice,
    PrecisionChoice,
    View,
)
from live_gradcam.cli.console import Console
from live_gradcam.cli.options import MODEL
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier

PathT = TypeVar("PathT", str, Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """Options that say which network, where it is explained, and what it runs on."""

    model: Annotated[
        str,
        typer.Option(
            help="A torchvision network, timm:NAME, or 'scenes' for the bundled one. See "
            "'live-gradcam models'.",
            rich_help_panel=MODEL,
        ),
    ] = DEFAULT_MODEL
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own checkpoint: .pth, .pt or .safetensors.",
            rich_help_panel=MODEL,
            show_default=False,
        ),
    ] = None
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Class names: text, one a line, or JSON.",
            rich_help_panel=MODEL,
            show_default=False,
        ),
    ] = None
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|INDEX|all",
            help="The layer to explain, or several, separated by commas. See "
            "'live-gradcam models --layers MODEL'.",
            rich_help_panel=MODEL,
            show_default="the network's last one",
        ),
    ] = None
    output_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|INDEX",
            help="Which of the network's outputs are the logits.",
            rich_help_panel=MODEL,
            show_default="found by name and shape",
        ),
    ] = None
    threshold: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Probability above which a class is true, of binary and multi-label networks.",
            rich_help_panel=MODEL,
        ),
    ] = DEFAULT_THRESHOLD
    fuse: Annotated[
        Fuse, typer.Option(help="How maps of several layers become one.", rich_help_panel=MODEL)
    ] = DEFAULT_FUSE
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MODEL)
    ] = DEFAULT_DEVICE
    precision: Annotated[
        PrecisionChoice,
        typer.Option(help="What the network computes in.", rich_help_panel=MODEL),
    ] = DEFAULT_PRECISION


MethodOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What makes the maps. See 'live-gradcam models --methods'.",
        rich_help_panel=MODEL,
    ),
]
CompileOption = Annotated[
    CompileChoice,
    typer.Option(
        help="auto compiles beside the running network, on waits for it, off never does.",
        rich_help_panel=MODEL,
    ),
]
ViewOption = Annotated[
    View,
    typer.Option(
        help="What the network sees: the centre square, the squeezed frame, or the whole frame.",
        rich_help_panel=MODEL,
    ),
]


def split_meaning(outputs: Sequence[PathT]) -> tuple[OutputChoice, tuple[PathT, ...]]:
    """Tell the words that say what a network's output means from the files that are written.

    A file or folder of such a name is written with its folder, ``./softmax``.

    Args:
        outputs: What was typed after ``--output``.

    Returns:
        The meaning, ``auto`` if none was typed, and the files.

    Raises:
        UsageError: There are two meanings.
    """
    meanings = [each for each in OUTPUT_CHOICES if each in map(str, outputs)]
    if len(meanings) > 1:
        step = f"Choose one of {', '.join(OUTPUT_CHOICES)}"
        raise UsageError("the network's output has two meanings", " and ".join(meanings), "", step)
    files = tuple(each for each in outputs if str(each) not in OUTPUT_CHOICES)
    return (meanings[0] if meanings else DEFAULT_OUTPUT), files


def open_classifier(
    options: NetworkOptions, console: Console, *, output: OutputChoice = DEFAULT_OUTPUT
) -> Classifier:
    """Load the network that is meant; notices about it go to the console.

    Args:
        options: Say which.
        console: Takes the notices.
        output: Meaning of its output.

    Raises:
        ModelError: It, its weights or its labels cannot be used, or it has no such layer.
        UsageError: One of several layers, or an index, is not in its list.
    """
    from live_gradcam.explain.load import load_classifier

    return load_classifier(
        options.model,
        weights=options.weights,
        labels=options.labels,
        layer=options.layer,
        fuse=options.fuse,
        output=output,
        output_name=options.output_name,
        threshold=options.threshold,
        on_notice=console.note,
    )


def warn_of_forwards(methods: Iterable[str], classifier: Classifier, console: Console) -> None:
    """Name the methods that are slow, and the reason, before anybody waits for one."""
    from live_gradcam.explain.methods import require_method

    for method in map(require_method, methods):
        if method.reruns == "network":
            console.note(
                f"{method.title} runs the network once for every channel of {classifier.layer}"
            )
