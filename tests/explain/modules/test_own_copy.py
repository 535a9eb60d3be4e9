"""A user's module is copied whatever hangs on it, and is afterwards as it was before."""

from __future__ import annotations

import copy
import io
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import live_gradcam as lg
from live_gradcam.explain.classifier import Classifier
from tests.explain import own


def from_module(network: nn.Module, layer: str | nn.Module | None = "bn2") -> Classifier:
    return Classifier.from_module(network, layer=layer, preprocessing=own.PREPROCESSING)


def state_of(network: nn.Module) -> dict[str, Any]:
    """Everything that belongs to a module and its parts, and the random numbers to come."""
    tensors = {
        name: (tensor.clone(), tensor.requires_grad, tensor.grad, id(tensor), tensor._version)
        for name, tensor in (*network.named_parameters(), *network.named_buffers())
    }
    parts = {
        name: (module.training, type(module), sorted(module.__dict__), id(module.forward.__func__))
        for name, module in network.named_modules()
    }
    hooks = {
        name: [
            [*table]
            for table in (
                module._forward_hooks,
                module._forward_pre_hooks,
                module._backward_hooks,
            )
        ]
        for name, module in network.named_modules()
    }
    generators = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    return {"tensors": tensors, "parts": parts, "hooks": hooks, "generators": generators}


def assert_same(before: object, after: object) -> None:
    if isinstance(before, Tensor):
        assert isinstance(after, Tensor)
        assert torch.equal(before, after)
    elif isinstance(before, dict):
        assert isinstance(after, dict)
        assert before.keys() == after.keys()
        for key, value in before.items():
            assert_same(value, after[key])
    elif isinstance(before, (tuple, list)):
        assert isinstance(after, (tuple, list))
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            assert_same(one, other)
    else:
        assert before == after


class WithLoss(own.Small):
    """Training mode, frozen parts, gradients, hooks and a weight that is computed."""

    def __init__(self) -> None:
        super().__init__()
        nn.utils.spectral_norm(self.conv1)
        nn.utils.parametrizations.weight_norm(self.conv2)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", [WithLoss, own.ByValue, own.ByLoop])
def test_the_module_is_as_it_was(kind: type[own.Small]) -> None:
    network = own.made(kind()).train()
    network.bn1.eval()
    network.fc.weight.requires_grad_(False)
    network(torch.randn(2, 3, own.SIDE, own.SIDE)).sum().backward()
    network.conv1.register_forward_hook(lambda *_: None)
    if hasattr(network, "kept"):
        del network.kept
    before = state_of(network)
    classifier = from_module(network, "conv2")
    with lg.Explainer(classifier, compile="off") as explainer:
        explainer.explain_batch(own.images(), classes="all")
    assert_same(before, state_of(network))


