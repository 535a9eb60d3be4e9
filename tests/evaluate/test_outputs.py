"""Results as files: their form, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from live_gradcam.errors import SinkError, UsageError
from live_gradcam.evaluate.outputs import check_outputs, format_csv, format_json, write_text
from tests.evaluate.support import make_image_result, make_result


def outputs(folder: Path, names: Sequence[str]) -> list[Path]:
    return [folder / name for name in names]


def test_outputs_are_refused_before_anything_slow(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("precious")
    (tmp_path / "folder.json").mkdir()
    for names, words in (
        (["x.txt"], "ending"),
        (["a.json", "sub/../a.json"], "same"),
        (["folder.json"], "folder"),
        (["old.json"], "--overwrite"),
    ):
        (tmp_path / "sub").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=words):
            check_outputs(outputs(tmp_path, names))
    with pytest.raises(UsageError, match="read at the same time"):
        check_outputs([tmp_path / "old.json"], [tmp_path / "old.json"], overwrite=True)
    with pytest.raises(SinkError):
        check_outputs(outputs(tmp_path, ["no/such/x.json"]))
    check_outputs(outputs(tmp_path, ["old.json", "b.csv", "c.html"]), overwrite=True)
    assert (tmp_path / "old.json").read_text() == "precious"


def test_json_is_the_dictionary_of_the_result() -> None:
    result = make_result(
        [make_image_result(0, 0, name="pi\N{LATIN SMALL LETTER E WITH GRAVE}ce.png")], ["a"]
    )
    text = format_json(result)
    assert json.loads(text) == result.to_dict()
    assert "pi\N{LATIN SMALL LETTER E WITH GRAVE}ce.png" in text
    assert text.endswith("}\n")


def test_cells_that_a_spreadsheet_would_run_are_defused() -> None:
    odd = make_image_result(0, 0, name='=HYPERLINK("http://evil.example")')
    rows = list(csv.DictReader(io.StringIO(format_csv(make_result([odd], ["-1+2", "b"])))))
    assert rows[0]["picture"] == '\'=HYPERLINK("http://evil.example")'
    assert rows[0]["labels"] == "'-1+2"
    assert float(rows[0]["inside"]) == 0.9
    assert rows[0]["increase"] == "0"


def test_an_output_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    write_text(path, "new \udcff")
    assert path.read_text() == "new \\udcff"
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]
