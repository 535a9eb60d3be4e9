"""Every place that shows how likely a class is asks the kind of output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import live_gradcam as lg
from live_gradcam.explain.engine.runtime import choose_runtime
from live_gradcam.faithfulness import removal_test
from live_gradcam.faithfulness.scoring import Scorer
from live_gradcam.session.renderer import truth_figures
from live_gradcam.session.request import TruthReading
from live_gradcam.session.smoothing import SteadyLabels
from live_gradcam.show.options import is_unsure
from live_gradcam.show.panels import shown_strength
from live_gradcam.show.records import flat, record
from live_gradcam.show.words import answer_sentence
from live_gradcam.values import Frame, OutputKind, OutputName, Prediction
from live_gradcam.web.figures import class_cards
from live_gradcam.web.image_cache import CachedImage
from live_gradcam.web.messages import describe_answer, describe_trust
from live_gradcam.web.settings import ViewSettings, class_choices
from tests.explain.outputs import networks
from tests.explain.outputs.test_kinds import explainer_of

IMAGE = networks.noise(8)
LOGITS = np.array([[2.0, -1.0, 0.5], [-300.0, 0.0, 300.0]])


def test_probabilities_by_torch() -> None:
    logits = torch.from_numpy(LOGITS)
    for kind, expected in (
        (OutputKind("softmax"), logits.softmax(1)),
        (OutputKind("sigmoid"), logits.sigmoid()),
        (OutputKind("binary"), logits.sigmoid()),
    ):
        found = kind.probabilities(LOGITS)
        assert found is not None
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-12)
    assert OutputKind("raw").probabilities(LOGITS) is None
    np.testing.assert_array_equal(OutputKind("raw").strengths(LOGITS), LOGITS)


@pytest.fixture(scope="module", params=["softmax", "sigmoid", "binary", "raw"])
def explainer(request: pytest.FixtureRequest) -> lg.Explainer:
    name: OutputName = request.param
    network = networks.make(networks.linear(1 if name == "binary" else 3), lambda x: x, seed=2)
    said = "sigmoid" if name == "binary" else name
    labels = ["cat"] if name == "binary" else ["cat", "dog", "cow"]
    explainer = explainer_of(network, output=said, labels=labels)
    assert explainer.classifier.output.name == name
    return explainer


def test_what_people_read_has_percent_only_for_probabilities(explainer: lg.Explainer) -> None:
    found = explainer.explain(IMAGE)
    is_share = explainer.classifier.output.name != "raw"
    removal = removal_test(explainer, IMAGE, found)
    assert removal is not None
    assert removal.of_probability == is_share
    said = [
        shown_strength(found.predictions[0]),
        answer_sentence(found),
        truth_figures(TruthReading(0, found.explained, removal), randomized=False)[0],
    ]
    assert all(("%" in text) == is_share for text in said), said
    before = describe_trust(removal).split("hidden, ")[1].split(";")[0]
    assert ("%" in before) == is_share
    cached = CachedImage("ann", IMAGE, "x.png")
    choices = class_choices(explainer.classifier.labels)
    card = class_cards(cached, ViewSettings(), choices, [found], found.predictions[0])
    assert (" %</span>" in card) == ('class="bar"' in card) == is_share
    assert "%" not in describe_answer(found), "on the page, figures stand on the cards"


def test_records_say_the_kind(explainer: lg.Explainer) -> None:
    found = explainer.explain(IMAGE)
    content = record(Frame(IMAGE, 0, 0.0), found)
    name = explainer.classifier.output.name
    assert content["output"] == flat(content)["output"] == name
    assert (content["predictions"][0]["probability"] is None) == (name == "raw")


def test_the_removal_test_and_the_scorer_measure_what_is_shown(explainer: lg.Explainer) -> None:
    found = explainer.explain(IMAGE)
    best = found.predictions[0]
    scorer = Scorer(explainer.classifier, choose_runtime("cpu", "fp32", "off"))
    pixels = scorer.network_input(IMAGE, "crop").pixels[None]
    assert scorer.strengths(pixels, best.class_index)[0] == pytest.approx(best.strength, abs=1e-6)
    removal = removal_test(explainer, IMAGE, found)
    assert removal is not None
    assert removal.before == best.strength


def test_every_kind_is_drawn(explainer: lg.Explainer) -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    rendered = lg.draw(image, explainer.explain(image, classes="top"))
    assert rendered.shape == image.shape
    assert (rendered != image).any()


def test_plain_numbers_are_never_called_unsure() -> None:
    found = explainer_of(networks.make(networks.linear(3), lambda x: x * 0.001)).explain(IMAGE)
    low = tuple(replace(each, probability=0.1) for each in found.predictions)
    assert is_unsure(replace(found, predictions=low))
    names: tuple[OutputName, ...] = ("sigmoid", "binary", "raw")
    for name in names:
        kind = OutputKind(name)
        assert not is_unsure(replace(found, predictions=low, output=kind))


def test_labels_of_an_image_are_named_together() -> None:
    predictions = (Prediction(1, "dog", 3.0, 0.95), Prediction(0, "cat", 1.0, 0.73))
    explainer = explainer_of(networks.make(networks.linear(2), torch.sigmoid))
    found = replace(explainer.explain(IMAGE), predictions=predictions, explained=(1,))
    found = replace(found, labels=("dog",))
    sentence = answer_sentence(found)
    assert "sees dog and is 95\N{NO-BREAK SPACE}% sure" in sentence
    assert "also sees cat (73\N{NO-BREAK SPACE}%)" in sentence
    assert "sees **dog**. It also sees **cat**." in describe_answer(found)


def test_the_order_of_labels_in_time_follows_the_threshold() -> None:
    kind = OutputKind("binary", threshold=0.8)
    predictions = [Prediction(0, "not cat", -0.9, 0.3), Prediction(1, "cat", 0.9, 0.7)]
    labels = SteadyLabels()
    for _ in range(20):
        assert labels.update(predictions, kind)[0].label == "not cat"


@pytest.mark.parametrize("said", ["auto", "raw", "sigmoid"])
def test_an_evaluation_of_every_kind(said: str, tmp_path: Path) -> None:
    network = networks.make(networks.linear(2), lambda x: x)
    classifier = lg.Classifier.from_module(
        network,
        layer="layer",
        preprocessing=networks.PREPROCESSING,
        labels=["a", "b"],
        output=said,  # type: ignore[arg-type]
    )
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        PIL.Image.fromarray(np.ascontiguousarray(IMAGE[:, :, ::-1])).save(
            tmp_path / label / "x.png"
        )
    dataset = lg.open_dataset(str(tmp_path), classifier.labels)
    options = lg.EvaluationOptions(measures=("removal", "drop"), device="cpu", precision="fp32")
    result = lg.run_evaluation(classifier, dataset, options).result
    own = networks.truth(network, IMAGE).logit
    for image in result.images:
        measured = image.methods["gradcam"]
        expected = {
            "auto": torch.from_numpy(own).softmax(0).numpy(),
            "sigmoid": torch.from_numpy(own).sigmoid().numpy(),
            "raw": own,
        }[said]
        assert measured.probability == pytest.approx(expected[measured.class_index], abs=1e-5)
        if said == "raw":
            assert measured.average_drop is None
    settings = result.provenance.to_dict()
    assert settings.get("output") == {"auto": None, "raw": "raw", "sigmoid": "sigmoid"}[said]
    plain = any("plain numbers" in each for each in result.summary.limits)
    assert plain == (said == "raw")
