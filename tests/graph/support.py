"""A small graph as a file, and the same in NumPy."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

from live_gradcam.graph.engine import GraphResult
from live_gradcam.graph.metadata import KEY, ExplainedClasses, GraphMetadata
from live_gradcam.preprocessing.settings import Preprocessing

SIDE, CLASSES, MAPS = 32, 5, 3
_CELL = 8

_GENERATOR = np.random.default_rng(0)
_WEIGHT = _GENERATOR.normal(0, 0.05, (CLASSES, 3)).astype(np.float32)

_SCORES = """
    values = Cast<to=1>(pixels)
    planes = Transpose<perm=[0, 3, 1, 2]>(values)
    grid = AveragePool<kernel_shape=[8, 8], strides=[8, 8]>(planes)
    maps = Conv(grid, weight)
    scores = ReduceMean<keepdims=0>(maps, places)
"""
_ASKED = """
    ranking_scores, ranking = TopK(scores, most)
    ones = Sub(minus_one, selection)
    low = Max(ones, zero)
    ranks = Min(low, last)
    whole = Shape(scores)
    count = Slice(whole, zeros, single)
    length = Shape(selection)
    wide = Concat<axis=0>(count, length)
    ranks_of_all = Expand(ranks, wide)
    by_rank = GatherElements<axis=1>(ranking, ranks_of_all)
    named = GreaterOrEqual(selection, zero)
    classes = Where(named, selection, by_rank)
    flat = Unsqueeze(classes, places)
    all_places = Shape(maps)
    sides = Slice(all_places, pair, four)
    shape = Concat<axis=0>(wide, sides)
    index = Expand(flat, shape)
    evidence = GatherElements<axis=1>(maps, index)
"""


def metadata_of(classes: ExplainedClasses) -> GraphMetadata:
    """What the file says about itself."""
    labels = tuple(f"class {number}" for number in range(CLASSES))
    maps = {"all": CLASSES, "asked": MAPS}.get(classes, 0) if isinstance(classes, str) else 0
    return GraphMetadata(
        network="colours",
        layer="grid",
        labels=labels,
        preprocessing=Preprocessing(resize_size=SIDE, crop_size=SIDE),
        method="gradcam",
        unit="logits",
        classes=classes,
        maps=maps or len(classes),
    )


def make_graph(classes: ExplainedClasses = "asked", *, batch: int | str = "N") -> bytes:
    """Make an ONNX file, with the metadata in it.

    Args:
        classes: ``asked``, ``all``, or numbers of classes.
        batch: Number of images, or a name for any number.
    """
    pixels = f"uint8[{batch}, {SIDE}, {SIDE}, 3] pixels"
    scores = f"float[{batch}, {CLASSES}] scores"
    side = SIDE // _CELL
    if classes == "asked":
        inputs, body, maps = f"{pixels}, int64[{MAPS}] selection", _SCORES + _ASKED, MAPS
        outputs = f"{scores}, int64[{batch}, {MAPS}] classes"
    else:
        numbers = "evidence = Gather<axis=1>(maps, numbers)"
        named = "evidence = Identity(maps)"
        inputs, body = pixels, _SCORES + (named if classes == "all" else numbers)
        outputs, maps = scores, CLASSES if classes == "all" else len(classes)
    outputs += f", float[{batch}, {maps}, {side}, {side}] evidence"
    head = '<ir_version: 8, opset_import: ["": 18]>'
    model: onnx.ModelProto = parser.parse_model(
        f"{head} colours ({inputs}) => ({outputs}) {{{body}}}"
    )
    constants = {
        "weight": _WEIGHT[:, :, None, None],
        "places": np.array([2, 3]),
        "most": np.array([MAPS]),
        "minus_one": np.array(-1),
        "zero": np.array(0),
        "last": np.array(MAPS - 1),
        "zeros": np.array([0]),
        "single": np.array([1]),
        "pair": np.array([2]),
        "four": np.array([4]),
        "numbers": np.array(classes if isinstance(classes, tuple) else (), np.int64),
    }
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(values, name) for name, values in constants.items() if name in used
    )
    helper.set_model_props(model, {KEY: metadata_of(classes).to_json()})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def images(count: int, *, height: int = SIDE, width: int = SIDE, seed: int = 1) -> np.ndarray:
    """Seeded noise, ``uint8 (N, H, W, 3)``."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, height, width, 3), np.uint8)


def expected(pixels: np.ndarray, selection: tuple[int, ...]) -> GraphResult:
    """What the graph computes.

    Args:
        pixels: ``uint8 (N, H, W, 3)``.
        selection: A class, or -1, -2, ... for the best, the second best, ...
    """
    count, side = len(pixels), SIDE // _CELL
    cells = pixels.reshape(count, side, _CELL, side, _CELL, 3).mean((2, 4), dtype=np.float64)
    maps = np.einsum("nhwc,kc->nkhw", cells, _WEIGHT.astype(np.float64))
    scores = maps.mean((2, 3))
    ranking = np.argsort(-scores, 1)
    classes = np.array(
        [[each if each >= 0 else best[-1 - each] for each in selection] for best in ranking]
    )
    evidence = np.take_along_axis(maps, classes[:, :, None, None], 1)
    return GraphResult(scores.astype(np.float32), classes, evidence.astype(np.float32))
