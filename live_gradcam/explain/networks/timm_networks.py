"""Networks of the optional library timm: their weights, their layers and their preprocessing.

timm downloads its own weights (into the Hugging Face hub's cache, verified by hashes). Because it
retries for most of a minute, whether the server answers at all is checked first. A user's file is
read by `checkpoint.read_checkpoint`, never by timm.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import Checkpoint, read_checkpoint
from live_gradcam.explain.networks.download import cached_path, require_server
from live_gradcam.explain.networks.inside_labels import take_labels
from live_gradcam.explain.networks.last_layer import find_last_layer, puts_out_maps
from live_gradcam.explain.networks.places import Places
from live_gradcam.explain.networks.preprocessing_files import convert_timm
from live_gradcam.explain.networks.spec import (
    IMAGENET_CLASSES,
    TIMM_PREFIX,
    LayoutChoice,
    NetworkSpec,
)
from live_gradcam.explain.networks.state_dict import FittedNetwork, fit_weights
from live_gradcam.explain.omp import short_lived_thread, torch_threads
from live_gradcam.explain.tracing import keep_whole
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.wording import did_you_mean, install_step

_SAFE_FILE = "model.safetensors"

LAYERS: Mapping[str, str] = {
    # Convolutional networks: the last maps, behind the last norm and activation where these stand
    # before the pooling. Grouped by what follows: pooling and one linear layer, first.
    "ByobNet": "final_conv",
    "CspNet": "stages",
    "DLA": "level5",
    "DenseNet": "features",
    "EfficientFormerV2": "norm",
    "EfficientNet": "bn2",
    "FastVit": "final_conv",
    "HighResolutionNet": "final_layer",
    "InceptionV4": "features",
    "NormFreeNet": "final_act",
    "PyramidVisionTransformerV2": "stages",
    "RegNet": "final_conv",
    "RepVit": "stages",
    "ResNet": "layer4",
    "ResNetV2": "norm",
    "StarNet": "norm",
    "XceptionAligned": "act",
    "ConvNeXt": "stages",
    "DaVit": "stages",
    "EdgeNeXt": "stages",
    "EfficientVit": "stages",
    "FocalNet": "norm",
    "GhostNet": "blocks",
    "MaxxVit": "norm",
    "MetaFormer": "stages",
    "MobileNetV3": "blocks",
    "MobileNetV5": "msfa",
    "RDNet": "dense_stages",
    "TinyVit": "stages",
    "VGG": "features",
    # Channels-last maps.
    "MambaOut": "stages",
    "SwinTransformer": "norm",
    "SwinTransformerV2": "norm",
    # Tokens. Where a class token is read by the last block's attention, its first norm is the last
    # layer that every patch's token matters in, see `torchvision_networks`.
    "Beit": "blocks.-1.norm1",
    "ConVit": "blocks.-1.norm1",
    "Eva": "blocks.-1.norm1",
    "NaFlexVit": "blocks.-1.norm1",
    "VisionTransformer": "blocks.-1.norm1",
    "VisionTransformerDistilled": "blocks.-1.norm1",
    "VisionTransformerRelPos": "blocks.-1.norm1",
    # Tokens of patches alone: averaged, or read by a class token that comes later.
    "Cait": "blocks",
    # Its tokens come in mask units, single positions from the last pooling on: row by row.
    "Hiera": "blocks.-1",
    "LevitDistilled": "stages",
    "MlpMixer": "norm",
    "MultiScaleVit": "norm",
    "Twins": "norm",
    "Xcit": "blocks.-1",
}
"""Layer that is explained, by the class of the network."""


def load_timm(name: str, path: Path | None, state: str | None = None) -> NetworkSpec:
    """Load a network of timm.

    Args:
        name: timm's name, with or without the tag of the weights (``resnet18.a1_in1k``).
        path: A user's checkpoint; ``None`` takes timm's weights.
        state: Key of the set of weights to take from a checkpoint that has several.

    Raises:
        ModelError: timm is not installed or does not know the name, the weights cannot be
            downloaded or do not fit, or the network cannot be explained.
    """
    timm = _import_timm(name)
    _require_name(timm, name)
    labels: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    channels, normalisation = 3, None
    if path is None:
        network, origin = _build_published(timm, name), "timm's weights"
    else:
        checkpoint = read_checkpoint(path, state=state)
        fitted = _build_with_weights(timm, name, checkpoint, path)
        network, channels, origin = fitted.network, fitted.in_channels, f"the file {path}"
        normalisation = fitted.normalisation
        labels, said = take_labels(checkpoint.inside_labels, fitted.class_count, str(path))
        said = (*checkpoint.notes, *fitted.notes, *said)
        notes = tuple(f"{path.name}: {note}" for note in said)
    spec = describe_timm(network, name)
    if normalisation is not None:
        spec = replace(spec, preprocessing=normalisation.apply(spec.preprocessing))
    labels = labels if labels is not None else _imagenet_labels(timm, network)
    return replace(spec, labels=labels, origin=origin, in_channels=channels, notes=notes)


def build_timm(name: str, channels: int) -> nn.Module:
    """Build a network of timm without its weights.

    Args:
        name: timm's name.
        channels: Number of channels of its images.

    Raises:
        ModelError: timm is not installed or does not know the name, or the network cannot be built.
    """
    timm = _import_timm(name)
    _require_name(timm, name)
    try:
        with torch_threads(1):
            network: nn.Module = timm.create_model(name, pretrained=False, in_chans=channels)
    except Exception as exc:  # a network may refuse a number of channels in any way
        cause = str(exc).partition("\n")[0] or type(exc).__name__
        raise ModelError("cannot build network", f"timm:{name}", cause) from exc
    return network.eval().requires_grad_(False)


def describe_timm(network: nn.Module, name: str) -> NetworkSpec:
    """Describe a network that timm built: its layer and its preprocessing.

    Args:
        network: Put into evaluation mode.
        name: timm's name.

    Raises:
        ModelError: It cannot be explained, or its preprocessing has no equivalent.
    """
    timm = _import_timm(name)
    network = network.eval().requires_grad_(False)
    config = timm.data.resolve_data_config(model=network)
    preprocessing = convert_preprocessing(config, name)
    layer, layout, prefix = _choose(network, name, preprocessing)
    return NetworkSpec(
        name=f"{TIMM_PREFIX}{name}",
        network=network,
        layer=layer,
        labels=None,
        preprocessing=preprocessing,
        origin="timm",
        probe_size=preprocessing.input_size,
        layout=layout,
        prefix_tokens=prefix,
    )


def _choose(
    network: nn.Module, name: str, preprocessing: Preprocessing
) -> tuple[str, LayoutChoice, int | None]:
    """Return the layer to explain, its layout and its number of tokens before the patches."""
    try:
        layer, layout = choose_layer(network, name)
    except ModelError:
        layer, layout = "", "maps"
    if layout != "maps":
        prefix = getattr(network, "num_prefix_tokens", 0) if layer.endswith("norm1") else 0
        return layer, layout, prefix
    generator = torch.Generator().manual_seed(0)
    channels = len(preprocessing.planes)
    pixels = torch.randn(1, channels, *preprocessing.input_size, generator=generator)
    if layer and puts_out_maps(network, layer, pixels):
        return layer, "auto", None
    last = find_last_layer(network, pixels)
    return last.name, "auto", last.prefix_tokens


def count_timm() -> int | None:
    """Return the number of networks of the installed timm; ``None`` if it is not installed."""
    try:
        import timm
    except ImportError:
        return None
    return len(timm.list_models())


def choose_layer(network: nn.Module, name: str) -> tuple[str, LayoutChoice]:
    """Return the layer of a network to explain, and its layout.

    For a network whose class is not in the table, that is timm's own last feature map.

    Raises:
        ModelError: timm names no feature map either.
    """
    known = LAYERS.get(type(network).__name__)
    # Behind the last norm no score depends on the patches any more where a class token is read.
    blind = known == "norm" and getattr(network, "global_pool", None) == "token"
    if known is not None and not blind:
        return known, "auto"
    features = None if blind else getattr(network, "feature_info", None)
    try:
        return str(features[-1]["module"]), "maps"  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        cause = f"which layer of a {type(network).__name__} to explain is not known"
        step = 'Name one in Python: load_classifier(..., layer="...")'
        raise ModelError("cannot explain network", f"timm:{name}", cause, step) from None


def convert_preprocessing(config: Mapping[str, Any], name: str) -> Preprocessing:
    """Convert timm's evaluation transform.

    Args:
        config: Result of timm's ``resolve_data_config``.
        name: The network, for messages.

    Raises:
        ModelError: `Preprocessing` has no equivalent of the transform.
    """
    return convert_timm(config, f"of timm:{name}").apply(Preprocessing())


def _import_timm(name: str) -> Any:  # noqa: ANN401 - an optional library without types
    try:
        timm = importlib.import_module("timm")
        models = importlib.import_module("timm.models")
    except ImportError as exc:
        step = install_step("timm")
        raise ModelError("cannot load network", f"timm:{name}", "timm is missing", step) from exc
    keep_whole(models.get_notrace_modules(), models.get_notrace_functions())
    return timm


def _require_name(timm: Any, name: str) -> None:  # noqa: ANN401
    base, _, tag = name.partition(".")
    known = timm.list_models()
    tags = [each for each in timm.list_pretrained(f"{base}.*")]
    if base in known and (not tag or name in tags):
        return
    hint = did_you_mean(name, tags if base in known else known, prefix="timm:")
    raise ModelError(
        "unknown model",
        f"timm:{name}",
        "timm has no such weights of it" if base in known else "timm has no such network",
        f"{hint}In Python, timm.list_models() lists all of them",
    )


def _build_published(timm: Any, name: str) -> nn.Module:  # noqa: ANN401
    config = timm.get_pretrained_cfg(name)
    step = "Give a file with --weights FILE"
    if config is None or not config.has_weights:
        cause = "timm publishes no weights of it"
        raise ModelError("cannot load network", f"timm:{name}", cause, step)
    if not config.num_classes:
        cause = "timm's weights of it have no classes, only features"
        raise ModelError("cannot load network", f"timm:{name}", cause, step)
    overlay = None
    if config.hf_hub_id:
        from huggingface_hub import constants, hf_hub_url, try_to_load_from_cache

        repository, _, revision = config.hf_hub_id.partition("@")
        file = config.hf_hub_filename or _SAFE_FILE
        url = hf_hub_url(repository, file, revision=revision or None)
        found = try_to_load_from_cache(repository, file, revision=revision or None)
        if isinstance(found, str) and found.endswith(".safetensors") and not config.custom_load:
            overlay = {"file": found}  # no server is asked for a newer one
        elif not isinstance(found, str) and not constants.HF_HUB_OFFLINE:
            require_server(url, name=f"timm:{name}")
    else:
        url = config.url
        if not cached_path(url).is_file():
            require_server(url, name=f"timm:{name}")
    try:
        with torch_threads(1):
            network: nn.Module = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay
            )
    except Exception as exc:  # the hub, the network and the file each fail in their own ways
        cause = str(exc).partition("\n")[0] or type(exc).__name__
        raise ModelError(f"cannot load the weights of timm:{name}", url, cause, step) from exc
    return network


@short_lived_thread
def _build_with_weights(
    timm: Any,  # noqa: ANN401
    name: str,
    checkpoint: Checkpoint,
    path: Path,
) -> FittedNetwork:
    config = timm.get_pretrained_cfg(name)
    head = getattr(config, "classifier", None) or ()
    heads = (head,) if isinstance(head, str) else tuple(head)
    options: dict[str, Any] = {"pretrained": False}
    for key in heads:
        last = next((t for n, t in checkpoint.tensors.items() if _is_weight_of(n, key)), None)
        if last is not None and last.ndim:
            options["num_classes"] = last.shape[0]
    try:
        network: nn.Module = timm.create_model(name, **options)
    except Exception as exc:  # a network may refuse a number of classes in any way
        cause = str(exc).partition("\n")[0] or type(exc).__name__
        raise ModelError("cannot build network", f"timm:{name}", cause) from exc
    # A network with two heads is fitted as it is: what both of them read is not known.
    stem = getattr(config, "first_conv", None)
    places = Places(stem if isinstance(stem, str) else "", heads[0] if len(heads) == 1 else "")
    fitted = fit_weights(network.eval(), f"timm:{name}", checkpoint, path, places)
    count = fitted.class_count or int(getattr(network, "num_classes", 0))
    if hasattr(network, "num_classes"):
        network.num_classes = count  # type: ignore[assignment]
    return replace(fitted, class_count=count)


def _is_weight_of(name: str, layer: str) -> bool:
    return name == f"{layer}.weight" or name.endswith(f".{layer}.weight")


def _imagenet_labels(timm: Any, network: nn.Module) -> tuple[str, ...] | None:  # noqa: ANN401
    if getattr(network, "num_classes", 0) != IMAGENET_CLASSES:
        return None
    return tuple(timm.data.ImageNetInfo("imagenet-1k").label_descriptions())
