"""Files are what their first bytes say, whatever their names say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from live_gradcam.errors import SourceError
from live_gradcam.images import is_text, sniff, sniff_bytes


@pytest.mark.parametrize(
    ("head", "content", "format_name"),
    [
        (b"\xff\xd8\xff\xe0", "image", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "image", "PNG"),
        (b"\0\0\0\x1cftypisom\0\0\0\0", "video", "mov"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "image", "AVIF"),
        (b"\x1aE\xdf\xa3", "video", "matroska"),
        (b"#EXTM3U\n", "other", ""),
        (b"", "other", ""),
    ],
)
def test_first_bytes_decide(head: bytes, content: str, format_name: str) -> None:
    sniffed = sniff_bytes(head)
    assert (sniffed.content, sniffed.format) == (content, format_name)
    assert bool(sniffed.description) == (content == "other")


def test_a_name_tells_only_a_film_of_jpegs_from_a_jpeg(tmp_path: Path) -> None:
    for name, content in (("a.mp4", "image"), ("a.mjpeg", "video")):
        path = tmp_path / name
        path.write_bytes(b"\xff\xd8\xff\xe0")
        assert sniff(path).content == content


def test_text_may_be_cut_within_a_character_but_holds_no_control_characters() -> None:
    whole = "é, 花瓶\n".encode()
    assert is_text(whole)
    assert is_text(whole[:-2])
    assert not is_text(b"a\0b")
    assert not is_text(b"\xff\xfe")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a regular file"):
        sniff(tmp_path)


def test_sniffing_loads_no_opencv() -> None:
    code = "import sys, live_gradcam.images.sniff; print('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
