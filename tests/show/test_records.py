"""Records: exactly what is known, one line a frame, at once."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from live_gradcam.show.records import RecordSink, record
from live_gradcam.values import Explanation, Frame, Int8Fidelity, Prediction

FRAME = Frame(np.zeros((48, 64, 3), np.uint8), 7, 0.25, "clip é.mp4", start_seconds=20.0)

EXPECTED = {
    "index": 7,
    "pts_seconds": 0.25,
    "original_pts_seconds": 20.25,
    "source": "clip é.mp4",
    "explained": 504,
    "method": "gradcam",
    "output": "softmax",
    "predictions": [
        {"class_index": 504, "label": "coffee mug", "logit": 12.25, "probability": 0.75},
        {"class_index": 849, "label": "teapot", "logit": 10.5, "probability": 0.125},
        {"class_index": 883, "label": "vase, 花瓶", "logit": -1.5, "probability": 0.0625},
    ],
    "region": [4, 2, 48, 40],
    "timings_ms": {"preprocess": 1.5, "network": 8.0},
}


def test_a_record_is_exactly_what_is_documented(explained: Explanation) -> None:
    assert record(FRAME, explained) == EXPECTED
    assert list(record(FRAME, explained)) == list(EXPECTED)
    assert record(FRAME, explained, extra={"drop": 0.5}) == {**EXPECTED, "drop": 0.5}


def test_a_record_of_a_network_in_8_bits_says_how_far_it_is_from_itself(
    explained: Explanation, tmp_path: Path
) -> None:
    figures = {"pictures": 100.0, "top1_agreement": 0.99, "median_cosine": 0.999}
    int8 = Int8Fidelity.of({**figures, "scores": 0.5})
    quantised = dataclasses.replace(explained, int8=int8)
    found = record(FRAME, quantised)
    assert found == {**EXPECTED, "int8": {**figures, "worst_cosine": None}}, "NaN is no JSON"
    with RecordSink(tmp_path / "records.csv", format="csv") as sink:
        sink.write(FRAME, None, quantised)
    with (tmp_path / "records.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert {name: float(row[f"int8_{name}"]) for name in figures} == figures


def test_numbers_of_any_kind_become_json(explained: Explanation) -> None:
    odd = dataclasses.replace(
        explained,
        predictions=(Prediction(np.int64(3), "x", np.float32(0.5), float("nan")),),
        explained=(np.int64(3),),
        timings_ms={"network": float("inf"), "draw": np.float64(2.0)},
    )
    content = record(FRAME, odd, extra={"list": (np.float32(1.5), float("-inf"))})
    assert json.loads(json.dumps(content, allow_nan=False)) == {
        **EXPECTED,
        "explained": 3,
        "predictions": [{"class_index": 3, "label": "x", "logit": 0.5, "probability": None}],
        "timings_ms": {"network": None, "draw": 2.0},
        "list": [1.5, None],
    }


def test_nothing_explained_is_null(explained: Explanation) -> None:
    none = dataclasses.replace(explained, explained=(), evidence=np.zeros((0, 7, 7), np.float32))
    assert record(FRAME, none)["explained"] is None


def test_json_lines_in_utf8_each_there_as_soon_as_it_is_written(
    tmp_path: Path, explained: Explanation
) -> None:
    output = tmp_path / "out.jsonl"
    sink = RecordSink(output)
    for index in range(3):
        sink.write(dataclasses.replace(FRAME, index=index), None, explained)
        lines = output.read_bytes().decode("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == [
            {**EXPECTED, "index": number} for number in range(index + 1)
        ]
    sink.close()
    assert "花瓶" in lines[0]
    assert sink.description == f"{output} (3 records)"


def test_csv_has_a_row_a_frame_and_columns_with_names(
    tmp_path: Path, explained: Explanation
) -> None:
    output = tmp_path / "out.csv"
    with RecordSink(output, format="csv") as sink:
        sink.write(FRAME, None, explained, extra={"truth": {"drop": 0.5}})
        fewer = dataclasses.replace(
            explained, predictions=explained.predictions[:1], timings_ms={"new": 1.0}
        )
        sink.write(dataclasses.replace(FRAME, index=8), None, fewer)
    with output.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "index": "7",
        "pts_seconds": "0.25",
        "original_pts_seconds": "20.25",
        "source": "clip é.mp4",
        "explained": "504",
        "method": "gradcam",
        "output": "softmax",
        "class_index": "504",
        "label": "coffee mug",
        "logit": "12.25",
        "probability": "0.75",
        "top2_class_index": "849",
        "top2_label": "teapot",
        "top2_logit": "10.5",
        "top2_probability": "0.125",
        "top3_class_index": "883",
        "top3_label": "vase, 花瓶",
        "top3_logit": "-1.5",
        "top3_probability": "0.0625",
        "region_x": "4",
        "region_y": "2",
        "region_width": "48",
        "region_height": "40",
        "preprocess_ms": "1.5",
        "network_ms": "8.0",
        "truth": '{"drop": 0.5}',
    }
    assert second["index"] == "8"
    assert second["top2_label"] == second["network_ms"] == ""


def test_an_existing_file_is_emptied(tmp_path: Path, explained: Explanation) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("old\n" * 100)
    with RecordSink(output) as sink:
        sink.write(FRAME, None, explained)
    assert [json.loads(line) for line in output.read_text("utf-8").splitlines()] == [EXPECTED]


_WRITE_TO_STDOUT = """
import numpy as np
from live_gradcam.errors import SinkError
from live_gradcam.show.records import RecordSink
from live_gradcam.values import Explanation, Frame, Prediction, Region
import sys
nothing = Explanation(
    (Prediction(1, "花瓶", 1.0, 0.5),), (), np.zeros((0, 1, 1), np.float32), Region(0, 0, 1, 1)
)
try:
    with RecordSink(None) as sink:
        for index in range({count}):
            sink.write(Frame(np.zeros((1, 1, 3), np.uint8), index, 0.0), None, nothing)
