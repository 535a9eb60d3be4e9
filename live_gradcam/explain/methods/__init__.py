"""The methods that make maps, one class in a module of its own each.

- `registry`: the methods that there are, found in the other modules; tables are made from it.
- `base`: the interface `Method`, and `GradientMethod` for those made from one gradient.
- `grad_cam`, `grad_cam_plus_plus`, `hires_cam`, `xgrad_cam`, `layer_cam`, `finer_cam`: made from
  one gradient.
- `eigen_cam`: made from the activations alone.
- `ablation_cam`, `score_cam`: made from one more forward for each channel, of the head or of the
  whole network.

To add a method, add a module with a subclass of `Method` or `GradientMethod` and its class
attributes, and a test beside those of the others. It is then found by name everywhere: in the
command line and its help, in `Explainer`, in the window, on the page and in evaluations.
"""

from live_gradcam.explain.methods.base import GradientMethod, Method, OnForwards
from live_gradcam.explain.methods.registry import (
    METHOD_FACTS,
    METHODS,
    QUICK_METHODS,
    methods_markdown,
    require_method,
)

__all__ = [
    "METHODS",
    "METHOD_FACTS",
    "QUICK_METHODS",
    "GradientMethod",
    "Method",
    "OnForwards",
    "methods_markdown",
    "require_method",
]