class Trainer:
    """What hangs on a module in training: it cannot be copied, and knows the module."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.lock = threading.Lock()
        self.log = io.TextIOWrapper(io.BytesIO())
        self.batches = (each for each in range(3))


def with_trainer(network: own.Small) -> nn.Module:
    vars(network).update(trainer=Trainer(network), lock=threading.Lock())
    return network


def with_old_weight_norm(network: own.Small) -> nn.Module:
    nn.utils.weight_norm(network.conv1)
    network(torch.randn(1, 3, own.SIDE, own.SIDE))
    return network


def with_spectral_norm(network: own.Small) -> nn.Module:
    nn.utils.spectral_norm(network.conv2)
    nn.utils.parametrizations.spectral_norm(network.fc)
    network.train()(torch.randn(2, 3, own.SIDE, own.SIDE))
    return network.eval()


def with_weight_norm(network: own.Small) -> nn.Module:
    nn.utils.parametrizations.weight_norm(network.conv2)
    return network


def as_replicas(network: own.Small) -> nn.Module:
    return nn.DataParallel(network)


def compiled(module: nn.Module) -> nn.Module:
    result: Any = torch.compile(module)
    assert isinstance(result, nn.Module)
    return result


def as_compiled(network: own.Small) -> nn.Module:
    return compiled(network)


def as_compiled_in_part(network: own.Small) -> nn.Module:
    network._modules["bn2"] = compiled(network.bn2)
    return network


def as_training(network: own.Small) -> nn.Module:
    return network.train()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "change",
    [
        with_trainer,
        with_old_weight_norm,
        with_spectral_norm,
        with_weight_norm,
        as_replicas,
        as_compiled,
        as_compiled_in_part,
    ],
)
def test_whatever_hangs_on_it_it_is_explained(change: Callable[[own.Small], nn.Module]) -> None:
    network = own.made(own.Small())
    module = change(network)
    classifier = from_module(module)
    network._modules["bn2"] = getattr(network.bn2, "_orig_mod", network.bn2)  # that is slow
    own.assert_explained(classifier, network.eval(), "bn2")


def test_names_are_those_inside_a_wrapper_or_out_of_it() -> None:
    network = own.made(own.Small())
    wrapped = nn.DataParallel(compiled(network))
    for name in ("bn2", "module._orig_mod.bn2", "module.bn2", "_orig_mod.bn2"):
        assert from_module(wrapped, name).layer == "bn2"
    for module in (network.bn2, compiled(network.bn2)):
        assert from_module(wrapped, module).layer == "bn2"
    with pytest.raises(lg.ModelError, match="no part of the network"):
        from_module(network, nn.ReLU())


def test_half_precision_and_training_mode_are_said() -> None:
    network = own.made(own.Small())
    half = copy.deepcopy(network).half().train()
    classifier = from_module(half)
    assert any("training mode" in note for note in classifier.notes)
    assert any("float16" in note for note in classifier.notes)
    own.assert_explained(classifier, half.float().eval(), "bn2")
    assert from_module(network).notes == ()


def test_what_holds_no_numbers_is_refused() -> None:
    with pytest.raises(lg.ModelError, match=r"conv1.weight is on the meta device"):
        from_module(own.Small().to("meta"))
    network = own.Small()
    network.fc = nn.LazyLinear(5)
    with pytest.raises(lg.ModelError, match=r"fc.weight has no shape yet.*Run the network once"):
        from_module(network)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torchscript_is_refused_in_one_sentence() -> None:
    scripted = torch.jit.trace(  # type: ignore[no-untyped-call]
        own.made(own.Small()), torch.zeros(1, 3, own.SIDE, own.SIDE)
    )
    with pytest.raises(lg.ModelError, match=r"TorchScript.*Python module that it was made from"):
        from_module(scripted)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_parts_in_torchscript_are_explained_as_parts() -> None:
    network = own.made(own.Small())
    mixed = copy.deepcopy(network)
    mixed._modules["bn2"] = torch.jit.script(mixed.bn2)
    for layer in ("bn2", "conv2"):
        own.assert_explained(from_module(mixed, layer), network, layer)
    trunk = torch.jit.script(nn.Sequential(network.conv1, network.relu))
    head = torch.jit.script(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.fc))
    classifier = Classifier.from_parts(trunk, head, preprocessing=own.PREPROCESSING)
    assert classifier.class_count == 5


# Hooks of others


def test_hooks_that_change_the_output_are_kept_and_others_are_not_called_again() -> None:
    network = own.made(own.Small())
    calls: list[str] = []
    network.conv1.register_forward_hook(lambda *_: calls.append("conv1"))
    network.bn1.register_forward_hook(lambda _module, _inputs, output: output * 2)
    network.fc.register_forward_pre_hook(lambda _module, inputs: (inputs[0] + 1,))
    network.fc.register_full_backward_hook(lambda *_: calls.append("backward"))
    classifier = from_module(network)
    assert len(calls) <= 6
    calls.clear()
    with lg.Explainer(classifier, precision="fp32", compile="off") as explainer:
        explainer.explain_batch(own.images())
    assert calls == []
    network.fc._backward_hooks.clear()
    own.assert_explained(classifier, network, "bn2")


# Randomness, and networks that do not run


class Forgotten(own.Small):
    def forward(self, x: Tensor) -> Tensor:
        features = nn.functional.dropout(self.features(x).mean((2, 3)), 0.5)
        scores: Tensor = self.fc(features)
        return scores


class Forced(own.Small):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        self.dropout.train()
        scores: Tensor = self.fc(self.dropout(self.features(x).mean((2, 3))))
        return scores


class Noisy(own.Small):
    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.features(x + 0.1 * torch.rand_like(x)).mean((2, 3)))
        return scores


@pytest.mark.parametrize("kind", [Forgotten, Forced, Noisy])
def test_randomness_is_called_by_its_name(kind: type[own.Small]) -> None:
    network = own.made(kind())
    before = torch.get_rng_state()
    with pytest.raises(
        lg.ModelError, match=r"random in evaluation: two runs on the same picture differ by \d"
    ):
        from_module(network)
    assert torch.equal(before, torch.get_rng_state())


class Counting(own.Small):
    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        scores: Tensor = self.fc(self.features(x).mean((2, 3))) * self.seen
        return scores


def test_what_changes_from_run_to_run_is_not_called_random() -> None:
    with pytest.raises(lg.ModelError, match="changes from run to run"):
        from_module(own.made(Counting()))


class Flat(own.Small):
    """For 28x28 only."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8 * 7 * 7, 5)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.features(x).flatten(1))
        return scores


class TwoInputs(own.Small):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        scores: Tensor = self.fc((self.features(x) * mask).mean((2, 3)))
        return scores


def test_a_network_that_does_not_run_says_why_and_what_it_takes() -> None:
    with pytest.raises(
        lg.ModelError, match=r"on a picture of 32x32: .*shapes.*It runs on 28x28: use preprocessing"
    ):
        from_module(own.made(Flat()))
    with pytest.raises(lg.ModelError, match=r"'mask'.*Wrap it in a module"):
        from_module(own.made(TwoInputs()))
    grey = own.Small()
    grey.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
    with pytest.raises(lg.ModelError, match=r"expected input.*pictures of 1 channels, 32x32"):
        from_module(own.made(grey))


# The layer where none is named


class Transformer(nn.Module):
    """Patches, a class token and two blocks; only the class token is read at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.first = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True, norm_first=True)
        self.second = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(16)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.token.expand(x.shape[0], -1, -1), tokens), 1)
        tokens = self.norm(self.second(self.first(tokens)))
        scores: Tensor = self.fc(tokens[:, 0])
        return scores


@pytest.mark.parametrize(
    ("kind", "layer"),
    [(own.Small, "relu"), (own.ByValue, "relu"), (own.Bypassed, "relu"), (Transformer, "first")],
)
def test_the_last_layer_with_positions_that_all_flows_through_is_found(
    kind: type[nn.Module], layer: str
) -> None:
    classifier = from_module(own.made(kind()), None)
    assert classifier.layer == layer
    with lg.Explainer(classifier, compile="off") as explainer:
        assert np.abs(explainer.explain(own.images(1)[0]).evidence).max() > 0


def test_a_network_without_positions_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * own.SIDE**2, 8), nn.Linear(8, 5))
    with pytest.raises(lg.ModelError, match="none of its layers puts out maps"):
        from_module(network, None)
