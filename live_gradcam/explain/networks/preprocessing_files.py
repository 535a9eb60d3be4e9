"""Preprocessing as files have it: Hugging Face's, timm's, and our own, read as they are.

- Hugging Face: ``preprocessor_config.json`` of an image processor
- timm: ``config.json`` of a model on the hub, its ``pretrained_cfg``, or a resolved data config
- our own: the fields of `Preprocessing`, as many of them as need be
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from live_gradcam.errors import ModelError
from live_gradcam.preprocessing.changes import PreprocessingChanges, parse_range
from live_gradcam.preprocessing.channels import natural_channels
from live_gradcam.preprocessing.settings import Interpolation, Size
from live_gradcam.wording import did_you_mean

_WHAT = "cannot use the preprocessing"
_SIZE_LIMIT = 1 << 20

_HUGGING_FACE = ("image_processor_type", "feature_extractor_type", "image_mean", "do_resize")
_TIMM = ("crop_pct", "crop_mode", "test_input_size", "fixed_input_size", "pool_size")
_FILTERS: Mapping[int, Interpolation] = {
    # PIL's numbers.
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
_OWN = {
    "input_size": "input_size",
    "crop_size": "input_size",
    "size": "input_size",
    "resize": "resize_size",
    "resize_size": "resize_size",
    "mean": "mean",
    "std": "std",
    "channels": "channels",
    "range": "value_range",
    "value_range": "value_range",
    "interpolation": "interpolation",
    "resample": "resample",
    "antialias": "",  # always so
}


def read_preprocessing(path: Path) -> PreprocessingChanges:
    """Read a preprocessing from a JSON file of any of the known forms.

    Raises:
        ModelError: The file cannot be read, or says what cannot be done here.
    """
    where = str(path)
    try:
        if path.is_file() and path.stat().st_size > _SIZE_LIMIT:
            raise ModelError(_WHAT, where, "the file is too large for a few numbers")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as exc:
        raise ModelError(_WHAT, where, "there is no such file", "Check the path") from exc
    except OSError as exc:
        cause = "it is a folder" if path.is_dir() else exc.strerror or str(exc)
        raise ModelError(_WHAT, where, cause) from exc
    except (ValueError, RecursionError) as exc:
        raise ModelError(_WHAT, where, f"it is not valid JSON ({exc})") from exc
    if not isinstance(content, Mapping):
        raise ModelError(_WHAT, where, f"it holds {type(content).__name__}, not an object")
    return convert_record(content, where)


def convert_record(record: Mapping[str, Any], where: str) -> PreprocessingChanges:
    """Convert a preprocessing of any of the known forms.

    Args:
        record: Content of such a file.
        where: Source of it, for messages.

    Raises:
        ModelError: It says what cannot be done here, or is none of the forms.
        UsageError: It names channels that do not exist.
    """
    for inner in ("preprocessing", "pretrained_cfg", "image_processor"):
        if isinstance(record.get(inner), Mapping):
            return convert_record(record[inner], where)
    try:
        if any(name in record for name in _HUGGING_FACE):
            return convert_processor(record, where)
        if any(name in record for name in _TIMM):
            return convert_timm(record, where)
        return _convert_own(record, where)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as exc:
        raise ModelError(_WHAT, where, f"a value is not what it should be ({exc})") from exc


def convert_processor(record: Mapping[str, Any], where: str) -> PreprocessingChanges:
    """Convert the settings of a Hugging Face image processor, ``preprocessor_config.json``.

    Raises:
        ModelError: It pads pictures, or names a filter that does not exist.
    """
    kind = str(record.get("image_processor_type") or record.get("feature_extractor_type") or "")
    if record.get("do_pad"):
        raise ModelError(_WHAT, where, "it pads pictures, which is not supported")
    resize, crop = _processor_sizes(record, kind, where)
    low, high = 0.0, 1.0
    factor = record.get("rescale_factor")
    if record.get("do_rescale", True) is not False and factor is not None:
        high = 255.0 * float(factor)
        # Rounded as 0.00392156862745098 is written, 1/255 is still 1/255.
        high = round(high) if math.isclose(high, round(high), abs_tol=1e-6) else high
        if record.get("rescale_offset"):
            low, high = -1.0, high - 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    if record.get("do_normalize", not kind.lower().startswith("mobilevit")) is not False:
        mean = _numbers(record.get("image_mean"), (0.5,))
        std = _numbers(record.get("image_std"), (0.5,))
    if kind.lower().startswith("efficientnet") and record.get("include_top", True):
        # The processor divides by std once more for networks that classify.
        scale = _numbers(record.get("image_std"), (0.5,))
        pairs = std if len(std) >= len(scale) else std * len(scale)
        std = tuple(a * b for a, b in zip(pairs, scale * len(pairs), strict=False))
        mean = mean * len(std) if len(mean) == 1 else mean
    filter_number = record.get("resample")
    if filter_number is not None and filter_number not in _FILTERS:
        raise ModelError(_WHAT, where, f"its filter {filter_number!r} is not one of PIL's")
    flipped = record.get("do_flip_channel_order", kind.lower().startswith("mobilevit"))
    return PreprocessingChanges(
        input_size=crop,
        resize_size=resize,
        mean=mean,
        std=std,
        channels="bgr" if flipped else "rgb" if len(mean) == 3 else None,
        value_range=(low, float(high)),
        interpolation=None if filter_number is None else _FILTERS[int(filter_number)],
    )


def convert_timm(record: Mapping[str, Any], where: str) -> PreprocessingChanges:
    """Convert timm's ``pretrained_cfg``, or what its ``resolve_data_config`` returns.

    Raises:
        ModelError: Its way to crop or its number of channels is not supported.
    """
    count, height, width = map(int, record.get("input_size", (3, 224, 224)))
    mode = record.get("crop_mode") or "center"
    share = float(record.get("crop_pct") or 0.875)
    channels = natural_channels(count)
    if channels is None:
        step = "Say what they are with --channels"
        raise ModelError(_WHAT, where, f"its pictures have {count} channels", step)
    if mode not in ("center", "squash"):
        raise ModelError(_WHAT, where, f"its crop mode {mode!r} is not supported")
    # timm rounds down, too.
    tall, wide = math.floor(height / share), math.floor(width / share)
    mean = _numbers(record.get("mean"), (0.485, 0.456, 0.406) if count == 3 else (0.5,))
    std = _numbers(record.get("std"), (0.229, 0.224, 0.225) if count == 3 else (0.5,))
    return PreprocessingChanges(
        input_size=(height, width),
        resize_size=(tall, wide) if mode == "squash" else min(tall, wide),
        mean=mean,
        std=std,
        channels=channels,
        value_range=(0.0, 1.0),
        interpolation=record.get("interpolation") or "bicubic",
    )


def _convert_own(record: Mapping[str, Any], where: str) -> PreprocessingChanges:
    unknown = [name for name in record if name not in _OWN]
    if unknown or not record:
        cause = f"{unknown[0]!r} is not known" if unknown else "it is empty"
        hint = did_you_mean(unknown[0], _OWN) if unknown else ""
        step = f"{hint}Use {', '.join(dict.fromkeys(filter(None, _OWN.values())))}"
        raise ModelError(_WHAT, where, cause, step)
    given: dict[str, Any] = {}
    for name, value in record.items():
        field = _OWN[name]
        if not field or value is None:
            continue
        if field in given:
            raise ModelError(_WHAT, where, f"it says {field} twice")
        given[field] = _own_value(field, value)
    return PreprocessingChanges(**given)


def _own_value(field: str, value: Any) -> Any:  # noqa: ANN401 - of a JSON file
    if field in ("input_size", "resize_size"):
        return _side_or_pair(value)
    if field in ("mean", "std"):
        return _numbers(value, ())
    if field == "value_range":
        if isinstance(value, str):
            return parse_range(value, "range")
        low, high = map(float, value)
        return low, high
    return str(value)


def _processor_sizes(
    record: Mapping[str, Any], kind: str, where: str
) -> tuple[Size | None, Size | None]:
    """Return the size that a processor resizes to, and that of its result."""
    family = kind.lower()
    size = record.get("size")
    crops = record.get("do_center_crop", "crop_size" in record) is not False
    crop = _side_or_pair(record.get("crop_size")) if crops and record.get("crop_size") else None
    if record.get("do_resize") is False:
        return crop, crop
    if size is None:
        return crop, crop
    if isinstance(size, Mapping) and "shortest_edge" not in size and "height" not in size:
        cause = f"its size {dict(size)!r} names no height and width"
        raise ModelError(_WHAT, where, cause)
    if isinstance(size, Mapping) and "shortest_edge" not in size:
        squeezed = (int(size["height"]), int(size["width"]))
        return squeezed, crop or squeezed
    one_number = not isinstance(size, Mapping)
    if one_number and isinstance(size, Sequence):
        squeezed = (int(size[0]), int(size[-1]))
        return squeezed, crop or squeezed
    short = int(size if one_number else size["shortest_edge"])
    if "crop_pct" in record or family.startswith("convnext"):
        share = float(record.get("crop_pct") or 224 / 256)
        if short >= 384:  # these processors squeeze from there on
            return (short, short), short
        return int(short / share), short
    if family.startswith("levit"):
        return int(256 / 224 * short), crop or short
    if one_number and family.startswith(("vit", "deit", "beit", "swin", "efficientnet")):
        return (short, short), crop or short  # files of the older form, which meant a square
    if crop is None:
        return short, short
    sides = (crop, crop) if isinstance(crop, int) else crop
    if min(sides) > short:
        cause = f"its crop of {crop} is larger than the picture, whose short side is {short}"
        raise ModelError(_WHAT, where, cause)
    return short, crop


def _side_or_pair(value: Any) -> Size:  # noqa: ANN401 - of a JSON file
    if isinstance(value, Mapping):
        if "height" in value:
            return int(value["height"]), int(value["width"])
        return int(value["shortest_edge"])
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) == 3:  # timm's channels, height, width
            value = value[1:]
        return int(value[0]), int(value[-1])
    return int(value)


def _numbers(value: Any, default: tuple[float, ...]) -> tuple[float, ...]:  # noqa: ANN401
    if value is None:
        return default
    if isinstance(value, (int, float)):
        return (float(value),)
    return tuple(map(float, value))
