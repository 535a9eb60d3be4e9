"""Files of other people's pipelines: batches of paths in, rows out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.archive import ExplainFiles
from live_gradcam.errors import UsageError
from live_gradcam.native import cv2
from scripts.faults.media import write_film
from tests.test_readme import README


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Two pictures, a film of six frames, a broken picture, a film that is not there."""
    generator = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), generator.integers(0, 256, (48, 64, 3), np.uint8))
    write_film(tmp_path / "clip.mp4", frames=6, rate=25)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    names = ("a.png", "b.png", "clip.mp4", "broken.jpg", "gone.mp4")
    return [str(tmp_path / name) for name in names]


def test_each_file_has_its_rows_and_broken_ones_their_error(paths: list[str]) -> None:
    explain = ExplainFiles("scenes", every=2, compile="off", maps=True)
    rows = explain({"path": np.array(paths)}).to_pylist()
    found = [(Path(row["file"]).name, row["frame"], row["kind"]) for row in rows]
    assert found == [
        *(("a.png", 0, "picture"), ("b.png", 0, "picture"), ("broken.jpg", -1, "picture")),
        *(("clip.mp4", index, "frame") for index in (0, 2, 4)),
        ("gone.mp4", -1, "frame"),
    ]
    for row in rows:
        assert bool(row["error"]) == (row["frame"] == -1)
        assert (row["label"] is None) == bool(row["error"])
        assert row["error"] or len(row["map"]) == row["map_height"] * row["map_width"]


def test_content_gives_what_its_path_gives(paths: list[str]) -> None:
    explain = ExplainFiles("scenes", every=2, compile="off")
    known = [path for path in paths if Path(path).exists()]
    contents = np.array([Path(path).read_bytes() for path in known], object)
    expected = explain({"path": np.array(known)}).to_pydict()
    given = explain({"path": np.array(known), "bytes": contents}).to_pydict()
    for column in ("id", "file", "folder", "frame", "time_s", "kind", "label", "top_labels"):
        assert given[column] == expected[column]
    assert [bool(error) for error in given["error"]] == [False, False, True, *[False] * 3]
    for column in ("probability", "score", "concentration", "center_x"):
        found, wanted = (np.array(each[column], np.float64) for each in (given, expected))
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_batch_without_paths_names_its_columns() -> None:
    explain = ExplainFiles("scenes", compile="off")
    with pytest.raises(UsageError, match="it has text, url"):
        explain({"text": np.array(["a"]), "url": np.array(["b"])})


def test_the_example_of_the_readme_runs_on_ray(paths: list[str], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    example = README.partition("```python ray\n")[2].partition("```")[0]
    code = f"import os; os.environ['RAY_USAGE_STATS_ENABLED'] = '0'\n{example}"
    (tmp_path / "photos").mkdir()
    for path in paths[:2]:
        Path(path).rename(tmp_path / "photos" / Path(path).name)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    for name in ("a.png", "b.png"):
        assert name in done.stdout
