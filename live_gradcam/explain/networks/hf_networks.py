"""Image classification networks of the optional library transformers, from a folder or the hub.

transformers builds the network and renames the tensors of older versions; the files themselves are
read by `hf_files` and `checkpoint.read_checkpoint`. Settings that would make transformers fetch or
run something are left out of the configuration.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import read_checkpoint
from live_gradcam.explain.networks.hf_files import HF_PREFIX, Repository, missing_library
from live_gradcam.explain.networks.labels import Labels, tidy_labels
from live_gradcam.explain.networks.last_layer import find_last_layer
from live_gradcam.explain.networks.preprocessing_files import convert_record
from live_gradcam.explain.networks.spec import NetworkSpec
from live_gradcam.explain.omp import torch_threads
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.wording import did_you_mean

_WHAT = "cannot use the Hugging Face network"
# What these say concerns training, or would load a library, or another repository.
_LEFT_OUT = frozenset(
    {
        "auto_map",
        "attn_implementation",
        "dtype",
        "torch_dtype",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "use_kernels",
        "name_or_path",
    }
)
_LARGEST_NUMBER = 1 << 20


def load_hf(name: str, weights: Path | None) -> NetworkSpec:
    """Load a Hugging Face network.

    Args:
        name: A folder, or the hub's name ``owner/network``, with ``@revision`` if wanted.
        weights: A user's checkpoint for it; ``None`` takes the repository's.

    Raises:
        ModelError: transformers is not installed, the repository cannot be read, it is no image
            classification network, the weights do not fit, or it cannot be explained.
    """
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as exc:
        raise missing_library(name) from exc
    repository = Repository.find(name)
    settings = repository.read_json("config.json")
    kind = _network_class(transformers, repository, settings)
    processing = repository.read_optional_json("preprocessor_config.json")
    if weights is None:
        tensors, path, notes = repository.read_weights()
    else:
        checkpoint = read_checkpoint(weights)
        tensors, path, notes = checkpoint.tensors, weights, checkpoint.notes
    config = _configure(kind, repository, settings, len(tensors))
    network = _fill(kind, config, tensors, path, f"{HF_PREFIX}{name}")
    where = f"{HF_PREFIX}{name}"
    preprocessing, assumed = _prepare(settings, processing, where)
    side, channels = preprocessing.input_size, len(preprocessing.planes)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, channels, *side, generator=generator)
    last = find_last_layer(network, pixels, patches=_patches(settings, side))
    return NetworkSpec(
        name=where,
        network=network,
        layer=last.name,
        labels=_labels(settings, str(path)),
        preprocessing=preprocessing,
        origin=f"the file {path}",
        probe_size=side,
        layout="auto" if last.prefix_tokens is None else "tokens",
        prefix_tokens=last.prefix_tokens,
        notes=(*notes, *assumed),
        is_own=True,
    )


def _prepare(
    settings: Mapping[str, Any], processing: Mapping[str, Any] | None, where: str
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return the preprocessing that the processor says, and what had to be assumed."""
    size = settings.get("image_size")
    height, width = size if isinstance(size, (list, tuple)) and len(size) == 2 else (size, size)
    usual = Preprocessing().for_channels(int(settings.get("num_channels") or 3))
    if isinstance(height, int) and isinstance(width, int):
        short = min(height, width)
        crop = height if height == width else (height, width)
        usual = replace(usual, resize_size=round(short * 256 / 224), crop_size=crop)
    if processing is None:
        note = f"{where} does not say how its pictures are prepared: {usual.describe()} is taken"
        return usual, (note,)
    return convert_record(processing, where).apply(usual), ()


def _network_class(
    transformers: Any,  # noqa: ANN401 - a library without types for its lazy names
    repository: Repository,
    settings: Mapping[str, Any],
) -> Any:  # noqa: ANN401
    """Return the class of an image classification network; code of the repository's own is none."""
    where = f"{HF_PREFIX}{repository.name}"
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    known: dict[str, tuple[str, ...]] = {
        model: (names,) if isinstance(names, str) else tuple(names)
        for model, names in auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.items()
    }
    model_type = settings.get("model_type")
    if model_type is None and "architecture" in settings:
        step = f"Give it as --model timm:{settings['architecture']} --weights FILE"
        raise ModelError(_WHAT, where, "it is a network of timm", step)
    if model_type == "timm_wrapper":
        step = f"Give it as --model timm:{settings.get('architecture', 'NAME')}"
        raise ModelError(_WHAT, where, "it is a network of timm", step)
    if settings.get("quantization_config"):
        raise ModelError(_WHAT, where, "its weights are quantised", "Choose one that is not")
    if model_type not in known:
        if settings.get("auto_map"):
            cause = "it brings Python code of its own, which is never run"
            step = "Build it in Python and hand it to Classifier.from_module(...)"
            raise ModelError(_WHAT, where, cause, step)
        cause = f"{model_type!r} is no image classification network of transformers"
        hint = did_you_mean(str(model_type), list(known))
        raise ModelError(_WHAT, where, cause, hint)
    wanted = [str(each) for each in settings.get("architectures") or ()]
    names = known[str(model_type)]
    chosen = next((each for each in wanted if each in names), None)
    if chosen is None and wanted:
        cause = f"it is a {wanted[0]}, which names no classes"
        raise ModelError(_WHAT, where, cause, f"Give a {names[0]}")
    return getattr(transformers, chosen or names[0])


