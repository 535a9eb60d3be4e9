"""Every method that makes maps, once: the engine, the command line, the page, the README read this.

``A`` is what the explained layer puts out, ``(C, h, w)``; ``y_c`` the score of class c before the
softmax; ``G = dy_c / dA``; sums and means without an index run over all places. Maps are signed:
what is below zero is cut off where they are drawn, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal, TypeAlias

from live_gradcam.errors import UsageError

Kind: TypeAlias = Literal["gradient", "activation", "head forwards", "network forwards"]
"""What a map is made from: one gradient, the activations alone, or more forwards of a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One row of the table.

    Attributes:
        name: What ``--method`` takes.
        title: The name in its paper.
        paper: Identifier on arXiv; a DOI where it is not there.
        definition: The map of class c, exactly as it is computed here.
        kind: What it is made from.
        unit: Of the map: ``logits`` only where a place's number is a contribution to a score.
        contrasts: Linear in the gradient of the score, so that the map of ``y_a - y_b`` is the
            difference of the maps.
        complete: At a layer with only average pooling and one Linear behind it, the map's sum plus
            the class's bias is the class's score.
        class_specific: The map depends on the class.
        note: What is to be known beside the definition, a sentence or two.
    """

    name: str
    title: str
    paper: str
    definition: str
    kind: Kind = "gradient"
    unit: str = "logits"
    contrasts: bool = False
    complete: bool = False
    class_specific: bool = True
    note: str = ""

    @property
    def link(self) -> str:
        """Address of the paper."""
        host = "https://doi.org" if self.paper.startswith("10.") else "https://arxiv.org/abs"
        return f"{host}/{self.paper}"


_TABLE = (
    Method(
        name="gradcam",
        title="Grad-CAM",
        paper="1610.02391",
        definition="sum_k mean(G_k) A_k",
        contrasts=True,
        complete=True,
    ),
    Method(
        name="gradcam++",
        title="Grad-CAM++",
        paper="1710.11063",
        definition="sum_k w_k A_k, "
        "w_k = sum(max(G_k, 0) G_k^2 / (2 G_k^2 + sum(A_k) G_k^3 + 1e-6))",
        unit="arbitrary",
        note="As in pytorch-grad-cam; the 1e-6 matters where gradients are small. In "
        "torchcam 0.5 the division takes no effect: w_k = sum(max(G_k, 0) G_k^2).",
    ),
    Method(
        name="hirescam",
        title="HiResCAM",
        paper="2011.08891",
        definition="sum_k G_k A_k",
        contrasts=True,
        complete=True,
    ),
    Method(
        name="xgradcam",
        title="XGrad-CAM",
        paper="2008.02312",
        definition="sum_k w_k A_k, w_k = sum(G_k A_k) / (sum(A_k) + 1e-7)",
        contrasts=True,
        complete=True,
        note="Meant for rectified layers: elsewhere sum(A_k) can come near zero.",
    ),
    Method(
        name="layercam",
        title="LayerCAM",
        paper="10.1109/TIP.2021.3089943",
        definition="sum_k max(G_k, 0) A_k",
        unit="arbitrary",
        note="Falling gradients are left out, so that the map does not add up to a score.",
    ),
    Method(
        name="eigencam",
        title="Eigen-CAM",
        paper="2008.00299",
        definition="B v, B = A as (places, C) minus its mean over places, v its first right "
        "singular vector",
        kind="activation",
        unit="activation",
        class_specific=False,
        note="The same for every class. The sign, arbitrary in the paper and in pytorch-grad-cam, "
        "is the one that goes with the mean activation.",
    ),
    Method(
        name="scorecam",
        title="Score-CAM",
        paper="1910.01279",
        definition="sum_k w_k A_k, w = softmax_k(y_c(x * M_k)), M_k = A_k enlarged to the input x "
        "(bilinear, corners aligned), then min-max to 0..1",
        kind="network forwards",
        unit="activation",
        note="One forward of the network for each channel: slow. torchcam brings A_k to 0..1 "
        "before it is enlarged, corners not aligned.",
    ),
    Method(
        name="ablationcam",
        title="Ablation-CAM",
        paper="10.1109/WACV45572.2020.9093360",
        definition="sum_k w_k A_k, w_k = (y_c - y_c with A_k = 0) / y_c",
        kind="head forwards",
        unit="activation",
        note="One forward of the head for each channel, a closed form at a ResNet's last layer. "
        "pytorch-grad-cam takes min(A) - 1e7 for 0 where A is not rectified. A score of 0 has "
        "no map.",
    ),
    Method(
        name="finercam",
        title="Finer-CAM",
        paper="2501.11309",
        definition="Grad-CAM of sum_i p_i (y_c - y_i) / (sum_i p_i + 1e-9), i the 3 classes with "
        "the nearest scores, p the softmax",
        note="As in pytorch-grad-cam, with the gradient through p. A contrast by itself.",
    ),
)

METHODS: MappingProxyType[str, Method] = MappingProxyType({each.name: each for each in _TABLE})
"""Every method by its name, the default one first."""

QUICK_METHODS = tuple(each.name for each in _TABLE if each.kind in ("gradient", "activation"))
"""The methods that need no more forwards than one: those that keep up with a camera."""


def require_method(name: str) -> Method:
    """The method of this name.

    Raises:
        UsageError: There is none.
    """
    method = METHODS.get(name)
    if method is None:
        near = get_close_matches(name.lower(), METHODS, 3, 0.5)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError("unknown method", name, "", f"{hint}Choose from {', '.join(METHODS)}")
    return method


def methods_markdown() -> str:
    """The table for the README."""
    rows = ["| `--method` | paper | map of class c | unit |", "|---|---|---|---|"]
    for method in _TABLE:
        definition = f"`{method.definition}`"
        rows.append(
            f"| `{method.name}` | [{method.title}]({method.link}) | {definition} | {method.unit} |"
        )
    return "\n".join(rows) + "\n"
