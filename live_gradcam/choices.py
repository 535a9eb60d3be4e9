"""Choices that the command line, the keys, the page and the Python API offer, and their defaults.

Loads nothing, so that ``--help`` needs neither torch nor OpenCV, and every front door can make its
controls from them, in their order.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

View: TypeAlias = Literal["crop", "stretch", "full"]
"""Part of a frame that the network is shown: torchvision's centre crop, the squeezed frame, or the
whole frame."""

VIEWS: tuple[View, ...] = get_args(View)
"""The views, in the order in which a key walks through them."""

Layout: TypeAlias = Literal["heatmap", "side-by-side", "plain"]
"""Heat on the image, the untouched image beside it, or no heat at all."""

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""The layouts, in the order in which a key walks through them."""

FILM_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"),
    *(".m2ts", ".mts", ".ts", ".wmv", ".flv", ".ogv", ".3gp", ".y4m"),
)
"""Endings of films, where nothing but the name says what a file is."""

HudLayout: TypeAlias = Literal["normal", "stage", "expert"]
"""What is written beside the picture: the best labels with a legend, one large sentence for an
audience, or every figure there is."""

HUD_LAYOUTS: tuple[HudLayout, ...] = get_args(HudLayout)
"""The layouts of what is written, in the order in which a key walks through them."""

StreamFormat: TypeAlias = Literal["jsonl", "rawvideo", "y4m", "matroska"]
"""What goes to standard output: records, pictures as they are, or a film while it is made."""

ColormapName: TypeAlias = Literal[
    "inferno", "turbo", "viridis", "magma", "plasma", "cividis", "jet", "hot"
]
"""Name of a colour map; `live_gradcam.show.heat` says which colours it has."""

COLORMAP_NAMES: tuple[ColormapName, ...] = get_args(ColormapName)
"""The colour maps, in the order in which a key walks through them."""

Fuse: TypeAlias = Literal["mean", "max"]
"""Rule that makes one map of the maps of several layers."""

Resample: TypeAlias = Literal["torch", "pil"]
"""Library that resizes: ``torch``, fast, within one grey level of PIL; ``pil``, exactly PIL's."""

OutputChoice: TypeAlias = Literal["auto", "softmax", "sigmoid", "probabilities", "raw"]
"""Meaning of a network's output: scores of which one class is true (``softmax``) or of which each
is true or not (``sigmoid``), ``probabilities`` already, or ``raw`` numbers; ``auto`` takes what can
be proven, and ``softmax`` for several scores."""

OUTPUT_CHOICES: tuple[OutputChoice, ...] = get_args(OutputChoice)

FloatPrecisionChoice: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
PrecisionChoice: TypeAlias = Literal["auto", "fp32", "bf16", "fp16", "int8"]
"""Number format that the network's trunk runs in; ``auto`` is decided by the hardware, and never
``int8``, which is that of an exported file."""

EngineChoice: TypeAlias = Literal["auto", "torch", "openvino", "onnxruntime"]
"""What runs the network: ``torch``, or its exported graph in another engine; ``auto`` measures
which of those that are installed is fastest here."""

ExportPrecision: TypeAlias = Literal["fp32", "fp16", "int8"]
"""Number format of the trunk in an exported file."""

CompileChoice: TypeAlias = Literal["auto", "on", "off"]
"""Time at which the network is compiled: beside the running session, before it, or never."""

Preset: TypeAlias = Literal["stage", "kiosk", "paper", "audit"]
"""A use that sets several options at once; `live_gradcam.cli.presets` says which."""

MeasuringPreset: TypeAlias = Literal["paper", "audit"]
"""The presets of commands that show nothing live."""

METHOD_NAMES = (
    *("gradcam", "gradcam++", "hirescam", "xgradcam", "layercam"),
    *("eigencam", "scorecam", "ablationcam", "finercam"),
)
"""The methods, the default one first; `live_gradcam.explain.methods` computes them."""

DEFAULT_MODEL = "resnet18"
DEFAULT_METHOD = "gradcam"
DEFAULT_DEVICE = "auto"
DEFAULT_PRECISION: PrecisionChoice = "auto"
DEFAULT_ENGINE: EngineChoice = "auto"
DEFAULT_COMPILE: CompileChoice = "auto"
DEFAULT_OUTPUT: OutputChoice = "auto"
DEFAULT_THRESHOLD = 0.5
DEFAULT_VIEW: View = "crop"
DEFAULT_RESAMPLE: Resample = "torch"
DEFAULT_FUSE: Fuse = "mean"
DEFAULT_TOP_K = 3
DEFAULT_HUD_LAYOUT: HudLayout = "normal"
# Perceptual, and seen by everybody: see scripts/colormaps.py.
DEFAULT_COLORMAP: ColormapName = "inferno"
DEFAULT_OPACITY = 0.6
DEFAULT_CURVE_STEPS = 20
DEFAULT_SEED = 0
DEFAULT_SCENES = 64
