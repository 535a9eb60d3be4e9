"""Explanations travel: pickled, copied, as dictionaries, as JSON, as files."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.images.read import read_image
from live_gradcam.values import Explanation, Int8Fidelity
from tests.present import support

ROUND_TRIPS: dict[str, Callable[[Explanation], Explanation]] = {
    "pickle": lambda each: pickle.loads(pickle.dumps(each)),
    "oldest pickle": lambda each: pickle.loads(pickle.dumps(each, protocol=0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "dictionary": lambda each: lg.Explanation.from_dict(each.to_dict()),
    "json": lambda each: lg.Explanation.from_json(each.to_json()),
}


def assert_same(found: Explanation, expected: Explanation) -> None:
    np.testing.assert_array_equal(found.evidence, expected.evidence)
    assert found.evidence.dtype == np.float32
    assert dict(found.timings_ms) == dict(expected.timings_ms)
    assert found.picture is not None
    assert expected.picture is not None
    assert found.picture.size == expected.picture.size
    assert found.picture.path == expected.picture.path
    for name in ("predictions", "explained", "labels", "region", "method", "unit", "output"):
        assert getattr(found, name) == getattr(expected, name), name
    for name in ("class_specific", "completeness_residual", "finite", "int8"):
        assert getattr(found, name) == getattr(expected, name), name


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_it_comes_back_as_it_was(name: str) -> None:
    expected = replace(support.explained(), int8=Int8Fidelity(100, 0.99, 0.999, 0.95))
    found = ROUND_TRIPS[name](expected)
    assert type(found) is lg.Explanation
    assert_same(found, expected)
    np.testing.assert_array_equal(found.heatmap(), expected.heatmap())


def test_a_deep_copy_has_maps_of_its_own() -> None:
    expected = support.explained()
    found = copy.deepcopy(expected)
    assert not np.shares_memory(found.evidence, expected.evidence)
    assert (found.overlay() == expected.overlay()).all()


def test_the_dictionary_is_plain_and_says_everything() -> None:
    explained = support.explained()
    content = explained.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    best = content["predictions"][0]
    assert best["label"] == explained.predictions[0].label
    assert best["probability"] == explained.predictions[0].probability
    assert content["picture"] == {
        "name": "",
        "path": "",
        "file_bytes": 0,
        "width": 320,
        "height": 240,
    }
    assert np.array(content["evidence"]).shape == explained.evidence.shape


def test_what_is_not_finite_is_null(make_explanation: Callable[..., Explanation]) -> None:
    evidence = np.full((1, 2, 2), np.nan, np.float32)
    evidence[0, 0, 0] = 1.0
    found = lg.Explanation.from_json(make_explanation(evidence=evidence).to_json())
    np.testing.assert_array_equal(found.evidence, evidence)


@pytest.mark.parametrize(
    "content", [{}, {"format": "of another program"}, [], None, {"format": "live-gradcam"}]
)
def test_other_dictionaries_are_refused(content: Any) -> None:
    with pytest.raises(lg.SourceError, match="cannot read explanation"):
        lg.Explanation.from_dict(content)


@pytest.mark.parametrize("key", ["predictions", "evidence", "region", "output", "shape"])
def test_a_dictionary_with_something_missing_is_refused(key: str) -> None:
    content = support.explained().to_dict()
    del content[key]
    with pytest.raises(lg.SourceError, match=key):
        lg.Explanation.from_dict(content)
    with pytest.raises(lg.SourceError, match="cannot read explanation"):
        lg.Explanation.from_dict({**support.explained().to_dict(), key: "wrong"})


# Files


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG", ".webp", ".bmp"])
def test_pictures_are_saved_by_their_ending(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"explained{ending}"
    support.explained().save(path, opacity=0.3)
    drawn = support.explained().overlay(opacity=0.3)
    difference = np.abs(read_image(path).astype(int) - drawn).mean()
    assert difference <= (0 if ending in (".png", ".bmp") else 4)


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_numbers_are_saved_and_loaded(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"explained{ending}"
    support.explained().save(path)
    assert_same(lg.Explanation.load(path), support.explained())
    second = support.explained().labels[1]
    support.explained().save(str(path), of=second)
    assert lg.Explanation.load(str(path)).labels == (second,)


def test_npz_is_readable_without_the_package(tmp_path: Path) -> None:
    explained = support.explained()
    explained.save(tmp_path / "explained.npz")
    with np.load(tmp_path / "explained.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["evidence"], explained.evidence)
        np.testing.assert_array_equal(arrays["heatmap"], explained.heatmap())
        assert arrays["explained"].tolist() == list(explained.explained)
        assert arrays["labels"].tolist() == list(explained.labels)


def test_what_cannot_be_saved_or_loaded_is_said(tmp_path: Path) -> None:
    explained = support.explained()
    with pytest.raises(lg.UsageError, match=r"explained\.pgn.*Did you mean \.png"):
        explained.save(tmp_path / "explained.pgn")
    with pytest.raises(lg.UsageError, match="its name has no ending"):
        explained.save(tmp_path / "explained")
    with pytest.raises(lg.UsageError, match=r"opacity.*\.npz"):
        explained.save(tmp_path / "explained.npz", opacity=0.3)
    for ending in (".png", ".json"):
        with pytest.raises(lg.SinkError, match="the folder does not exist"):
            explained.save(tmp_path / "missing" / f"explained{ending}")
    with pytest.raises(lg.SourceError, match="no such file"):
        lg.Explanation.load(tmp_path / "missing.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    explained.save(tmp_path / "cut.npz")
    whole = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("other.npz", "text.json", "binary.json", "cut.npz"):
        with pytest.raises(lg.SourceError, match=f"cannot read explanation: .*{name}"):
            lg.Explanation.load(tmp_path / name)


def test_a_damaged_npz_is_said(tmp_path: Path) -> None:
    path = tmp_path / "explained.npz"
    support.explained().save(path)
    whole = path.read_bytes()
    entry = whole.index(b"PK\x01\x02") + 8
    for damaged in (
        whole[:90] + b"\x07" * 200 + whole[290:],
        whole[:entry] + b"\x01" + whole[entry + 1 :],  # as if there were a password
        whole[:entry] + b"\x20" + whole[entry + 1 :],  # a compression that there is not
    ):
        path.write_bytes(damaged)
        with pytest.raises(lg.SourceError, match=r"explained\.npz.*damaged"):
            lg.Explanation.load(path)
