"""Pictures on standard output, as the next program in a pipe reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from live_gradcam.show.standard_output import PictureFormat, PictureStreamSink
from live_gradcam.values import Explanation, Frame, SourceInfo

INFO = SourceInfo(name="x", kind="video", live=False, width=64, height=48, fps=20.0)


@pytest.mark.parametrize(
    ("form", "codec", "worst"), [("matroska", "h264", 12), ("y4m", "rawvideo", 3)]
)
def test_ffmpeg_reads_what_says_itself_what_it_is(
    form: PictureFormat,
    codec: str,
    worst: int,
    make_explanation: Callable[..., Explanation],
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> None:
    told: list[str] = []
    with PictureStreamSink(form, INFO, on_notice=told.append) as sink:
        sys.stdout.write("a library that prints\n")
        for number, width in enumerate((64, 64, 80, 64)):
            image = np.full((48, width, 3), 40 * number + 20, np.uint8)
            frame = Frame(image, number, number / 20)
            sink.write(frame, image, make_explanation())
        sys.stdout.flush()
    sys.stdout.write("afterwards\n")
    sys.stdout.flush()
    out, err = capfdbinary.readouterr()
    assert out.endswith(b"afterwards\n")
    assert b"a library that prints" in err
    assert b"prints" not in out
    path = tmp_path / "x"
    path.write_bytes(out.removesuffix(b"afterwards\n"))
    entries = "stream=codec_name,width,height,nb_read_frames,r_frame_rate"
    probe = f"ffprobe -v error -count_frames -show_entries {entries} -of json".split()
    found = subprocess.run([*probe, str(path)], capture_output=True, check=True)
    assert found.stderr == b""
    (stream,) = json.loads(found.stdout)["streams"]
    assert stream == {
        "codec_name": codec,
        "width": 64,
        "height": 48,
        "nb_read_frames": "4",
        "r_frame_rate": "20/1",
    }
    film = cv2.VideoCapture(str(path))
    for number in range(4):
        image = np.asarray(film.read()[1])
        assert abs(image[24, 32].astype(int) - (40 * number + 20)).max() <= worst
    film.release()
    (sentence,) = told
    assert sentence == f"standard output: {form} 64x48; read it with ffmpeg -i -"
    assert sink.description == f"standard output ({form}, 4 frames)"
