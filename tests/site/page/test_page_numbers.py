"""The page's numbers are Python's: pixels, scores, maps, colours and the areas that are hidden."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from live_gradcam.faithfulness.removal import control_areas, hottest_area, removal_test
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.native import cv2
from live_gradcam.predictions import predict
from live_gradcam.preprocessing.plan import plan_frame, prepare_pixels
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.scenes import render_scene
from live_gradcam.session.smoothing import SteadyLabels
from live_gradcam.show.heat import heat_table, normalise, own_scale, upsample
from live_gradcam.show.scale import HeatScale
from live_gradcam.site.preprocessing import describe_preprocessing
from live_gradcam.values import Explanation, Image, OutputKind, Region

from .visits import READ, Visit

# Sums of 512 products in float32, in two engines that add them up in another order.
LOGITS = 1e-3


@pytest.fixture(scope="module")
def page_name() -> str:
    """Only a graph in float32 computes the same everywhere: others round to few values."""
    return "exact"


EXPLAIN = (
    """async (png) => {"""
    + READ
    + """
  const blob = new Blob([bytesOf(png)]);
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const { scores, evidence, predictions, region } = await liveGradcam.explainImage(bitmap);
  return { scores: written(scores), evidence: written(evidence.data), predictions, region };
}"""
)
EXPLAIN_PIXELS = (
    """async ([pixels, width, height]) => {"""
    + READ
    + """
  const { scores, evidence } = await liveGradcam.explainPixels(bytesOf(pixels), width, height);
  return { scores: written(scores), evidence: written(evidence.data), rows: evidence.rows };
}"""
)
RESAMPLE = (
    """async ([data, height, width, preprocessing, view]) => {"""
    + READ
    + """
  const { planPicture } = await import("./js/plan.js");
  const { resample } = await import("./js/resample.js");
  const plan = planPicture(height, width, preprocessing, view);
  const pixels = resample({ data: bytesOf(data), width, height }, plan);
  return { pixels: written(pixels), region: plan.region };
}"""
)


def text_of(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def floats(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), np.float32)


def rgba(image: Image) -> NDArray[np.uint8]:
    return np.dstack([image[..., ::-1], np.full(image.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize(
    ("size", "preprocessing", "view"),
    [
        ((240, 320), Preprocessing(), "crop"),
        ((501, 333), Preprocessing(interpolation="bicubic", resize_size=232), "crop"),
        ((90, 77), Preprocessing(interpolation="lanczos"), "stretch"),
        ((301, 777), Preprocessing(crop_size=(192, 256), resize_size=200), "crop"),
        ((301, 177), Preprocessing(interpolation="hamming"), "full"),
        ((151, 677), Preprocessing(interpolation="box", resize_size=(300, 310)), "crop"),
        ((301, 277), Preprocessing(interpolation="nearest"), "crop"),
        ((64, 900), Preprocessing(), "full"),
    ],
    ids=lambda value: value.interpolation if isinstance(value, Preprocessing) else str(value),
)
def test_the_network_is_shown_the_same_pixels(
    visit: Visit, size: tuple[int, int], preprocessing: Preprocessing, view: Any
) -> None:
    image = np.random.default_rng(5).integers(0, 256, (*size, 3), np.uint8)
    plan = plan_frame(*size, replace(preprocessing, resample="pil"), view)
    described = dict(describe_preprocessing(preprocessing, any_size=True))

    found = visit.run(RESAMPLE, [text_of(rgba(image)), *size, described, view])

    (expected,) = prepare_pixels([image], [plan])
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8)
    assert np.array_equal(pixels.reshape(expected.shape), expected[..., ::-1])
    region = plan.region
    assert [found["region"][name] for name in ("x", "y", "width", "height")] == region.as_list()


@pytest.mark.parametrize("seed", [1, 8])
def test_the_same_pixels_give_the_same_scores_and_maps(
    visit: Visit, explainer: GraphExplainer, seed: int
) -> None:
    pixels = render_scene(seed, width=224, height=224).image

    found = visit.run(EXPLAIN_PIXELS, [text_of(pixels[..., ::-1]), 224, 224])

    result = explainer._engine.run(np.ascontiguousarray(pixels[None, ..., ::-1]))
    assert np.abs(floats(found["scores"]) - result.scores[0]).max() <= LOGITS
    assert np.abs(floats(found["evidence"]) - result.evidence[0].ravel()).max() <= LOGITS


def test_what_is_hidden_comes_back(visit: Visit) -> None:
    """The picture itself is blurred while the network looks: a copy would be too large."""
    image = np.random.default_rng(8).integers(0, 256, (90, 130, 3), np.uint8)
    found = visit.run(
        """async ([data]) => {"""
        + READ
        + """
          const { blurRegion, whileHidden } = await import("./js/hiding.js");
          const { removal } = liveGradcam.session.site.figures;
          const source = { data: bytesOf(data), width: 130, height: 90 };
          const region = { x: 20, y: 0, width: 90, height: 90 };
          const side = removal.mask_side;
          const mask = new Uint8Array(side * side).fill(1, 0, side * side / 2);
          const blurred = blurRegion(source, region, removal);
          const look = () => source.data.slice();
          const during = whileHidden(source, region, blurred, mask, side, look);
          return [written(during), written(source.data)];
        }""",
        [text_of(rgba(image))],
    )
    during, after = (
        np.frombuffer(base64.b64decode(each), np.uint8).reshape(90, 130, 4) for each in found
    )
    assert np.array_equal(after, rgba(image))
    changed = (during != after).any(axis=2)
    assert changed[:45, 20:110].mean() > 0.99
    changed[:45, 20:110] = False
    assert not changed.any()


@pytest.mark.parametrize(("seed", "size"), [(3, (320, 240)), (4, (500, 707)), (11, (61, 48))])
def test_a_decoded_picture_is_explained_as_in_python(
    visit: Visit, explainer: GraphExplainer, seed: int, size: tuple[int, int]
) -> None:
    image = render_scene(seed, width=max(size[0], 64), height=max(size[1], 64)).image
    image = np.ascontiguousarray(image[: size[1], : size[0]])
    png = cv2.imencode(".png", image)[1]

    found = visit.run(EXPLAIN, text_of(png))

    expected = explainer.explain_batch([image], classes="all")[0]
    assert [each["label"] for each in found["predictions"]][:1] == [expected.predictions[0].label]
    named = {each["index"]: each for each in found["predictions"]}
    for prediction in expected.predictions[:3]:
        assert named[prediction.class_index]["score"] == pytest.approx(prediction.logit, abs=LOGITS)
        probability = named[prediction.class_index]["probability"]
        assert probability == pytest.approx(prediction.probability, abs=LOGITS)
    assert np.abs(floats(found["evidence"]) - expected.evidence.ravel()).max() <= LOGITS
    region = expected.region.as_list()
    assert [found["region"][name] for name in ("x", "y", "width", "height")] == region


@pytest.mark.parametrize("signed", [False, True])
def test_heat_has_the_same_colours(visit: Visit, signed: bool) -> None:
    evidence = np.random.default_rng(2).normal(0, 1, (7, 9)).astype(np.float32)
    scale = own_scale(evidence, signed=signed)

    found = visit.run(
        """async ([values, scale, signed]) => {
          const { heatIndices, heatTable } = await import("./js/heat.js");
          const { site } = liveGradcam.session;
          const { fine, fade } = site.figures.heat;
          const map = { values: Float32Array.from(values), rows: 7, columns: 9 };
          const colours = site.colormaps[signed ? "signed" : "turbo"];
          const table = heatTable(colours, 0.7, signed, fade);
          return {
            indices: Array.from(heatIndices(map, scale, signed, 300, 200, fine)),
            table: Array.from(new Uint8Array(table.buffer)),
          };
        }""",
        [evidence.ravel().tolist(), scale, signed],
    )

    expected = upsample(normalise(evidence, scale, signed=signed), 300, 200, signed=signed)
    difference = np.abs(np.array(found["indices"]) - expected.ravel().astype(int))
    assert difference.max() <= 1  # OpenCV enlarges bytes in fixed point
    table = heat_table("turbo", 0.7, signed)
    painted = np.array(found["table"]).reshape(256, 4)
    assert np.array_equal(painted[:, :3], table.colours[:, ::-1])
    assert np.array_equal(255 - painted[:, 3], table.keep[:, 0])


def test_the_scale_is_as_steady(visit: Visit) -> None:
    peaks = [0.0, 2.0, 3.0, 0.5, 0.5, 0.0, 0.1, 4.0, 1.0]
    steady = HeatScale()
    expected = [steady.update(_explanation(peak)) for peak in peaks]

    found = visit.run(
        """async (peaks) => {
          const { HeatScale } = await import("./js/scale.js");
          const scale = new HeatScale(liveGradcam.session.site.figures.scale);
          return peaks.map((peak) => scale.update([Float32Array.of(peak, -9)], false));
        }""",
        peaks,
    )

    assert found == pytest.approx(expected)


@pytest.mark.parametrize("output", [OutputKind(), OutputKind("binary", None, 0.8)], ids=str)
def test_labels_are_as_steady(visit: Visit, output: OutputKind) -> None:
    random = np.random.default_rng(4)
    classes = 2 if output.name == "binary" else 5
    labels = [f"class {index}" for index in range(classes)]
    steps = random.normal(0, 0.5, (80, classes)).cumsum(0).astype(np.float32)
    if classes == 2:
        steps[:, 0] = -steps[:, 1]
    held = [30 <= step < 40 for step in range(80)]
    steady = SteadyLabels()
    expected = []
    for scores, hold in zip(steps, held, strict=True):
        predictions = predict(scores, labels, min(3, classes), (int(scores.argmax()),), output)
        listed = steady.update(predictions, output, held=hold)
        expected.append([each.class_index for each in listed])

    found = visit.run(
        """async ([steps, held, output, threshold, labels]) => {
          const { SteadyLabels } = await import("./js/steady_labels.js");
          const { predict } = await import("./js/predictions.js");
          const model = { output, threshold, labels };
          const steady = new SteadyLabels(liveGradcam.session.site.figures.labels, model);
          return steps.map((scores, step) => {
            const predictions = predict(Float32Array.from(scores), model, 3);
            return steady.update(predictions, held[step]).map((each) => each.index);
          });
        }""",
        [steps.tolist(), held, output.name, output.threshold, labels],
    )

    assert found == expected
    assert len({tuple(each) for each in expected}) > 1


def _explanation(peak: float) -> Explanation:
    evidence = np.array([[[peak, -9.0]]], np.float32)
    return Explanation((), (0,), evidence, Region(0, 0, 2, 1))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_areas_are_hidden(visit: Visit, seed: int) -> None:
    evidence = np.random.default_rng(seed).normal(0, 1, (7, 7)).astype(np.float32)
    hot = hottest_area(evidence)

    found = visit.run(
        """async (values) => {
          const { hottestArea, controlAreas } = await import("./js/removal.js");
          const { removal } = liveGradcam.session.site.figures;
          const map = { values: Float32Array.from(values), rows: 7, columns: 7 };
          const hot = hottestArea(map, removal);
          return [hot, ...controlAreas(hot, removal)].map((mask) => Array.from(mask));
        }""",
        evidence.ravel().tolist(),
    )

    masks = np.array(found, bool).reshape(-1, *hot.shape)
    # The last bit of a cubic enlargement may put a pixel on the other side of the edge.
    assert (masks[0] != hot).sum() <= 2
    for ours, theirs in zip(masks[1:], control_areas(hot), strict=True):
        assert (ours != theirs).sum() <= 2


def test_the_truth_meter_measures_what_python_measures(
    visit: Visit, explainer: GraphExplainer
) -> None:
    scenes = (render_scene(seed, width=320, height=240, objects=1).image for seed in range(40))
    image, explanation = next(
        (image, explanation)
        for image in scenes
        if ((explanation := explainer.explain_batch([image])[0]).evidence[0] > 0).any()
    )
    expected = removal_test(explainer, image, explanation)
    assert expected is not None

    found = visit.run(
        """async ([data, index]) => {"""
        + READ
        + """
          const bitmap = await createImageBitmap(new Blob([bytesOf(data)]));
          const { client } = liveGradcam.session;
          const number = 1e6;
          await client.explain(number, bitmap, "crop");
          return (await client.test(number, index, null)).removal;
        }""",
        [text_of(cv2.imencode(".png", image)[1]), explanation.explained[0]],
    )

    # The blur is in whole grey levels here and in fixed point there.
    assert found["before"] == pytest.approx(expected.before, abs=LOGITS)
    assert found["withoutHot"] == pytest.approx(expected.without_hot, abs=0.01)
    assert found["withoutControls"] == pytest.approx(list(expected.without_controls), abs=0.01)
    assert found["named"] == expected.named
    assert found["completenessResidual"] <= LOGITS
