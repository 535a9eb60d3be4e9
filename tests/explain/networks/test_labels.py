"""Names of classes: every form that is in use, and the class that somebody means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies
from torchvision.models import ResNet18_Weights

from live_gradcam.class_names import find_class
from live_gradcam.errors import LiveGradcamError, ModelError, UsageError
from live_gradcam.explain.networks.labels import read_labels, require_count, tidy_labels

LABELS = (
    "tench",
    "tabby, tabby cat",
    "tiger cat",
    "crane",
    "crane",
    "Schäferhund",
    "7",
    "ice_cream",
)


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\n",
        "\ufeffcat\r\ndog\r\n\r\n",
        '["cat", "dog"]',
        '{"0": "cat", "1": "dog"}',
        '{"dog": 1, "cat": 0}',
        '{"0": ["n01", "cat"], "1": ["n02", "dog"]}',
    ],
)
def test_every_form_is_understood(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00c", "UTF-8"),
        (b"cat\0dog", "not a text file"),
        (b"[1,", "JSON"),
        (b'{"0": "cat", "2": "dog"}', "index 1"),
        (b'{"a": "cat"}', "index"),
        (b'[{"colour": "red"}]', "no entry"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "not names"),
    ],
)
def test_what_is_no_list_of_names_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_labels(tmp_path / "nothing.txt")
    with pytest.raises(ModelError, match="folder"):
        read_labels(tmp_path)


def test_both_numbers_are_named_when_they_differ() -> None:
    with pytest.raises(ModelError, match=r"7 labels for a network of 1000 classes"):
        require_count(["x"] * 7, 1000, "mine.txt")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("tench", 0),
        ("TENCH", 0),
        ("Tabby Cat", 1),
        ("tiger_cat", 2),
        ("ice cream", 7),
        ("SCHÄFERHUND", 5),
        ("hund", 5),
        (3, 3),
        ("4", 4),
        ("7", 6),
    ],
)
def test_a_class_is_found_by_what_people_write(wanted: str | int, index: int) -> None:
    assert find_class(LABELS, wanted) == index


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("crane", r"2 classes match: crane \(3\), crane \(4\)"),
        ("cat", "2 classes match"),
        ("tensch", r"tench \(0\)"),
        ("zzz", "8 classes"),
        (8, "0 to 7"),
        (-1, "0 to 7"),
        ("99", "0 to 7"),
        ("", "unknown class"),
    ],
)
def test_what_is_not_one_class_names_the_candidates(wanted: str | int, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        find_class(LABELS, wanted)
    assert caught.value.exit_code == 2


def test_every_label_of_a_network_finds_itself() -> None:
    labels = json.loads('["a", "a b", "b", "b c"]')
    assert [find_class(labels, label) for label in labels] == [0, 1, 2, 3]


_JSON = strategies.recursive(
    strategies.none() | strategies.integers(-3, 3) | strategies.text(max_size=4),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text(max_size=2), inner, max_size=3)
    ),
)


@given(_JSON)
def test_any_json_gives_names_or_one_clear_error(content: object) -> None:
    try:
        names = tidy_labels(content, "labels.json")
    except LiveGradcamError as exc:
        error = exc
    else:
        assert names
        assert all(isinstance(name, str) for name in names)
        return
    assert "labels.json" in str(error)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("zebraa", "zebra"),
        ("zbera", "zebra"),
        ("golden retreiver", "golden retriever"),
        ("grany smith", "Granny Smith"),
        ("jackolantern", "jack-o'-lantern"),
        ("labardor", "Labrador retriever"),
        ("teapott", "teapot"),
    ],
)
def test_of_a_thousand_classes_only_those_near_in_spelling_are_named(
    typed: str, meant: str
) -> None:
    labels = ResNet18_Weights.DEFAULT.meta["categories"]
    with pytest.raises(UsageError) as caught:
        find_class(labels, typed)
    assert caught.value.next_step == f"Closest: {meant} ({labels.index(meant)})"


def test_synonyms_are_near_in_spelling_too() -> None:
    labels = ["tench, Tinca tinca", "tabby, tabby cat", "tiger cat"]
    with pytest.raises(UsageError, match=r"Closest: tabby, tabby cat \(1\)\.$"):
        find_class(labels, "tably cat")
    with pytest.raises(UsageError, match="Classes are tench, Tinca tinca, tabby, tabby cat, tiger"):
        find_class(labels, "unicorn")
