"""Checkpoints of every common trainer: their wrappings, averages, settings and labels."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import pathlib
import random
import types
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import Checkpoint, read_checkpoint
from live_gradcam.explain.networks.inside_labels import take_labels
from tests.explain import support
from tests.explain.networks.own import SMALL, assert_is, changed, load, prefixed, said

NETWORK = support.network(SMALL, 5)
STATE = NETWORK.state_dict()
OTHER = changed(STATE)
TINY = {"conv.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "fc.bias": torch.ones(2)}
NAMES = ["ash", "birch", "cedar", "dogwood", "elm"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.pth"


def saved(path: Path, content: object, **options: Any) -> Checkpoint:
    """Save a checkpoint with `torch.save` and read it."""
    torch.save(content, path, **options)
    return read_checkpoint(path)


def assert_tiny(checkpoint: Checkpoint) -> None:
    assert list(checkpoint.tensors) == list(TINY)
    for name, tensor in TINY.items():
        torch.testing.assert_close(checkpoint.tensors[name], tensor)


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder."),
        *("base_model.", "resnet.", "model.backbone.", "student.", "_forward_module."),
        *("ema_model.", "_fsdp_wrapped_module.", "my.own.wrapper.", "module._orig_mod.model."),
    ],
)
def test_prefixes_are_taken_off_whatever_they_are(path: Path, prefix: str) -> None:
    spec = load(path, prefixed(prefix, STATE))
    assert_is(spec, NETWORK)
    said(spec, repr(prefix.split(".")[0])[:-1])


@pytest.mark.parametrize(
    ("part", "wrapped"),
    [
        ("stage2.0.", "stage2._orig_mod.0."),
        ("stage3.", "stage3.module."),
        ("stage2.1.", "stage2._fsdp_wrapped_module.1._checkpoint_wrapped_module."),
    ],
)
def test_wrappers_in_the_middle_are_taken_out(path: Path, part: str, wrapped: str) -> None:
    state = {f"model.{name.replace(part, wrapped)}": each for name, each in STATE.items()}
    assert any(wrapped in name for name in state)
    spec = load(path, state)
    assert_is(spec, NETWORK)
    said(spec, "were taken out of the names", "'model.'")


BESIDE = {
    "criterion.weight": torch.ones(5),
    "loss_fn.pos_weight": torch.ones(5),
    "train_acc.tp": torch.zeros(5, dtype=torch.long),
    "val_metrics.confmat": torch.zeros(5, 5),
    "best_loss": torch.tensor(float("inf")),
    "arcface.weight": torch.ones(5, 1024),
    "projector.0.weight": torch.ones(64, 1024),
}


@pytest.mark.parametrize("prefix", ["", "model.", "lit.net."])
def test_what_training_alone_needs_is_left_out_and_said(path: Path, prefix: str) -> None:
    spec = load(path, {"state_dict": {**BESIDE, **prefixed(prefix, STATE)}, "epoch": 3})
    assert_is(spec, NETWORK)
    said(spec, f"{len(BESIDE)} entries were left out, e.g. 'criterion.weight'")


@pytest.mark.parametrize(
    "key",
    [
        *("state_dict", "model_state_dict", "model_state", "model", "net", "module", "network"),
        *("weights", "params", "my_own_key"),
    ],
)
def test_state_dicts_are_found_under_any_key(path: Path, key: str) -> None:
    optimizer = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    checkpoint = saved(path, {"epoch": 7, "optimizer": optimizer, key: TINY})
    assert_tiny(checkpoint)
    assert checkpoint.state == key
    assert f"under {key!r}" in checkpoint.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        {"checkpoint": {"model": STATE}, "epoch": 1},
        {"model": {"state_dict": prefixed("module.", STATE)}},
        {"state": {"model": prefixed("module.", STATE), "optimizers": {"adam": torch.ones(3)}}},
        (STATE, 3),
    ],
    ids=["checkpoint", "model", "composer", "tuple"],
)
def test_state_dicts_are_found_deeper(path: Path, content: object) -> None:
    assert_is(load(path, content), NETWORK)


AVERAGED = {
    "torchvision": (
        {
            "model": OTHER,
            "model_ema": {**prefixed("module.", STATE), "n_averaged": torch.tensor(9)},
        },
        "--state model",
    ),
    "timm": (
        {"state_dict": OTHER, "state_dict_ema": STATE, "arch": SMALL},
        "--state state_dict",
    ),
    "ema": ({"model": OTHER, "ema": STATE}, "--state model"),
    "dino": ({"student": OTHER, "teacher": STATE}, "--state student"),
    "callback of Lightning": (
        {
            "state_dict": prefixed("model.", OTHER),
            "callbacks": {"EMACallback": {"ema_state_dict": prefixed("model.", STATE)}},
        },
        "--state state_dict",
    ),
    "averaging of Lightning": (
        {
            "state_dict": prefixed("model.", STATE),
            "current_model_state": prefixed("model.", OTHER),
            "averaging_state": {"n_averaged": torch.tensor(3)},
        },
        "--state current_model_state",
    ),
    "parameters alone": (
        {
            "model": {n: t if "running_" in n else OTHER[n] for n, t in STATE.items()},
            "ema": {n: t for n, t in STATE.items() if "running_" not in n and t.ndim},
        },
        "--state model",
    ),
}


@pytest.mark.parametrize("trainer", AVERAGED)
def test_averaged_weights_are_taken_and_said(path: Path, trainer: str) -> None:
    content, others = AVERAGED[trainer]
    spec = load(path, content)
    assert_is(spec, NETWORK)
    said(spec, "the averaged weights were taken", others)


def test_a_copy_in_the_same_state_dict_is_the_averaged_one(path: Path) -> None:
    """As a callback leaves it that keeps its copy as a submodule."""
    ema = {**prefixed("ema_model.module.", STATE), "ema_model.n_averaged": torch.tensor(3)}
    content = {"state_dict": {**prefixed("model.", OTHER), **ema}}
    spec = load(path, content)
    assert_is(spec, NETWORK)
    said(spec, "'model.' was not taken")
    assert_is(load(path, content, state="ema_model"), NETWORK)
    other = load(path, content, state="model")
    with pytest.raises(AssertionError):
        assert_is(other, NETWORK)


def test_a_teacher_of_another_kind_is_no_average(path: Path) -> None:
    teacher = support.network("squeezenet1_1", 5).state_dict()
    assert_is(load(path, {"student": STATE, "teacher": teacher}), NETWORK)
    assert_is(load(path, {**prefixed("student.", STATE), **prefixed("teacher.", teacher)}), NETWORK)


@pytest.mark.parametrize("state", ["model", "run.model"])
def test_the_user_chooses_the_weights(path: Path, state: str) -> None:
    content: dict[str, Any] = {"model": STATE, "model_ema": OTHER}
    if "." in state:
        content = {"run": content}
    spec = load(path, content, state=state)
    assert_is(spec, NETWORK)
    assert spec.notes == ()


def test_a_key_that_is_not_there_lists_those_that_are(path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights under 'modle'\. It has model, model_ema"):
        load(path, {"model": STATE, "model_ema": OTHER}, state="modle")


class Mode(enum.Enum):
    """As a training script defines one."""

    FAST = 1


class Meter:
    """As a training script defines one."""

    def __init__(self) -> None:
        self.average = 0.5
        self.values = [1, 2]


class Settings(dict[str, Any]):
    """As yacs, addict and Lightning define theirs."""


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(3, requires_grad=True)], lr=0.1)


OBJECTS: dict[str, Any] = {
    "namespace": argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data"), classes=3),
    "NumPy number": np.float64(81.25),
    "NumPy truth": np.bool_(True),
    "NumPy array": np.arange(6.0).reshape(2, 3),
    "NumPy names": np.array(["a", "b"], dtype=object),
    "NumPy's chance": np.random.default_rng(0),
    "NumPy's old chance": np.random.get_state(),
    "path": pathlib.Path("runs"),
    "ordered dictionary": collections.OrderedDict(a=1),
    "default dictionary": collections.defaultdict(list, {"a": [1]}),
    "counter": collections.Counter("abca"),
    "deque": collections.deque([1, 2], maxlen=3),
    "date": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    "duration": datetime.timedelta(days=1),
    "fraction": fractions.Fraction(1, 2),
    "decimal": decimal.Decimal("1.5"),
    "chance": random.getstate(),
    "complex": 1j,
    "set": {1, 2},
    "frozen set": frozenset({1}),
    "bytes": b"abc",
    "array of bytes": bytearray(b"abc"),
    "range": range(3),
    "slice": slice(1, 2),
    "simple namespace": types.SimpleNamespace(a=1),
    "id": uuid.UUID(int=5),
    "enumeration": Mode.FAST,
    "object of one's own": Meter(),
    "dictionary of one's own": Settings(lr=0.1),
    "class": nn.ReLU,
    "function": nn.functional.relu,
    "partial": functools.partial(nn.BatchNorm2d, eps=1e-3),
    "device": torch.device("cuda:0"),
    "type": torch.float16,
    "size": torch.Size([1, 2]),
    "optimiser": sgd(),
    "schedule": torch.optim.lr_scheduler.StepLR(sgd(), 3),
    "layers": nn.Linear(2, 2),
}


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_beside_the_tensors_are_skipped(path: Path, kind: str, legacy: bool) -> None:
    content = {"state_dict": TINY, "beside": OBJECTS[kind], "list": [OBJECTS[kind]]}
    assert_tiny(saved(path, content, _use_new_zipfile_serialization=not legacy))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_pickles_of_every_protocol_are_read(path: Path, protocol: int, legacy: bool) -> None:
    checkpoint = saved(
        path,
        {"state_dict": TINY, "classes": np.array(NAMES), **OBJECTS},
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=not legacy,
    )
    assert_tiny(checkpoint)
    assert checkpoint.labels == NAMES


LABELS: dict[str, Any] = {
    "classes": NAMES,
    "class_names": np.array(NAMES),
    "labels": np.array(NAMES, dtype=object),
    "id2label": dict(enumerate(NAMES)),
    "label2id": {name: index for index, name in enumerate(NAMES)},
    "class_to_idx": {name: index for index, name in reversed(list(enumerate(NAMES)))},
    "idx_to_class": {str(index): name for index, name in enumerate(NAMES)},
    "vocab": NAMES,
    "dls": types.SimpleNamespace(vocab=NAMES),
    "hparams": {"classes": NAMES},
    "hyper_parameters": Settings(data=Settings(class_names=tuple(NAMES))),
    "args": argparse.Namespace(classes=NAMES),
    "meta": {"dataset_meta": {"CLASSES": tuple(NAMES)}},
    "config": {"id2label": {str(index): name for index, name in enumerate(NAMES)}},
}


@pytest.mark.parametrize("key", LABELS)
def test_labels_inside_the_file_are_found(path: Path, key: str) -> None:
    found = saved(path, {"state_dict": TINY, "epoch": 1, key: LABELS[key]}).inside_labels
    names, notes = take_labels(found, 5, str(path))
    assert names == tuple(NAMES)
    assert f"the names of the classes were found under {key!r}" in notes[0]


def test_labels_inside_the_file_are_the_networks(path: Path) -> None:
    spec = load(path, {"state_dict": STATE, "hyper_parameters": {"classes": NAMES}})
    assert spec.labels == tuple(NAMES)
    said(spec, "found under 'hyper_parameters' > 'classes'")


@pytest.mark.parametrize(
    "value", [5, ["a"], [0, 1, 2, 3, 4], {"a": "b"}, {"classes": 5}, nn.Linear(2, 2)], ids=repr
)
def test_what_is_no_list_of_this_networks_classes_is_not_taken(path: Path, value: object) -> None:
    checkpoint = saved(path, {"state_dict": TINY, "classes": value})
    assert take_labels(checkpoint.inside_labels, 5, str(path))[0] is None


def test_names_for_another_number_of_classes_are_left_out_and_said(path: Path) -> None:
    spec = load(path, {"state_dict": STATE, "hparams": {"classes": ["a", "b", "c"]}})
    assert spec.labels is None
    said(spec, "the 3 names under 'hparams' > 'classes' were left out: the network has 5 classes")


def test_weights_kept_in_parts_are_put_together(path: Path) -> None:
    from torch.nn.utils import parametrizations

    prune: Any = importlib.import_module("torch.nn.utils.prune")
    network: Any = support.network(SMALL, 5)
    stage = network.stage2[0].branch1
    prune.l1_unstructured(stage[0], "weight", 0.5)
    prune.l1_unstructured(network.fc, "weight", 0.3)
    parametrizations.weight_norm(stage[2])
    parametrizations.spectral_norm(network.conv1[0])
    spec = load(path, prefixed("model.", network.eval().state_dict()))
    assert_is(spec, network)
    said(spec, "masks", "weight norm was folded", "spectral norm was folded")


@pytest.mark.parametrize("prefix", ["", "net."])
@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_a_networks_own_normalisation_is_taken_and_said(
    path: Path, prefix: str, scale: float
) -> None:
    own = {
        "pixel_mean": torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1) * scale,
        "pixel_std": torch.tensor([0.2, 0.25, 0.3]).view(1, 3, 1, 1) * scale,
    }
    spec = load(path, {**own, **prefixed(prefix, STATE)})
    assert_is(spec, NETWORK)
    np.testing.assert_allclose(spec.preprocessing.mean, (0.5, 0.4, 0.3), rtol=1e-6)
    np.testing.assert_allclose(spec.preprocessing.std, (0.2, 0.25, 0.3), rtol=1e-6)
    said(spec, "own normalisation")
