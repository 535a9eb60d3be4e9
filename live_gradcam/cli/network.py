"""The network that a command line names, and the options that name it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

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
    EngineChoice,
    Fuse,
    OutputChoice,
    PrecisionChoice,
    Resample,
    View,
)
from live_gradcam.cli.console import Console
from live_gradcam.cli.known_names import device_names, method_names, model_names
from live_gradcam.cli.options import INPUT, MODEL, matching, option
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.preprocessing.changes import PreprocessingChanges

T = TypeVar("T")
PathT = TypeVar("PathT", str, Path)


_network = partial(option, panel=MODEL)
_input = partial(option, panel=INPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChoice:
    """Options that say which network, and where it is explained."""

    model: Annotated[
        str,
        _network(
            "A torchvision network, timm:NAME, hf:NAME, an .onnx file, or 'scenes' for the bundled "
            "one. See 'live-gradcam models'.",
            autocompletion=matching(model_names),
        ),
    ] = DEFAULT_MODEL
    weights: Annotated[
        Path | None,
        _network(
            "Your own checkpoint: .pth, .pt or .safetensors; a file of 'live-gradcam teach' needs "
            "no --model.",
            metavar="FILE",
        ),
    ] = None
    state: Annotated[
        str | None,
        _network(
            "Which weights of a checkpoint that holds several, such as model or model_ema.",
            metavar="KEY",
            show_default="averaged ones, if there are any",
        ),
    ] = None
    labels: Annotated[
        Path | None, _network("Class names: text, a table, YAML or JSON.", metavar="FILE")
    ] = None
    preprocessing: Annotated[
        Path | None,
        _input(
            "How pictures are prepared: Hugging Face's preprocessor_config.json, timm's "
            "config.json, or JSON of your own.",
            metavar="FILE",
        ),
    ] = None
    input_size: Annotated[
        str | None,
        _input(
            "Size of the pictures that the network takes.",
            metavar="N|HxW",
            show_default="the weights' own",
        ),
    ] = None
    resize: Annotated[
        str | None,
        _input(
            "What the short side is resized to before the centre is cut out, or what the "
            "whole picture is squeezed into.",
            metavar="N|HxW",
            show_default="the weights' own",
        ),
    ] = None
    channels: Annotated[
        str | None,
        _input(
            "rgb, bgr, gray, rgba, or several joined with '+', such as gray+gray.",
            metavar="NAME",
            show_default="as the first layer takes",
        ),
    ] = None
    range: Annotated[
        str | None,
        _input(
            "What black and white become; without --mean and --std that is all.",
            metavar="0..1|0..255|-1..1",
            show_default="the weights' own",
        ),
    ] = None
    mean: Annotated[
        str | None,
        _input(
            "Subtracted from each channel, in the unit of the range.",
            metavar="N[,N...]",
            show_default="the weights' own",
        ),
    ] = None
    std: Annotated[
        str | None,
        _input("Divided by for each channel.", metavar="N[,N...]", show_default="the weights' own"),
    ] = None
    resample: Annotated[
        Resample,
        _input(
            "What resizes: torch is fast and within one grey level of PIL; pil is exactly "
            "torchvision's transform."
        ),
    ] = DEFAULT_RESAMPLE
    transform_input: Annotated[
        bool | None,
        _input(
            "GoogLeNet and Inception turn the usual normalisation into their own.",
            "--transform-input/--no-transform-input",
            show_default="for torchvision's weights only",
        ),
    ] = None
    layer: Annotated[
        str | None,
        _network(
            "The layer to explain, or several, separated by commas. See "
            "'live-gradcam models --layers MODEL'.",
            metavar="NAME|INDEX|all",
            show_default="the network's last one",
        ),
    ] = None
    output_name: Annotated[
        str | None,
        _network(
            "Which of the network's outputs are the logits.",
            metavar="NAME|INDEX",
            show_default="found by name and shape",
        ),
    ] = None
    threshold: Annotated[
        float,
        _network(
            "Probability above which a class is true, of binary and multi-label networks.",
            min=0.0,
            max=1.0,
            metavar="P",
        ),
    ] = DEFAULT_THRESHOLD
    fuse: Annotated[Fuse, _network("How maps of several layers become one.")] = DEFAULT_FUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions(NetworkChoice):
    """Options that say which network, where it is explained, and what it runs on."""

    device: Annotated[
        str,
        _network(
            "auto, cpu, cuda, cuda:N or mps; intel-gpu or npu with OpenVINO; tensorrt, coreml or "
            "directml with ONNX Runtime.",
            autocompletion=matching(device_names),
        ),
    ] = DEFAULT_DEVICE
    precision: Annotated[PrecisionChoice, _network("What the network computes in.")] = (
        DEFAULT_PRECISION
    )


MethodOption = Annotated[
    str,
    _network(
        "What makes the maps. See 'live-gradcam models --methods'.",
        metavar="NAME",
        autocompletion=matching(method_names),
    ),
]
CompileOption = Annotated[
    CompileChoice,
    _network("auto compiles beside the running network, on waits for it, off never does."),
]
EngineOption = Annotated[
    EngineChoice,
    _network(
        "What runs the network: torch, or its exported graph in openvino or onnxruntime; auto "
        "measures which of those that are installed is fastest here."
    ),
]
ViewOption = Annotated[
    View,
    _network("What the network sees: the centre square, the squeezed frame, or the whole frame."),
]


def split_meaning(outputs: Sequence[PathT]) -> tuple[OutputChoice, tuple[PathT, ...]]:
    """Tell the words that say what a network's output means from the files that are written.

    A file or folder of such a name is written with its folder, ``./softmax``.

    Args:
        outputs: What was typed after ``--output``.

    Returns:
        The meaning, ``auto`` if none was typed, and the files.

    Raises:
        UsageError: There are two meanings, or a word that is nearly one of them.
    """
    meanings = [each for each in OUTPUT_CHOICES if each in map(str, outputs)]
    if len(meanings) > 1:
        step = f"Choose one of {', '.join(OUTPUT_CHOICES)}"
        raise UsageError("the network's output has two meanings", " and ".join(meanings), "", step)
    files = tuple(each for each in outputs if str(each) not in OUTPUT_CHOICES)
    for each in map(str, files):
        meant = get_close_matches(each, OUTPUT_CHOICES, 1, 0.8)
        if meant and each.isalpha() and not Path(each).exists():
            step = f"Did you mean {meant[0]}? A folder of that name is ./{each}"
            raise UsageError("cannot use --output", each, "", step)
    return (meanings[0] if meanings else DEFAULT_OUTPUT), files


def require_network(options: NetworkChoice) -> None:
    """Refuse an exported file where the network itself is needed, before torch is loaded.

    Raises:
        ModelError: It is one.
    """
    from live_gradcam.graph.files import refuse_exported

    refuse_exported(options.model)


def open_classifier(
    options: NetworkChoice, console: Console, *, output: OutputChoice = DEFAULT_OUTPUT
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
    require_network(options)
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
        preprocessing=preprocessing_of(options),
        transform_input=options.transform_input,
        on_notice=console.note,
    )


def preprocessing_of(options: NetworkChoice) -> PreprocessingChanges | None:
    """Make one value of the options that say how pictures are prepared; ``None`` if none does.

    Raises:
        ModelError: The file cannot be used.
        UsageError: An option is not a size, a range or a number.
    """
    from live_gradcam.explain.networks.preprocessing_files import read_preprocessing
    from live_gradcam.preprocessing.changes import (
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
