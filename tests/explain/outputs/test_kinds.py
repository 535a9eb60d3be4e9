"""Each kind of output: labels, probabilities and maps are those of the user's own network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import live_gradcam as lg
from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.layers import at_layer
from live_gradcam.explain.outputs import OutputWish, adapt
from live_gradcam.faithfulness.randomize import randomize_weights
from live_gradcam.values import OutputName, SquashingName
from tests.explain.outputs import networks
from tests.explain.outputs.networks import HEADS, PREPROCESSING, End, assert_same_map, by_class

IMAGE = networks.noise()

# The end, what it is, and the network's own probability of each class by the network's own output.
ENDS: dict[str, tuple[End, OutputName, SquashingName | None]] = {
    "scores": (lambda x: x, "softmax", None),
    "softmax module": (nn.Softmax(dim=1), "softmax", "softmax"),
    "softmax function": (lambda x: functional.softmax(x, dim=-1), "softmax", "softmax"),
    "softmax method": (lambda x: x.softmax(1), "softmax", "softmax"),
    "log-softmax module": (nn.LogSoftmax(1), "softmax", "log-softmax"),
    "exp of log-softmax": (lambda x: torch.log_softmax(x, 1).exp(), "softmax", "softmax"),
    "softmax of (N, C, 1, 1)": (
        lambda x: torch.softmax(x[:, :, None, None], 1).flatten(1),
        "softmax",
        "softmax",
    ),
    "sigmoid module": (nn.Sigmoid(), "sigmoid", "sigmoid"),
    "sigmoid function": (torch.sigmoid, "sigmoid", "sigmoid"),
    "sigmoid in place": (lambda x: x.clone().sigmoid_(), "sigmoid", "sigmoid"),
    "clamped sigmoid": (lambda x: x.sigmoid().clamp(1e-7, 1 - 1e-7), "sigmoid", "sigmoid"),
}


def explainer_of(network: nn.Module, **said: object) -> lg.Explainer:
    classifier = lg.Classifier.from_module(
        network,
        layer="layer",
        preprocessing=PREPROCESSING,
        **said,  # type: ignore[arg-type]
    )
    return lg.Explainer(classifier, device="cpu", precision="fp32", compile="off")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("end", ENDS)
def test_several_outputs(head: str, end: str) -> None:
    squash, name, inside = ENDS[end]
    network = networks.make(HEADS[head](4), squash)
    explainer = explainer_of(network)
    found = explainer.explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    assert (found.output.name, found.output.inside) == (name, inside)

    own = expected.output[0]
    if inside is None:
        own = own.softmax(0)
    elif inside == "log-softmax":
        own = own.exp()
    assert len(found.evidence) == 4
    for index in range(4):
        assert_same_map(found.evidence[index], expected.maps[index])
    for index, (logit, probability) in by_class(found).items():
        assert logit == pytest.approx(expected.logit[index], abs=1e-4)
        assert probability == pytest.approx(float(own[index]), abs=1e-5)
    assert isinstance(explainer.classifier.head, LinearHead) == (head == "linear")
    assert (found.completeness_residual is not None) == (head == "linear")
    if found.completeness_residual is not None:
        assert found.completeness_residual < 1e-4


@pytest.mark.parametrize(
    "end", ["softmax function", "log-softmax module", "sigmoid in place", "clamped sigmoid"]
)
def test_a_network_that_cannot_be_traced_loses_its_squashing_too(end: str) -> None:
    squash, name, inside = ENDS[end]
    network = networks.make(HEADS["linear"](3), squash, networks.Branching)
    found = explainer_of(network).explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    assert (found.output.name, found.output.inside) == (name, inside)
    own = expected.output[0].exp() if inside == "log-softmax" else expected.output[0]
    for index, (logit, probability) in by_class(found).items():
        assert logit == pytest.approx(expected.logit[index], abs=1e-4)
        assert probability == pytest.approx(float(own[index]), abs=1e-5)
        assert_same_map(found.evidence[index], expected.maps[index])


def test_a_single_logit_of_a_network_that_cannot_be_traced() -> None:
    network = networks.make(HEADS["linear"](1), lambda x: {"score": x}, networks.Branching)
    found = explainer_of(network).explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    assert by_class(found)[1][0] == pytest.approx(expected.logit[0], abs=1e-4)
    assert_same_map(found.evidence[1], expected.maps[0])
    assert_same_map(found.evidence[0], -expected.maps[0])


BINARY_ENDS: dict[str, tuple[End, int]] = {
    "logit (N, 1)": (lambda x: x, 1),
    "logit (N,)": (lambda x: x.squeeze(1), 1),
    "squeezed of everything": (lambda x: x.squeeze(), 1),
    "sigmoid": (torch.sigmoid, 1),
    "sigmoid of (N,)": (lambda x: x.sigmoid().squeeze(-1), 1),
    "sigmoid of (N, 1, 1, 1)": (lambda x: x[:, :, None, None].sigmoid(), 1),
    "1 - sigmoid": (lambda x: 1 - torch.sigmoid(x), -1),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("end", BINARY_ENDS)
def test_a_single_logit_has_two_sides(head: str, end: str) -> None:
    squash, sign = BINARY_ENDS[end]
    network = networks.make(HEADS[head](1), squash)
    explainer = explainer_of(network, labels=["cat"])
    found = explainer.explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    own = float(expected.output.reshape(()))
    probability = own if "sigmoid" in end else 1 / (1 + np.exp(-own))

    assert found.output.name == "binary"
    assert explainer.classifier.labels == ("not cat", "cat")
    sides = by_class(found)
    assert sides[1] == pytest.approx((sign * expected.logit[0], probability), abs=1e-5)
    assert sides[0] == pytest.approx((-sign * expected.logit[0], 1 - probability), abs=1e-5)
    assert_same_map(found.evidence[1], sign * expected.maps[0])
    assert_same_map(found.evidence[0], -sign * expected.maps[0])
    assert found.predictions[0].label == ("cat" if probability > 0.5 else "not cat")
    if head == "linear":
        assert found.completeness_residual is not None
        assert found.completeness_residual < 1e-4


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(None, ("class 0", "class 1")), (["ham", "spam"], ("ham", "spam"))],
)
def test_labels_of_both_sides(labels: list[str] | None, expected: tuple[str, ...]) -> None:
    network = networks.make(HEADS["linear"](1), torch.sigmoid)
    assert explainer_of(network, labels=labels).classifier.labels == expected


def test_three_labels_of_one_output_are_refused() -> None:
    network = networks.make(HEADS["linear"](1), torch.sigmoid)
    with pytest.raises(lg.ModelError, match="3 labels for a network of one output"):
        explainer_of(network, labels=["a", "b", "c"])


@pytest.mark.parametrize("top_k", [1, 3])
def test_the_threshold_says_which_side_is_predicted(top_k: int) -> None:
    network = networks.make(HEADS["linear"](1), torch.sigmoid)
    own = float(networks.truth(network, IMAGE).output)
    for threshold in (own / 2, (own + 1) / 2):
        classifier = lg.Classifier.from_module(
            network, layer="layer", preprocessing=PREPROCESSING, threshold=threshold
        )
        explainer = lg.Explainer(
            classifier, device="cpu", precision="fp32", compile="off", top_k=top_k
        )
        found = explainer.explain(IMAGE)
        expected = int(own > threshold)
        assert found.predictions[0].class_index == found.explained[0] == expected
        assert found.completeness_residual is not None
        logit = found.predictions[0].logit
        assert isinstance(classifier.head, LinearHead)
        bias = float(classifier.head.bias[expected])
        assert found.evidence[0].sum() + bias == pytest.approx(logit, abs=1e-4)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    network = networks.make(HEADS["linear"](1), torch.sigmoid)
    with pytest.raises(lg.UsageError, match="cannot use threshold"):
        explainer_of(network, threshold=threshold)


def test_one_of_two_classes_of_a_softmax_is_a_binary_output() -> None:
    network = networks.make(HEADS["linear"](2), lambda x: x.softmax(1)[:, 1])
    found = explainer_of(network).explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    assert found.output.name == "binary"
    difference = float(expected.logit[1] - expected.logit[0])
    assert by_class(found)[1] == pytest.approx((difference, float(expected.output)), abs=1e-5)
    assert_same_map(found.evidence[1], expected.maps[1] - expected.maps[0])


@pytest.mark.parametrize("outputs", [1, 3])
def test_plain_numbers_have_no_probability(outputs: int) -> None:
    network = networks.make(HEADS["linear"](outputs), lambda x: x)
    explainer = explainer_of(network, output="raw")
    found = explainer.explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    names = ("output",) if outputs == 1 else ("output 0", "output 1", "output 2")
    assert explainer.classifier.labels == names
    for index, (number, probability) in by_class(found).items():
        assert probability is None
        assert number == pytest.approx(expected.logit[index], abs=1e-5)
        assert_same_map(found.evidence[index], expected.maps[index])


def test_a_temperature_belongs_to_the_logits() -> None:
    network = networks.make(HEADS["linear"](3), lambda x: (x / 2.5).softmax(1))
    explainer = explainer_of(network)
    found = explainer.explain(IMAGE, classes="all")
    expected = networks.truth(network, IMAGE)
    for index, (logit, probability) in by_class(found).items():
        assert logit == pytest.approx(expected.logit[index] / 2.5, abs=1e-5)
        assert probability == pytest.approx(float(expected.output[0, index]), abs=1e-5)
        assert_same_map(found.evidence[index], expected.maps[index] / 2.5)
    assert found.completeness_residual is not None
    assert found.completeness_residual < 1e-4


def test_a_softmax_in_percent_is_a_softmax() -> None:
    network = networks.make(HEADS["linear"](3), lambda x: x.softmax(1) * 100)
    explainer = explainer_of(network)
    found = explainer.explain(IMAGE)
    own = networks.truth(network, IMAGE).output[0] / 100
    best = found.predictions[0]
    assert best.probability == pytest.approx(float(own[best.class_index]), abs=1e-5)
    assert any("softmax times 100" in note for note in explainer.classifier.notes)


@pytest.mark.parametrize(
    ("end", "outputs", "said"),
    [
        (torch.tanh, 3, "what tanh makes"),
        (lambda x: torch.sigmoid(x) * 100, 1, "a sigmoid times 100"),
        (functional.softplus, 1, "what softplus makes"),
        (lambda x: 1 - x.softmax(1), 3, "makes of a softmax"),
    ],
)
def test_what_is_no_score_is_a_plain_number(end: End, outputs: int, said: str) -> None:
    network = networks.make(HEADS["linear"](outputs), end)
    explainer = explainer_of(network)
    best = explainer.explain(IMAGE).predictions[0]
    output: Tensor = networks.truth(network, IMAGE).output
    assert best.probability is None
    assert best.logit == pytest.approx(float(output.max()), abs=1e-4)
    assert any(said in note for note in explainer.classifier.notes)


def test_probabilities_made_in_another_way_are_shown_as_they_are_and_said_so() -> None:
    network = networks.make(
        HEADS["linear"](3), lambda x: x.square() / x.square().sum(1, keepdim=True)
    )
    explainer = explainer_of(network)
    own = networks.truth(network, IMAGE).output[0]
    for index, (_, probability) in by_class(explainer.explain(IMAGE, classes="all")).items():
        assert probability == pytest.approx(float(own[index]), abs=1e-5)
    assert any("logarithm of the probability" in note for note in explainer.classifier.notes)


@pytest.mark.parametrize(
    ("end", "outputs", "said", "words"),
    [
        (lambda x: x.softmax(0), 3, "auto", "runs over dimension 0 of (N, 3)"),
        (lambda x: x.softmax(1), 1, "auto", "softmax over a single output is always 1"),
        (lambda x: x, 1, "softmax", "softmax of a single output is always 1"),
        (lambda x: x.softmax(1), 3, "sigmoid", "ends in a softmax"),
        (lambda x: x * 30, 3, "probabilities", "not probabilities"),
    ],
)
def test_what_cannot_be_true_is_refused(end: End, outputs: int, said: str, words: str) -> None:
    network = networks.make(HEADS["linear"](outputs), end)
    with pytest.raises(lg.ModelError) as error:
        explainer_of(network, output=said)
    assert words in str(error.value)


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(lg.UsageError, match="Did you mean sigmoid"):
        explainer_of(networks.make(HEADS["linear"](2), torch.sigmoid), output="sigmoide")


@pytest.mark.parametrize("said", ["auto", "softmax", "probabilities"])
def test_a_softmax_inside_is_never_applied_twice(said: str) -> None:
    network = networks.make(HEADS["linear"](3), nn.Softmax(1))
    found = explainer_of(network, output=said).explain(IMAGE)
    best = found.predictions[0]
    own = networks.truth(network, IMAGE).output[0, best.class_index]
    assert best.probability == pytest.approx(float(own), abs=1e-5)


@pytest.mark.parametrize("said", ["sigmoid", "auto"])
def test_scores_of_labels_are_sigmoids_if_it_is_said(said: str) -> None:
    network = networks.make(HEADS["linear"](3), lambda x: x)
    found = explainer_of(network, output=said).explain(IMAGE, classes="top")
    logits = torch.from_numpy(networks.truth(network, IMAGE).logit)
    own = logits.sigmoid() if said == "sigmoid" else logits.softmax(0)
    for index, (_, probability) in by_class(found).items():
        assert probability == pytest.approx(float(own[index]), abs=1e-5)
    assert len(found.explained) == 3  # several labels are explained together


def test_two_parts_are_understood_as_the_whole_is() -> None:
    network = networks.make(HEADS["linear"](1), torch.sigmoid)
    classifier = lg.Classifier.from_parts(
        nn.Sequential(network.first, network.layer),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.head, nn.Sigmoid()),
        preprocessing=PREPROCESSING,
        labels=["cat"],
    )
    explainer = lg.Explainer(classifier, device="cpu", precision="fp32", compile="off")
    found = explainer.explain(IMAGE, classes="cat")
    expected = networks.truth(network, IMAGE)
    assert by_class(found)[1] == pytest.approx(
        (expected.logit[0], float(expected.output)), abs=1e-5
    )
    assert_same_map(found.evidence[0], expected.maps[0])


def test_the_users_own_module_stays_as_it_is() -> None:
    network = networks.make(HEADS["linear"](3), nn.Softmax(1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    explainer_of(network).explain(IMAGE)
    assert type(network) is networks.Small
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert networks.truth(network, IMAGE).output.sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("end", ["sigmoid", "logit"])
def test_other_layers_and_other_weights_keep_the_kind(end: str) -> None:
    network = networks.make(HEADS["linear"](1), torch.sigmoid if end == "sigmoid" else lambda x: x)
    classifier = explainer_of(network).classifier
    names = [layer.name for layer in lg.list_layers(classifier)]
    other = at_layer(classifier, names[0])
    assert other.layer != classifier.layer
    scrambled = randomize_weights(classifier)
    expected = networks.truth(network, IMAGE)
    for each in (other, scrambled):
        explainer = lg.Explainer(each, device="cpu", precision="fp32", compile="off")
        found = explainer.explain(IMAGE, classes="all")
        assert found.output == classifier.output
        sides = by_class(found)
        assert sides[0][0] == pytest.approx(-sides[1][0], abs=1e-6)
        assert found.evidence[0] == pytest.approx(-found.evidence[1], abs=1e-6)
        if each is other:
            assert sides[1][0] == pytest.approx(expected.logit[0], abs=1e-5)


@pytest.mark.filterwarnings(
    "ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning"
)
@pytest.mark.parametrize("end", [nn.Softmax(1), nn.Sigmoid()])
def test_what_cannot_be_looked_into_is_undone_and_said_so(end: nn.Module) -> None:
    torch.manual_seed(0)
    values = torch.randn(1, 8)
    head = nn.Sequential(nn.Linear(8, 3), end).eval().requires_grad_(False)
    script: nn.Module = torch.jit.trace(  # type: ignore[no-untyped-call]
        head, torch.zeros(2, 8), check_trace=False
    )
    opaque = nn.Sequential(script)
    adapted = adapt(opaque, values, OutputWish(), name="scripted")
    (note,) = adapted.notes
    assert "cannot be" in note
    found = adapted.kind.probabilities(adapted.network(values).numpy())
    np.testing.assert_allclose(np.asarray(found), head(values).numpy(), rtol=0, atol=1e-6)
