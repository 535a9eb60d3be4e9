"""Every way to cut gives what autograd through the user's own network gives."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim
from torch.fx.experimental.proxy_tensor import make_fx

import live_gradcam as lg
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.heads.replay import ReplayHead
from live_gradcam.explain.layers import at_layer, choose_layers, list_layers
from live_gradcam.explain.methods import METHODS
from live_gradcam.faithfulness.randomize import randomize_weights
from tests.explain import own


def from_module(network: nn.Module, layer: str | nn.Module | None) -> Classifier:
    return Classifier.from_module(network, layer=layer, preprocessing=own.PREPROCESSING)


@pytest.mark.parametrize(
    ("kind", "layer", "is_cut"),
    [
        (own.Small, "bn2", True),
        (own.ByInputSize, "bn2", True),
        (own.ByInputSize, "conv1", True),
        (own.ByLoop, "conv2", True),
        (own.ByValue, "bn2", False),
        (own.Bypassed, "conv3", False),
    ],
)
def test_the_maps_are_those_of_the_whole_network(
    kind: type[own.Small], layer: str, is_cut: bool
) -> None:
    network = own.made(kind())
    classifier = from_module(network, layer)
    assert isinstance(classifier.head, ReplayHead) is not is_cut
    assert bool(classifier.notes) is not is_cut
    own.assert_explained(classifier, network, layer)


def test_sizes_that_a_head_reads_are_those_of_the_picture_at_hand() -> None:
    network = own.made(own.ByInputSize())
    classifier = from_module(network, "bn2")
    for count, height, width in ((3, 48, 32), (1, 32, 64)):
        pixels = torch.randn(count, 3, height, width)
        with torch.no_grad():
            found = classifier.head(classifier.trunk(pixels))
            torch.testing.assert_close(found, network(pixels))
    assert {layer.name for layer in list_layers(classifier)} >= {"bn2"}
    other = at_layer(classifier, list_layers(classifier)[0].name)
    with torch.no_grad():
        torch.testing.assert_close(other.head(other.trunk(pixels)), network(pixels))


def test_what_was_exported_for_one_size_says_so() -> None:
    classifier = from_module(own.made(own.ByLoop()), "conv2")
    with lg.Explainer(classifier, compile="off") as explainer:
        wide = np.zeros((32, 96, 3), np.uint8)
        assert explainer.explain(wide, view="crop").evidence.shape == (1, 8, 8)
        with pytest.raises(lg.UsageError, match=r"explained for 32x32 only. Use --view crop"):
            explainer.explain(wide, view="full")


def test_a_module_that_runs_several_times_is_explained_at_its_last_run_with_positions() -> None:
    network = own.made(own.Small())
    classifier = from_module(network, "relu")
    assert any("run 2 of 2" in note for note in classifier.notes)
    own.assert_explained(classifier, network, "relu", run=1)


class PreActivation(own.Small):
    """A ReLU in place on what a shortcut goes on to use: the shortcut gets it rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.relu(self.bn1(self.conv1(x))))
        x = x + self.conv3(self.act(x))
        scores: Tensor = self.fc(x.mean((2, 3)))
        return scores


def test_what_works_in_place_reaches_all_that_uses_it() -> None:
    network = own.made(PreActivation())
    own.assert_explained(from_module(network, "conv2"), network, "conv2")


