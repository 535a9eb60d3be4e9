"""Long films in pieces: every frame once, with its number, time and pixels of the whole film."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.archive.listing import list_files
from live_gradcam.archive.options import ArchiveOptions, Every
from live_gradcam.archive.parts import Part
from live_gradcam.archive.planning import make_parts
from live_gradcam.archive.reading import open_film
from live_gradcam.values import Frame


def encoded(path: Path, *options: str) -> Path:
    if shutil.which("ffmpeg") is None:
        pytest.skip("this machine has no ffmpeg")
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=4"]
    words = ["ffmpeg", "-v", "error", *source, "-pix_fmt", "yuv420p", *options, str(path)]
    subprocess.run(words, check=True)
    return path


def frames(part: Part, every: Every) -> list[Frame]:
    options = ArchiveOptions(dataset="set", every=every)
    with open_film(part.files[0], options, print, part.range) as film:
        return list(film)


X264 = ["-c:v", "libx264", "-bf", "3", "-g", "15"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("closed.mp4", X264),
        ("open.mkv", [*X264, "-x264-params", "open-gop=1"]),
        ("late.mp4", [*X264, "-output_ts_offset", "7.3"]),
        ("vp9.webm", ["-c:v", "libvpx-vp9", "-g", "12", "-deadline", "realtime"]),
    ],
)
@pytest.mark.parametrize("every", [Every(), Every(7), Every(seconds=0.35), Every(seconds=90)])
def test_all_pieces_together_are_the_film(
    tmp_path: Path, name: str, options: list[str], every: Every
) -> None:
    files = list_files([str(encoded(tmp_path / name, *options))])
    (whole,) = make_parts(files, "")
    pieces = list(make_parts(files, "", piece_frames=20, piece_bytes=0))
    assert len(pieces) >= 3
    assert len({each.id for each in (whole, *pieces)}) == len(pieces) + 1
    assert [Part.from_json(each.to_json()) for each in pieces] == pieces
    assert sum(each.file_count for each in pieces) == 1
    expected = frames(whole, every)
    found = [frame for each in pieces for frame in frames(each, every)]
    assert [(each.index, each.pts_seconds) for each in found] == [
        (each.index, each.pts_seconds) for each in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.image, other.image), one.index


def test_films_that_cannot_be_divided_alike_stay_whole(tmp_path: Path) -> None:
    films = [
        encoded(tmp_path / "interlaced.mp4", *X264, "-flags", "+ilme+ildct", "-vf", "interlace"),
        encoded(tmp_path / "one_key.mp4", "-c:v", "libx264", "-g", "500", "-sc_threshold", "0"),
        encoded(tmp_path / "no_times.avi", "-c:v", "mpeg4", "-g", "10"),
    ]
    parts = list(make_parts(list_files(list(map(str, films))), "", piece_frames=20, piece_bytes=0))
    assert [part.range for part in parts] == [None] * 3