except SinkError as error:
    print(int(error.exit_code), error, file=sys.stderr)
    sys.exit(4)
"""


def _run(
    count: int, *, stdout: int | IO[bytes], stderr: int | None = None
) -> subprocess.Popen[bytes]:
    code = _WRITE_TO_STDOUT.format(count=count)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=stdout, stderr=stderr
    )


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def test_standard_output_gets_utf8_lines_whatever_the_locale(explained: Explanation) -> None:
    with _run(3, stdout=subprocess.PIPE) as process:
        lines = _pipe(process.stdout).read().decode("utf-8").splitlines()
    assert process.returncode == 0
    assert [json.loads(line)["index"] for line in lines] == [0, 1, 2]
    assert "花瓶" in lines[0]


def test_a_reader_that_goes_away_is_one_error_and_no_traceback() -> None:
    with _run(100_000, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _pipe(process.stdout).readline()
        _pipe(process.stdout).close()
        said = _pipe(process.stderr).read().decode()
    assert process.returncode == 4
    if sys.platform != "win32":
        assert said == "4 cannot write records: standard output: nobody reads it any more.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output_is_one_error_and_no_traceback() -> None:
    with Path("/dev/full").open("wb") as full, _run(5, stdout=full, stderr=subprocess.PIPE) as done:
        said = _pipe(done.stderr).read().decode()
    assert done.returncode == 4
    assert said.startswith("4 cannot write records: standard output: no space is left")
    assert said.count("\n") == 1


def test_standard_output_stays_open(
    capfdbinary: pytest.CaptureFixture[bytes], explained: Explanation
) -> None:
    with RecordSink(None) as sink:
        sink.write(FRAME, None, explained)
    print("after")  # noqa: T201
    out = capfdbinary.readouterr().out.decode("utf-8").splitlines()
    assert json.loads(out[0]) == EXPECTED
    assert out[1] == "after"
    assert sink.description == "standard output (1 record)"
