"""The logits among several outputs: tuples, dictionaries, dataclasses, as trainers write them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import live_gradcam as lg
from tests.explain.outputs import networks
from tests.explain.outputs.networks import End, assert_same_map, by_class
from tests.explain.outputs.test_kinds import explainer_of

IMAGE = networks.noise(5)


@dataclass
class Outputs:
    """A dataclass as an output, with a part that is not there."""

    logits: Tensor
    loss: Tensor | None = None
    hidden: tuple[Tensor, ...] = ()


class Auxiliary(NamedTuple):
    """As GoogLeNet's outputs in training."""

    logits: Tensor
    aux_logits: Tensor | None


def _model_output(x: Tensor) -> Any:
    outputs = pytest.importorskip("transformers.modeling_outputs")
    return outputs.ImageClassifierOutput(logits=x, hidden_states=(x[:, :, None],))


FOUND: dict[str, tuple[End, str]] = {
    "dictionary": (lambda x: {"features": x[:, :2], "logits": x}, "logits (N, 4)"),
    "out of a segmentation": (lambda x: OrderedDict(out=x, aux=x * 2), "out (N, 4)"),
    "nested": (lambda x: {"heads": {"cls": x}, "boxes": x[:, None]}, "heads.cls (N, 4)"),
    "dataclass": (lambda x: Outputs(x), "logits (N, 4)"),
    "named tuple": (lambda x: Auxiliary(x, x + 1), "logits (N, 4)"),
    "Hugging Face": (_model_output, "logits (N, 4)"),
    "one logit-like": (lambda x: (x, x[:, :, None].repeat(1, 1, 3)), "0 (N, 4)"),
    "beside probabilities": (lambda x: (x, x.softmax(1)), "0 (N, 4)"),
    "behind probabilities": (lambda x: [x.softmax(1), x], "1 (N, 4)"),
}


@pytest.mark.parametrize("case", FOUND)
def test_the_logits_are_found_and_the_choice_is_said(case: str) -> None:
    end, said = FOUND[case]
    network = networks.make(networks.linear(4), end)
    explainer = explainer_of(network)
    assert f"of the network's outputs, the logits are {said}" in explainer.classifier.notes
    found = explainer.explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    own = torch.from_numpy(expected.logit).softmax(0)
    for index, (logit, probability) in by_class(found).items():
        assert logit == pytest.approx(expected.logit[index], abs=1e-5)
        assert probability == pytest.approx(float(own[index]), abs=1e-5)
        assert_same_map(found.evidence[index], expected.maps[index])


class WithFeatures(nn.Module):
    """Features and what is made of them, in either order."""

    def __init__(self, features_first: bool) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3, 2, 1)
        self.fc = nn.Linear(8, 4)
        self.features_first = features_first

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layer(pixels).mean((2, 3))
        logits = self.fc(features)
        return (features, logits) if self.features_first else (logits, features)


@pytest.mark.parametrize("features_first", [True, False])
def test_what_is_made_of_features_is_the_logits(features_first: bool) -> None:
    torch.manual_seed(1)
    network = WithFeatures(features_first).eval()
    found = explainer_of(network).explain(IMAGE)
    with torch.no_grad():
        logits = network(networks.pixels_of(IMAGE))[int(features_first)]
    assert found.predictions[0].logit == pytest.approx(float(logits.max()), abs=1e-5)


def test_what_is_ambiguous_is_refused_with_names_and_shapes() -> None:
    network = networks.make(networks.linear(4), lambda x: {"left": x[:, :3], "right": x[:, 1:]})
    with pytest.raises(lg.ModelError) as error:
        explainer_of(network)
    assert "left (N, 3), right (N, 3)" in str(error.value)
    assert "output_name" in str(error.value)


@pytest.mark.parametrize("name", ["right", "1", 1])
def test_a_name_or_an_index_chooses(name: str | int) -> None:
    network = networks.make(networks.linear(4), lambda x: {"left": x[:, :3], "right": -x})
    explainer = explainer_of(network, output_name=name)
    found = explainer.explain(IMAGE)
    expected = networks.truth(network, IMAGE)
    assert found.predictions[0].logit == pytest.approx(float((-expected.logit).max()), abs=1e-5)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    network = networks.make(networks.linear(4), lambda x: {"left": x, "right": x * 2})
    with pytest.raises(lg.ModelError, match=r"Did you mean right.*|left \(N, 4\)"):
        explainer_of(network, output_name="rigth")


def test_labels_tell_logits_by_their_number() -> None:
    network = networks.make(networks.linear(4), lambda x: (x[:, :3], x))
    explainer = explainer_of(network, labels=["a", "b", "c"])
    assert "the logits are 0 (N, 3)" in " ".join(explainer.classifier.notes)


def test_a_softmax_inside_one_of_several_outputs_is_cut_off() -> None:
    network = networks.make(
        networks.linear(4), lambda x: {"probs": x.softmax(1), "embedding": x[:, None]}
    )
    explainer = explainer_of(network)
    found = explainer.explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    for index, (logit, probability) in by_class(found).items():
        assert logit == pytest.approx(expected.logit[index], abs=1e-5)
        own = float(expected.output["probs"][0, index])
        assert probability == pytest.approx(own, abs=1e-5)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda x: "cat", "found no logits"),
        (lambda x: x[:, :, None, None].repeat(1, 1, 5, 5), "is not (N, classes)"),
        (lambda x: x.argmax(1), "is not (N, classes)"),
    ],
)
def test_what_holds_no_logits_is_refused(end: End, words: str) -> None:
    with pytest.raises(lg.ModelError) as error:
        explainer_of(networks.make(networks.linear(4), end))
    assert words in str(error.value)


def test_a_map_of_one_cell_is_flattened() -> None:
    network = networks.make(networks.linear(4), lambda x: x[:, :, None, None])
    explainer = explainer_of(network)
    found = explainer.explain(IMAGE)
    expected = networks.truth(network, IMAGE).logit
    assert found.predictions[0].logit == pytest.approx(float(expected.max()), abs=1e-5)
    assert "the network's output (N, 4, 1, 1) is flattened" in explainer.classifier.notes
