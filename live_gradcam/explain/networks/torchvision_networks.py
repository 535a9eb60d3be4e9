"""Table of torchvision's classification networks: families, and the layer that is explained.

It covers every classification network of torchvision: the convolutional ones, and the vision
transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.lazy_torchvision import torchvision_models
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.wording import did_you_mean

# Small enough to cost nothing, large enough for the network with the largest stem.
_PROBE_SIZE = 96


@dataclass(frozen=True, slots=True)
class Family:
    """Properties that the networks of one family share.

    Attributes:
        pattern: Regular expression of the torchvision names.
        layer: Layer that is explained unless the user names another: the last one that still has
            spatial positions. ``-1`` stands for the last child.
        options: Builder options that the published weights were trained with.
        auxiliary: Prefixes of training-only parameters that published weights carry.
        renamed: Patterns and replacements of parameter names that published weights still have
            in an older form.
        one_size: ``True`` if each network takes images of one size only.
        size_option: The builder's option for that size, where weights of several sizes exist.
    """

    pattern: str
    layer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    auxiliary: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    one_size: bool = False
    size_option: str | None = None


_AUXILIARY_OFF = {"aux_logits": False, "init_weights": False, "transform_input": True}

FAMILIES: tuple[Family, ...] = (
    Family(r"(wide_)?resnet\d+(_2)?|resnext\d+_\d+x\d+d", "layer4"),
    Family(r"squeezenet1_[01]", "features"),
    Family(r"vgg\d+(_bn)?|alexnet", "features"),
    Family(
        r"densenet\d+",
        "features",
        renamed=((r"(\.denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2."),),
    ),
    Family(r"mobilenet_v(2|3_small|3_large)", "features"),
    Family(r"mnasnet\d_\d+", "layers"),
    Family(r"efficientnet_(b[0-7]|v2_[sml])", "features"),
    Family(r"convnext_(tiny|small|base|large)", "features"),
    Family(r"regnet_[xy]_\w+", "trunk_output"),
    Family(r"shufflenet_v2_x\d_\d", "conv5"),
    Family(r"googlenet", "inception5b", _AUXILIARY_OFF, ("aux1.", "aux2.")),
    Family(r"inception_v3", "Mixed_7c", _AUXILIARY_OFF, ("AuxLogits.",)),
    # Only the class token is classified: behind the last block no score depends on the patch
    # tokens any more. The last layer where it does is the attention of the last block, which
    # reads them through this norm (Gildenblat, pytorch-grad-cam, explains the same layer).
    Family(
        r"vit_[blh]_\d+",
        "encoder.layers.-1.ln_1",
        renamed=((r"\.mlp\.linear_1\.", ".mlp.0."), (r"\.mlp\.linear_2\.", ".mlp.3.")),
        one_size=True,
        size_option="image_size",
    ),
    # Behind the last norm the maps are (N, C, h, w) again, and the head is that of a ResNet.
    Family(r"swin_(v2_)?[tsb]", "permute"),
    Family(r"maxvit_t", "blocks.-1", one_size=True),
)


def family_of(name: str) -> Family | None:
    """Return the family of a torchvision network; ``None`` for unknown names."""
    return next((each for each in FAMILIES if re.fullmatch(each.pattern, name)), None)


def network_names() -> list[str]:
    """List the torchvision classification networks that can be explained, sorted."""
    models = torchvision_models()
    return [name for name in models.list_models(module=models) if family_of(name)]


def require_family(name: str) -> Family:
    """Return the family of a torchvision network.

    Raises:
        ModelError: torchvision has no such classification network.
    """
    models = torchvision_models()
    known = models.list_models(module=models)
    family = family_of(name)
    if family is not None and name in known:
        return family
    if name in known:
        cause = "which layer of it to explain is not known"
    else:
        cause = "there is no such network"
    hint = did_you_mean(name.replace("-", "_"), ["scenes", *network_names()])
    raise ModelError("unknown model", name, cause, f"{hint}`live-gradcam models` lists all of them")


def weights_entries(name: str) -> Any:  # noqa: ANN401
    """Return torchvision's enumeration of a network's published weights."""
    return torchvision_models().get_model_weights(name)


def published_preprocessing(name: str, side: int | None) -> Preprocessing:
    """Return a network's first published preprocessing, or the one for images of a given side."""
    recipes = [Preprocessing.from_transform(e.transforms()) for e in weights_entries(name)]
    if side is None:
        return recipes[0]
    fitting = [recipe for recipe in recipes if recipe.crop_size == side]
    return fitting[0] if fitting else replace(recipes[0], crop_size=side, resize_size=side)


def probe_size(family: Family, preprocessing: Preprocessing) -> tuple[int, int]:
    """Return height and width in pixels of the images that a network is checked with."""
    height, width = preprocessing.input_size
    if family.one_size:
        return height, width
    return min(_PROBE_SIZE, height), min(_PROBE_SIZE, width)


def build_network(name: str, class_count: int, side: int | None = None) -> nn.Module:
    """Build a torchvision network in evaluation mode, its parameters on the ``meta`` device.

    Args:
        name: torchvision's name of the network.
        class_count: Number of classes.
        side: Side in pixels of its images, where the family is built for one size.

    Raises:
        ModelError: There is no such network.
    """
    family = require_family(name)
    options = dict(family.options)
    if side is not None and family.size_option is not None:
        options[family.size_option] = side
    with _MetaParameters():
        network: nn.Module = torchvision_models().get_model(
            name, weights=None, num_classes=class_count, **options
        )
    return network.eval()


class _MetaParameters(TorchFunctionMode):
    """Creates parameters on the ``meta`` device: no memory, and no time for random numbers.

    Not `torch.device("meta")`, because some builders compute the layout of a network with tensors.
    """

    @override
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        options = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones):
            options["device"] = "meta"
        # Drawing random numbers would be pointless here, and would load the compiler first.
        if func in (Tensor.normal_, Tensor.uniform_) and args[0].is_meta:
            return args[0]
        return func(*args, **options)
