"""Exported files are recognised by what they say about themselves, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings, strategies

from live_gradcam.errors import ModelError
from live_gradcam.explain.load import load_classifier
from live_gradcam.graph.files import read_metadata
from live_gradcam.graph.metadata import KEY
from tests.graph.support import make_graph, metadata_of


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "exported.onnx"
    path.write_bytes(make_graph("all"))
    return path


def test_the_file_says_what_it_is(exported: Path) -> None:
    assert read_metadata(exported) == metadata_of("all")


def test_labels_of_any_language_and_with_quotes_are_kept(tmp_path: Path) -> None:
    text = metadata_of("all").to_json().replace("class 0", 'Ärztin\'s \\"café\\" & 猫')
    model = onnx.load_from_string(make_graph("all"))
    onnx.helper.set_model_props(model, {"author": "somebody", KEY: text})
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    found = read_metadata(tmp_path / "a.onnx")
    assert found is not None
    assert found.labels[0] == 'Ärztin\'s "café" & 猫'


def test_openvino_s_own_files_are_read_without_it(exported: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(exported)
    openvino.save_model(model, tmp_path / "exported.xml", compress_to_fp16=False)
    assert read_metadata(tmp_path / "exported.xml") == metadata_of("all")


def test_a_plain_onnx_network_is_none_of_ours(tmp_path: Path) -> None:
    model = onnx.load_from_string(make_graph("all"))
    del model.metadata_props[:]
    (tmp_path / "plain.onnx").write_bytes(model.SerializeToString())
    assert read_metadata(tmp_path / "plain.onnx") is None


@pytest.mark.parametrize("name", ["absent.onnx", "resnet18", ".", "words.xml", "picture.onnx"])
def test_what_else_a_name_may_mean_is_none_of_ours(name: str, tmp_path: Path) -> None:
    (tmp_path / "words.xml").write_text("<html/>")
    (tmp_path / "picture.onnx").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
    assert read_metadata(tmp_path / name) is None


@settings(max_examples=200, deadline=None)
@given(data=strategies.binary(max_size=200))
def test_no_file_however_broken_ends_otherwise(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "broken.onnx"
    path.write_bytes(data)
    assert read_metadata(path) is None


def test_a_file_that_is_cut_short_is_none_of_ours_and_a_damaged_entry_is_an_error(
    exported: Path, tmp_path: Path
) -> None:
    whole = exported.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    assert read_metadata(tmp_path / "cut.onnx") is None
    (tmp_path / "damaged.onnx").write_bytes(whole.replace(b'"unit"', b'"mint"'))
    with pytest.raises(ModelError, match="its metadata is damaged"):
        read_metadata(tmp_path / "damaged.onnx")


def test_where_the_network_itself_is_needed_the_file_is_refused(exported: Path) -> None:
    with pytest.raises(ModelError, match=r"explains grid by gradcam and nothing else.*colours"):
        load_classifier(str(exported))
