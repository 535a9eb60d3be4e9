"""What an archive is made of: tables, lists and storages; what rows say of times and objects."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

import live_gradcam as lg
from live_gradcam.archive.listing import list_files
from live_gradcam.archive.parts import ArchiveFile
from live_gradcam.archive.reading import picture_taken
from live_gradcam.archive.statistics import share_on_objects
from live_gradcam.cli.main import run_command_line
from live_gradcam.errors import UsageError
from tests.archive.support import NETWORK


@pytest.fixture
def at_home(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive's folder, in which the test works."""
    monkeypatch.chdir(archive)
    return archive


def test_all_kinds_of_sources_name_the_same_files(at_home: Path) -> None:
    names = [f"src/day1/p{number}.png" for number in range(6)]
    pd.DataFrame({"width": 64, "file_name": names}).to_parquet("table.parquet")
    pd.DataFrame({"width": 64, "where": names}).to_parquet("other.parquet")
    Path("list.txt").write_text("\n".join(names))
    sources = ["src/day1/*.png", "table.parquet", "list.txt", *names]
    for source in sources[:3]:
        files = list_files([source])
        assert [each.file for each in files] == names, source
        assert {each.folder for each in files} == {"src/day1"}
        assert files[0].size == Path(names[0]).stat().st_size
    assert [each.file for each in list_files(sources)] == names  # each once
    assert [each.file for each in list_files(["other.parquet"], column="where")] == names
    with pytest.raises(UsageError, match="Did you mean where"):
        list_files(["other.parquet"], column="wher")
    with pytest.raises(UsageError, match=r"width, where.*--column"):
        list_files(["other.parquet"])
    kinds = {each.file: each.kind for each in list_files(["src/**/*.*"])}
    assert len(kinds) == 16
    assert kinds["src/last.mp4"] == kinds["src/day2/text.mp4"] == "film"
    absolute = list_files([str(at_home / "src/day1/p0.png")])
    assert absolute[0].file == str(at_home / "src/day1/p0.png")


def test_a_picture_was_taken_when_its_camera_says(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif.get_ifd(0x8769).update({0x9003: "2024:05:06 07:08:09", 0x9011: "+02:00"})
    path = tmp_path / "p.jpg"
    Pillow.new("RGB", (8, 8)).save(path, exif=exif)
    file = ArchiveFile(str(path), str(path), "p.jpg", "picture", 1, 1_600_000_000_000_000_000)
    assert picture_taken(file) == datetime(2024, 5, 6, 5, 8, 9, tzinfo=timezone.utc)
    Pillow.new("RGB", (8, 8)).save(path)
    assert picture_taken(file) == datetime(2020, 9, 13, 12, 26, 40, tzinfo=timezone.utc)


def test_the_share_on_boxes_is_that_of_evaluate(at_home: Path) -> None:
    boxes = {"src/day1/p0.png": (8, 8, 20, 20), "p1.png": (0, 0, 64, 48)}
    content = {
        "images": [
            {"id": index, "file_name": name, "width": 64, "height": 48}
            for index, name in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "whatever"}],
        "annotations": [
            {"id": index, "image_id": index, "category_id": 1, "bbox": list(box)}
            for index, box in enumerate(boxes.values())
        ],
    }
    Path("boxes.json").write_text(json.dumps(content))
    words = ["archive", "src/day1", *NETWORK, "-o", "set", "--boxes", "boxes.json", "--every", "9"]
    assert run_command_line(words) == 0
    table = pd.read_parquet("set/frames").set_index("id")["box_share"]
    assert set(table[table.notna()].index) == {"src/day1/p0.png#0", "src/day1/p1.png#0"}
    assert table["src/day1/p1.png#0"] == pytest.approx(1.0)
    with lg.Explainer(lg.load_classifier("scenes"), compile="off") as explainer:
        said = explainer.explain("src/day1/p0.png")
    mask = np.zeros((48, 64), np.bool_)
    mask[8:28, 8:28] = True
    expected = share_on_objects(said.evidence[0], mask, said.region)
    assert table["src/day1/p0.png#0"] == pytest.approx(expected, rel=1e-4)


# In a process of its own: the storage's client leaves threads and connections behind.
_IN_A_BUCKET = """
import os, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
os.environ.update(AWS_ENDPOINT_URL=f"http://{host}:{port}", AWS_ACCESS_KEY_ID="key",
                  AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="us-east-1")
import s3fs
storage = s3fs.S3FileSystem()
storage.mkdir("bucket")
storage.put("src/", "bucket/src", recursive=True)
from live_gradcam.cli.main import run_command_line
sys.exit(run_command_line(["archive", *sys.argv[1:]]))
"""


def test_a_bucket_gives_the_rows_of_its_files(at_home: Path) -> None:
    options = [*NETWORK, "--every", "10"]
    words = [sys.executable, "-c", _IN_A_BUCKET, "s3://bucket/src", "-o", "remote/", *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 files could not be explained" in done.stderr
    assert "secret" not in done.stderr
    assert run_command_line(["archive", "src", "-o", "local/", *options]) == 0
    near, far = (
        pd.read_parquet(name).set_index("id") for name in ("local/frames", "remote/frames")
    )
    assert {f"s3://bucket/{each}" for each in near.index} == set(far.index)
    near.index = pd.Index([f"s3://bucket/{each}" for each in near.index])
    assert np.allclose(near["score"], far.loc[near.index]["score"], rtol=1e-4)


def test_a_password_in_an_address_is_refused_and_not_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["archive", "ftp://ann:hunter2@host/x.jpg", "-o", "set/", *NETWORK]
    assert run_command_line(words) == 2
    said = capsys.readouterr().err
    assert "ftp://host/x.jpg" in said
    assert "hunter2" not in said
    assert not list(tmp_path.iterdir())
