"""The network that a command line names, and the options that name it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    DEFAULT_RESAMPLE,
    DEFAULT_THRESHOLD,
    OUTPUT_CHOICES,
    CompileChoice,
    Fuse,
    OutputChoice,
    PrecisionChoice,
    Resample,
    View,
)
from live_gradcam.cli.console import Console
from live_gradcam.cli.options import INPUT, MODEL
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.explain.preprocess_changes import PreprocessingChanges

T = TypeVar("T")
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
    state: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Which weights of a checkpoint that holds several, such as model or model_ema.",
            rich_help_panel=MODEL,
            show_default="averaged ones, if there are any",
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
    preprocessing: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="How pictures are prepared: Hugging Face's preprocessor_config.json, timm's "
            "config.json, or JSON of your own.",
            rich_help_panel=INPUT,
            show_default=False,
        ),
    ] = None
    input_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            help="Size of the pictures that the network takes.",
            rich_help_panel=INPUT,
            show_default="the weights' own",
        ),
    ] = None
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            help="What the short side is resized to before the centre is cut out, or what the "
            "whole picture is squeezed into.",
            rich_help_panel=INPUT,
            show_default="the weights' own",
        ),
    ] = None
    channels: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="rgb, bgr, gray, rgba, or several joined with '+', such as gray+gray.",
            rich_help_panel=INPUT,
            show_default="as the first layer takes",
        ),
    ] = None
    range: Annotated[
        str | None,
        typer.Option(
            metavar="0..1|0..255|-1..1",
            help="What black and white become; without --mean and --std that is all.",
            rich_help_panel=INPUT,
            show_default="the weights' own",
        ),
    ] = None
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="N[,N...]",
            help="Subtracted from each channel, in the unit of the range.",
            rich_help_panel=INPUT,
            show_default="the weights' own",
        ),
    ] = None
    std: Annotated[
        str | None,
        typer.Option(
            metavar="N[,N...]",
            help="Divided by for each channel.",
            rich_help_panel=INPUT,
            show_default="the weights' own",
        ),
    ] = None
    resample: Annotated[
        Resample,
        typer.Option(
            help="What resizes: torch is fast and within one grey level of PIL; pil is exactly "
            "torchvision's transform.",
            rich_help_panel=INPUT,
        ),
    ] = DEFAULT_RESAMPLE
    transform_input: Annotated[
        bool | None,
        typer.Option(
            "--transform-input/--no-transform-input",
            help="GoogLeNet and Inception turn the usual normalisation into their own.",
            rich_help_panel=INPUT,
            show_default="for torchvision's weights only",
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
        state=options.state,
        output=output,
        output_name=options.output_name,
        threshold=options.threshold,
        preprocessing=_preprocessing(options),
        transform_input=options.transform_input,
        on_notice=console.note,
    )


def _preprocessing(options: NetworkOptions) -> PreprocessingChanges | None:
    """Make one value of the options that say how pictures are prepared; ``None`` if none does.

    Raises:
        ModelError: The file cannot be used.
        UsageError: An option is not a size, a range or a number.
    """
    from live_gradcam.explain.networks.preprocessing_files import read_preprocessing
    from live_gradcam.explain.preprocess_changes import (
        PreprocessingChanges,
        checked_channels,
        parse_numbers,
        parse_range,
        parse_size,
    )

    def read(parse: Callable[[str, str], T], text: str | None, name: str) -> T | None:
        return None if text is None else parse(text, name)

    typed = PreprocessingChanges(
        input_size=read(parse_size, options.input_size, "--input-size"),
        resize_size=read(parse_size, options.resize, "--resize"),
        channels=None if options.channels is None else checked_channels(options.channels),
        value_range=read(parse_range, options.range, "--range"),
        mean=read(parse_numbers, options.mean, "--mean"),
        std=read(parse_numbers, options.std, "--std"),
        resample=None if options.resample == DEFAULT_RESAMPLE else options.resample,
    )
    if options.preprocessing is None:
        return typed if typed.given else None
    return read_preprocessing(options.preprocessing).updated(typed)


def warn_of_forwards(methods: Iterable[str], classifier: Classifier, console: Console) -> None:
    """Name the methods that are slow, and the reason, before anybody waits for one."""
    from live_gradcam.explain.methods import require_method

    for method in map(require_method, methods):
        if method.reruns == "network":
            console.note(
                f"{method.title} runs the network once for every channel of {classifier.layer}"
            )
