"""Choices that the command line and the Python API share, and the default of each.

Loads nothing, so that ``--help`` needs neither torch nor OpenCV.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

View: TypeAlias = Literal["crop", "stretch", "full"]
"""Part of a frame that the network is shown: torchvision's centre crop, the squeezed frame, or the
whole frame."""

Fuse: TypeAlias = Literal["mean", "max"]
"""Rule that makes one map of the maps of several layers."""

PrecisionChoice: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
"""Number format that the network's trunk runs in; ``auto`` is decided by the hardware."""

CompileChoice: TypeAlias = Literal["auto", "on", "off"]
"""Time at which the network is compiled: beside the running session, before it, or never."""

DEFAULT_MODEL = "resnet18"
DEFAULT_METHOD = "gradcam"
DEFAULT_DEVICE = "auto"
DEFAULT_PRECISION: PrecisionChoice = "auto"
DEFAULT_COMPILE: CompileChoice = "auto"
DEFAULT_VIEW: View = "crop"
DEFAULT_FUSE: Fuse = "mean"
DEFAULT_TOP_K = 3
DEFAULT_COLORMAP = "turbo"
DEFAULT_OPACITY = 0.6
DEFAULT_CURVE_STEPS = 20
DEFAULT_SEED = 0
DEFAULT_SCENES = 64
