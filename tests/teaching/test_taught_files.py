"""Files of taught classifiers: whole ones are enough by themselves, heads go with their trunk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision import models

import live_gradcam as lg
from live_gradcam.class_names import check_label
from live_gradcam.explain.inspection import inspect_network
from live_gradcam.explain.pooled import count_features, hash_of_trunk, with_linear_head
from live_gradcam.explain.taught import taught_origin
from live_gradcam.explain.taught_facts import MOST_BYTES, read_facts
from live_gradcam.teaching import learn, save_taught
from live_gradcam.teaching.saving import known_as
from tests.teaching.support import clouds, small_classifier


@pytest.fixture(scope="module")
def scenes() -> lg.Classifier:
    """The bundled network."""
    return lg.load_classifier("scenes")


def _taught(base: lg.Classifier, labels: tuple[str, ...] = ("mug", "茶壶")) -> lg.Classifier:
    """A classifier with a seeded random head on a network's trunk."""
    count = count_features(base)
    weight = torch.randn(len(labels), count, generator=torch.Generator().manual_seed(1))
    return with_linear_head(base, weight, torch.zeros(len(labels)), labels, origin=_origin(base))


def _origin(base: lg.Classifier) -> str:
    return taught_origin(2, base.weights_origin)


def _same(one: lg.Classifier, other: lg.Classifier) -> bool:
    """Return whether two classifiers give one answer to noise."""
    size = one.preprocessing.input_size
    pixels = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        mine, theirs = (each.head(each.trunk(pixels)) for each in (one, other))
    return one.labels == other.labels and torch.allclose(mine, theirs, 1e-5, 1e-5)


def _change(path: Path, **said: object) -> Path:
    """Write a copy of a file that says something else of itself."""
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    metadata |= {name: json.dumps(value) for name, value in said.items()}
    changed = path.with_name("changed.safetensors")
    save_file(load_file(path), changed, metadata)
    return changed


@pytest.mark.parametrize("head_only", [True, False])
def test_a_head_at_another_layer_is_loaded_there(
    head_only: bool, scenes: lg.Classifier, tmp_path: Path
) -> None:
    taught = _taught(lg.load_classifier("scenes", layer="layer3"))
    save_taught(taught, tmp_path / "head.safetensors", head_only=head_only)
    loaded = lg.load_classifier(weights=tmp_path / "head.safetensors")
    assert loaded.layer == "layer3"
    assert _same(loaded, taught)
    if head_only:
        with pytest.raises(lg.ModelError, match=r"at layer3, and this is scenes .* at layer4"):
            lg.load_taught(tmp_path / "head.safetensors", scenes)


def test_a_head_on_a_checkpoint_of_ones_own_goes_with_that_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = models.squeezenet1_1(weights=None)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    base = lg.load_classifier("squeezenet1_1", weights=tmp_path / "mine.pth")
    taught = _taught(base)
    path = tmp_path / "head.safetensors"
    save_taught(taught, path, head_only=True)
    assert str(tmp_path).encode() not in path.read_bytes()  # where files lie is not given away
    # Nothing is downloaded to find out that it is another network.
    with pytest.raises(lg.ModelError, match=r"the file mine\.pth.*as --model") as caught:
        lg.load_classifier(weights=path)
    assert "\n" not in str(caught.value)
    assert _same(lg.load_classifier(str(tmp_path / "mine.pth"), weights=path), taught)
    with torch.no_grad():
        next(iter(network.parameters())).add_(0.1)
    torch.save(network.state_dict(), tmp_path / "other.pth")
    with pytest.raises(lg.ModelError, match=r"mine\.pth, at .* the file .*other\.pth"):
        lg.load_classifier(str(tmp_path / "other.pth"), weights=path)
    found = inspect_network(str(path))
    assert found.kind == "taught head for squeezenet1_1"
    assert found.labels == ("mug", "茶壶")
    assert "mine.pth" in found.problem


def test_a_head_on_a_module_of_ones_own_is_put_on_in_python(tmp_path: Path) -> None:
    base = small_classifier()
    taught = _taught(base)
    path = tmp_path / "head.safetensors"
    lg.save_taught(taught, path, head_only=True)
    loaded = lg.load_taught(path, base)
    assert _same(loaded, taught)
    assert loaded.weights_origin.endswith("taught 2 classes; trunk: weights of the given module")
    with pytest.raises(lg.ModelError, match=r"lg\.load_taught"):
        lg.load_classifier(weights=path)
    with pytest.raises(lg.ModelError, match="it is a head for small"):
        lg.load_taught(path, small_classifier(seed=1))
    (tmp_path / "none.safetensors").write_bytes(b"")
    with pytest.raises(lg.ModelError, match="no file of a taught classifier"):
        lg.load_taught(tmp_path / "none.safetensors", base)


def test_layers_with_the_same_numbers_are_told_apart() -> None:
    """Between Fire 7 and the pooling behind it nothing has numbers."""
    torch.manual_seed(0)
    network = models.squeezenet1_1(weights=None)
    hashes = {
        hash_of_trunk(lg.Classifier.from_module(network, layer=layer))
        for layer in ("features.7", "features.8")
    }
    assert len(hashes) == 2