def _configure(
    kind: Any,  # noqa: ANN401
    repository: Repository,
    settings: Mapping[str, Any],
    tensors: int,
) -> Any:  # noqa: ANN401
    where = f"{HF_PREFIX}{repository.name}"
    chosen = {k: v for k, v in settings.items() if k not in _LEFT_OUT and not k.startswith("_")}
    # A network is built before its weights are compared: no size may be beyond all reason.
    for key, value in chosen.items():
        numbers = value if isinstance(value, list) else [value]
        for number in numbers:
            too_large = isinstance(number, (int, float)) and abs(number) > _LARGEST_NUMBER
            counts = "layers" in key or key == "depths"
            if too_large or (counts and isinstance(number, int) and number > tensors):
                cause = f"its {key} is {number}, and its weights are {tensors} tensors"
                raise ModelError(_WHAT, where, cause, "Download it again")
    try:
        return kind.config_class.from_dict(chosen)
    except Exception as exc:  # settings of the wrong kind fail in every way there is
        cause = f"its configuration is not understood ({_first_line(exc)})"
        raise ModelError(_WHAT, where, cause) from exc


def _fill(
    kind: Any,  # noqa: ANN401
    config: Any,  # noqa: ANN401
    tensors: dict[str, Tensor],
    path: Path,
    name: str,
) -> nn.Module:
    """Build the network with exactly these weights."""
    what, where = "cannot use weights", str(path)
    try:
        with _silence(), torch_threads(1):
            network, report = kind.from_pretrained(
                None,
                config=config,
                state_dict=tensors,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                attn_implementation="eager",  # torch cannot differentiate the fused one twice
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
            )
    except Exception as exc:  # a network may refuse its settings in any way
        raise ModelError(_WHAT, name, f"it cannot be built ({_first_line(exc)})") from exc
    problems = []
    for key, words in (("missing_keys", "missing"), ("unexpected_keys", "unknown")):
        found = sorted(map(str, report[key]))
        if found:
            problems.append(f"{len(found)} tensors are {words}, e.g. {found[0]!r}")
    for mismatch in sorted(map(str, report["mismatched_keys"]))[:1]:
        problems.append(f"{len(report['mismatched_keys'])} have another shape, e.g. {mismatch}")
    if problems:
        cause = f"they do not fit {type(network).__name__}: {'; '.join(problems)}"
        raise ModelError(what, where, cause, "Give the weights of this very network")
    return _logits_only(network.eval().requires_grad_(False))


def _logits_only(network: nn.Module) -> nn.Module:
    """Let a network of our own put out its logits alone, under its own layers' names."""
    kind: Any = type(network)

    class LogitsOnly(kind):  # type: ignore[misc]
        def forward(self, pixel_values: Tensor) -> Tensor:
            logits: Tensor = super().forward(pixel_values=pixel_values, return_dict=True).logits
            return logits

    LogitsOnly.__name__ = LogitsOnly.__qualname__ = kind.__name__
    network.__class__ = LogitsOnly
    return network


@contextmanager
def _silence() -> Iterator[None]:
    """Keep transformers' bars and reports off the terminal; what they say is an error of ours."""
    logging = importlib.import_module("transformers.utils.logging")
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _patches(settings: Mapping[str, Any], size: tuple[int, int]) -> int | None:
    """Return the number of patch tokens of a plain vision transformer."""
    patch = settings.get("patch_size")
    if not isinstance(patch, int) or "num_hidden_layers" not in settings or patch < 1:
        return None
    return (size[0] // patch) * (size[1] // patch)


def _labels(settings: Mapping[str, Any], where: str) -> Labels:
    names = settings.get("id2label")
    if not isinstance(names, Mapping) or not names:
        return None
    tidy = tidy_labels(names, where)
    unnamed = all(name == f"LABEL_{index}" for index, name in enumerate(tidy))
    return None if unnamed else tidy


def _first_line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0][:200] or type(exc).__name__