class PerBatch(own.Small):
    """Images of a batch see each other."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = x - x.mean((0, 2, 3), keepdim=True)
        scores: Tensor = self.fc(x.amax((2, 3)))
        return scores


def test_images_of_a_batch_are_explained_as_each_alone() -> None:
    network = own.made(PerBatch())
    own.assert_explained(from_module(network, "bn2"), network, "bn2")


class OneImage(own.Small):
    """A number of images that is written down."""

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.features(x).amax((2, 3)).reshape(1, 8))
        return scores


def test_a_network_for_one_image_explains_several() -> None:
    network = own.made(OneImage())
    own.assert_explained(from_module(network, "bn2"), network, "bn2", count=3)


def test_a_layer_that_is_bypassed_says_that_it_is_not_the_whole() -> None:
    classifier = from_module(own.made(own.Bypassed()), "conv3")
    assert any("flows past conv3" in note for note in classifier.notes)
    assert any("uncompiled" in note for note in classifier.notes)


class Idle(own.Small):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.extra = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "not used":
            self.extra(x)
        features = self.features(x)
        if self.kind == "detached":
            features = features.detach()
        scores: Tensor = self.fc(features.mean((2, 3)))
        return scores


@pytest.mark.parametrize(
    ("kind", "layer", "cause"),
    [
        ("not run", "extra", "does not run"),
        ("not used", "extra", "does not depend on it"),
        ("detached", "bn2", "no gradient"),
        ("not run", "fc", "not a map"),
        ("not run", "bn", r"Did you mean bn2 or bn1\? This network has conv1"),
    ],
)
def test_a_layer_without_an_explanation_is_refused_with_the_reason(
    kind: str, layer: str, cause: str
) -> None:
    with pytest.raises(lg.ModelError, match=cause):
        from_module(own.made(Idle(kind)), layer)


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_explain_what_cannot_be_cut_as_what_can(method: str) -> None:
    network = own.made(own.ByValue())
    plain = own.made(own.Small())
    plain.load_state_dict(network.state_dict())
    found = []
    for module in (network, plain):
        classifier = from_module(module, "bn2")
        with lg.Explainer(classifier, method=method, precision="fp32", compile="off") as explainer:
            found.append(explainer.explain_batch(own.images(), classes="all"))
    for ours, reference, image in zip(*found, own.images(), strict=True):
        scores = own.expected(network, "bn2", image, [0])[0]
        scaled = not torch.allclose(scores, own.expected(plain, "bn2", image, [0])[0])
        assert not scaled, "these images take the branch that leaves the features as they are"
        largest = abs(reference.evidence).max()
        np.testing.assert_allclose(ours.evidence, reference.evidence, rtol=0, atol=1e-4 * largest)


def test_what_cannot_be_cut_runs_uncompiled_in_float32_and_says_so() -> None:
    classifier = from_module(own.made(own.ByValue()), "bn2")
    notices: list[str] = []
    with lg.Explainer(
        classifier, precision="bf16", engine="torch", compile="on", on_notice=notices.append
    ) as explainer:
        explainer.explain(own.images(1)[0])
        runtime = explainer.runtime
    assert runtime.precision == "fp32"
    assert runtime.state == "off"
    assert any("uncompiled" in notice and "cannot be cut" in notice for notice in notices)


def test_threads_share_what_keeps_things_on_itself() -> None:
    network = own.made(own.ByValue())
    classifier = from_module(network, "bn2")
    images = own.images(6)
    with lg.Explainer(classifier, compile="off") as explainer:
        alone = [explainer.explain(image).evidence for image in images]
        with ThreadPoolExecutor(3) as threads:
            together = [each.evidence for each in threads.map(explainer.explain, images)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_other_layers_and_random_weights_of_what_cannot_be_cut() -> None:
    network = own.made(own.ByValue())
    classifier = from_module(network, "bn2")
    names = [layer.name for layer in list_layers(classifier)]
    assert names[-1] == "bn2"
    early = at_layer(classifier, names[0])
    own.assert_explained(early, network, names[0])
    with pytest.raises(lg.UsageError, match="several layers at once"):
        choose_layers(classifier, "all")
    scrambled = randomize_weights(early)
    for explained in (scrambled, randomize_weights(classifier)):
        with lg.Explainer(explained, compile="off") as explainer:
            assert np.isfinite(explainer.explain(own.images(1)[0]).evidence).all()
    assert isinstance(scrambled.trunk, type(early.trunk))
    weights = copy.deepcopy(network.state_dict())
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "layer"), [(own.ByInputSize, "relu"), (own.ByInputSize, "bn1"), (own.ByLoop, "conv2")]
)
def test_what_is_cut_can_be_compiled(kind: type[own.Small], layer: str) -> None:
    """The compiler's first steps: another process gets the network, and flattens it."""
    classifier = from_module(own.made(kind()), layer)
    network = FusedNetwork(classifier, "fp32").requires_grad_(False).eval()
    payload = pickle.dumps(network)
    assert b"ByInputSize" not in payload, "that process cannot load classes of the user's"
    assert b"ByLoop" not in payload, "that process cannot load classes of the user's"
    sent = pickle.loads(payload)
    pixels = torch.from_numpy(np.stack(own.images(2)))
    selection = torch.tensor([-1, 3])
    with torch.no_grad():
        flat = make_fx(sent)(255 - pixels, torch.tensor([0, 1]))
        for found, expected in zip(
            flat(pixels, selection), network(pixels, selection), strict=True
        ):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("layer", ["bn1", "bn2"])
def test_hooks_stand_where_batch_norms_are_folded(layer: str) -> None:
    network = own.made(own.Small())
    network.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: output * 3)
    classifier = from_module(network, "relu")
    network_in_half = FusedNetwork(classifier, "bf16").requires_grad_(False).eval()
    pixels = torch.from_numpy(np.stack(own.images(1)))
    with torch.no_grad():
        found = network_in_half(pixels, torch.tensor([0]))[0][0]
    expected = own.expected(network, "relu", own.images(1)[0], [0])[0]
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05 * float(expected.abs().max()))


class InHalfOnly(own.Small):
    """Names float32 in its forward, so that its trunk cannot run in another precision."""

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.features(x.float()).mean((2, 3)))
        return scores


def test_a_network_that_names_float32_runs_in_it() -> None:
    network = own.made(InHalfOnly())
    classifier = from_module(network, "bn2")
    with lg.Explainer(classifier, precision="bf16", compile="off") as explainer:
        explanation = explainer.explain(own.images(1)[0])
        assert explainer.runtime.precision == "fp32"
        assert any("half precision" in reason for reason in explainer.runtime.reasons)
    assert explanation.finite


def test_training_goes_on_after_an_explanation() -> None:
    network = own.made(own.Small()).train()
    optimiser = optim.SGD(network.parameters(), lr=0.1)
    from_module(network, "bn2")
    loss = network(torch.randn(2, 3, own.SIDE, own.SIDE)).sum()
    loss.backward()
    optimiser.step()
    assert all(parameter.grad is not None for parameter in network.parameters())