def test_what_was_taught_on_squeezed_pictures_squeezes_what_it_is_shown(
    scenes: lg.Classifier, tmp_path: Path
) -> None:
    wide = np.random.default_rng(0).integers(0, 255, (60, 200, 3)).astype(np.uint8)
    taught = _taught(scenes)
    save_taught(taught, tmp_path / "a.safetensors", view="stretch")
    loaded = lg.load_classifier(weights=tmp_path / "a.safetensors")
    options = {"compile": "off", "engine": "torch", "precision": "fp32"}
    with lg.Explainer(loaded, **options) as explainer:  # type: ignore[arg-type]
        ours = explainer.explain(wide)
    with lg.Explainer(taught, view="stretch", **options) as explainer:  # type: ignore[arg-type]
        theirs = explainer.explain(wide)
    assert ours.region == theirs.region == lg.Region(0, 0, 200, 60)
    np.testing.assert_array_equal(ours.evidence, theirs.evidence)


def test_what_was_taught_on_whole_pictures_says_so(scenes: lg.Classifier, tmp_path: Path) -> None:
    save_taught(_taught(scenes), tmp_path / "a.safetensors", view="full")
    heard: list[str] = []
    lg.load_classifier(weights=tmp_path / "a.safetensors", on_notice=heard.append)
    assert any("--view full" in each for each in heard)


def test_the_file_says_what_was_learned_and_from_what(tmp_path: Path) -> None:
    examples = clouds(3, size=48)
    lesson = learn(examples)
    path = tmp_path / "head.safetensors"
    (tmp_path / "a.jpg").write_bytes(b"one")
    save_taught(
        lesson.put_on(small_classifier()),
        path,
        head_only=True,
        learned=lesson.learned,
        examples=[tmp_path / "a.jpg"],
    )
    facts = read_facts(path)
    assert facts is not None
    assert facts.said[0] == "right about 100 % of 54 examples of bursts that were held out"
    assert [each["label"] for each in facts.learned["classes"]] == list(examples.labels)
    known = load_file(path)["examples"].numpy()
    assert known.tolist() == [known_as(tmp_path / "a.jpg").tolist()]
    assert known_as(tmp_path / "gone.jpg").tolist() == [0] * 8


_BAD: list[tuple[dict[str, object], str]] = [
    ({"labels": "ab"}, "damaged"),
    ({"labels": [1, 2]}, "damaged"),
    ({"labels": []}, "damaged"),
    ({"labels": ["one"]}, "its head is damaged"),
    ({"whole": "false"}, "damaged"),
    ({"network": 3}, "damaged"),
    ({"layer": ["layer4"]}, "damaged"),
    ({"layer": "layer9"}, "cannot be built"),
    ({"layer": "layer1"}, "cannot be built"),
    ({"network": "resnet81"}, "cannot be built"),
    ({"trunk": None}, "damaged"),
    ({"view": "sideways"}, "damaged"),
    ({"learned": [1]}, "damaged"),
    ({"preprocessing": {"crop_size": 224}}, "damaged"),
    ({"preprocessing": "large"}, "damaged"),
    ({"layout": ["tokens", 1, 0, 10**9, 1]}, "damaged"),
    ({"layout": ["tokens", 512, 0, 0, 7]}, "damaged"),
    ({"layout": ["tokens", 512, 1, 14, 14]}, "cannot use the taught classifier"),
    ({"layout": ["last", 512]}, "cannot use the taught classifier"),
    ({"layout": ["last", True]}, "damaged"),
    ({"layout": ["sideways"]}, "damaged"),
]


@pytest.fixture(scope="module")
def whole(scenes: lg.Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole file."""
    path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    save_taught(_taught(scenes), path)
    return path


@pytest.mark.parametrize(("said", "words"), _BAD, ids=[str(each)[:40] for each, _ in _BAD])
def test_a_file_that_says_something_else_is_refused_in_a_sentence(
    said: dict[str, object], words: str, whole: Path
) -> None:
    with pytest.raises(lg.ModelError, match=words) as caught:
        lg.load_classifier(weights=_change(whole, **said))
    assert "\n" not in str(caught.value)


def test_sentences_of_a_stranger_stay_sentences(whole: Path) -> None:
    changed = _change(whole, learned={"sentences": ["fine", 3, "\x1b[2J", "two\nlines"]})
    assert inspect_network(str(changed)).notes == ("fine",)


def test_names_that_a_file_has_no_room_for_are_refused(tmp_path: Path) -> None:
    labels = tuple(f"{index:090d}" for index in range(MOST_BYTES // 90))
    taught = _taught(small_classifier(channels=2), labels)
    with pytest.raises(lg.ModelError, match="too long for such a file"):
        save_taught(taught, tmp_path / "many.safetensors", head_only=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("  mug ", "mug"),
        ("茶壶", "茶壶"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
)
def test_names_of_classes_are_in_any_script(name: str, kept: str) -> None:
    assert check_label(name, "cannot teach") == kept


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "empty"),
        (" \t", "empty"),
        ("two\nlines", "cannot be shown"),
        ("mug\u202egum", "cannot be shown"),
        ("\udcff", "cannot be shown"),
        ("x" * 10_000, "has 10000 characters"),
    ],
)
def test_what_is_no_name_is_refused(name: str, said: str) -> None:
    with pytest.raises(lg.UsageError, match=said) as caught:
        check_label(name, "cannot teach")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_a_folder_is_no_file(tmp_path: Path, scenes: lg.Classifier) -> None:
    (tmp_path / "a.safetensors").mkdir()

    def make(name: str) -> None:
        save_taught(_taught(scenes), tmp_path / name, head_only=True)

    with pytest.raises(lg.UsageError, match="it is a folder"):
        make("a.safetensors")
    with pytest.raises(lg.SinkError, match="folder does not exist"):
        make("no/such/a.safetensors")
    with pytest.raises(lg.UsageError, match="ending"):
        make("a.pth")
