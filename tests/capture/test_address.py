"""A film on a web server is read once, like a file; streams go on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from live_gradcam.capture.address import find_web_film
from live_gradcam.capture.open import open_source
from live_gradcam.errors import SourceError
from scripts.faults.media import number_in, write_film
from scripts.faults.servers import MjpegServer
from tests.helpers.web_server import served


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("name", ["f.mp4", "f.mkv", "f.ts", "f.avi"])
def test_it_is_explained_once_and_ends(tmp_path: Path, name: str, parts: bool) -> None:
    write_film(tmp_path / name, options={"qp": "1"})
    with served(tmp_path, parts=parts) as (address, asked):
        with open_source(f"{address}/{name}?token=secret") as source:
            frames = list(source)
            info = source.info
        assert len(asked) < 8
    assert [number_in(frame.image) for frame in frames] == list(range(12))
    assert (info.kind, info.live, info.name) == ("video", False, name)
    assert source.skipped == 0


def test_its_name_may_have_any_letters(tmp_path: Path) -> None:
    write_film(tmp_path / "tür.mp4")
    with served(tmp_path) as (address, _), open_source(f"{address}/tür.mp4") as source:
        assert (source.info.kind, source.info.name) == ("video", "tür.mp4")


def test_a_complete_list_of_segments_is_a_film(tmp_path: Path) -> None:
    film = write_film(tmp_path / "f.mp4", frames=24, options={"g": "10"})
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", film, "-c", "copy", "-hls_time", "0.4", "-hls_list_size",
         "0", "-f", "hls", tmp_path / "list.m3u8"],
        check=True,
    )  # fmt: skip
    playlist = tmp_path / "list.m3u8"
    (tmp_path / "master.m3u8").write_text(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nlist.m3u8\n"
    )
    with served(tmp_path) as (address, _):
        for name in ("list.m3u8", "master.m3u8"):
            with open_source(f"{address}/{name}") as source:
                assert len(list(source)) == 24
                assert not source.info.live
        (tmp_path / "größte.m3u8").write_bytes(playlist.read_bytes())
        master = (tmp_path / "master.m3u8").read_text().replace("list.m3u8", "größte.m3u8")
        (tmp_path / "master.m3u8").write_text(master, encoding="utf-8")
        assert find_web_film(f"{address}/master.m3u8") is not None
        playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST\n", ""))
        assert find_web_film(f"{address}/list.m3u8") is None


def test_what_has_no_length_is_a_stream(tmp_path: Path) -> None:
    write_film(tmp_path / "f.ts")
    with served(tmp_path, length=False) as (address, _):
        assert find_web_film(f"{address}/f.ts") is None
    with MjpegServer() as camera:
        assert find_web_film(camera.address) is None
    assert find_web_film("rtsp://127.0.0.1:9/x") is None


def test_a_picture_or_nothing_at_all_is_no_film(tmp_path: Path) -> None:
    write_film(tmp_path / "one.png", frames=1, codec="png", pix_fmt="rgb24")
    with served(tmp_path) as (address, _):
        for name in ("one.png", "gone.mp4"):
            assert find_web_film(f"{address}/{name}") is None
    assert find_web_film(f"{address}/f.mp4") is None


def test_a_broken_film_says_where_it_is(tmp_path: Path) -> None:
    film = write_film(tmp_path / "f.mkv")
    film.write_bytes(film.read_bytes()[:60])
    with served(tmp_path) as (address, _), pytest.raises(SourceError, match=r"f\.mkv") as caught:
        open_source(f"{address}/f.mkv?token=secret")
    assert "secret" not in str(caught.value)
