"""One string says where frames come from, and nothing but that is ever opened."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from live_gradcam.capture import camera as camera_module
from live_gradcam.capture.open import open_source, source_files
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError
from scripts.faults.media import number_in, write_film


@pytest.fixture
def tripwire() -> Iterator[tuple[str, list[bytes]]]:
    """An address that must not be visited, and what visitors said."""
    visits: list[bytes] = []
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def watch() -> None:
        while True:
            try:
                visitor, _ = listener.accept()
            except OSError:
                return
            with visitor:
                visits.append(visitor.recv(1000))

    thread = threading.Thread(target=watch)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", visits
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


DISGUISES = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{address}/a.ts\n",
    "m3u8 of files": "#EXTM3U\n#EXTINF:10,\n{folder}/secret.mp4\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile {address}/a.mp4\n",
    "ffconcat of files": "ffconcat version 1.0\nfile {folder}/secret.mp4\n",
    "dash": '<?xml version="1.0"?><MPD><BaseURL>{address}/</BaseURL></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
    "pls": "[playlist]\nFile1={address}/a.mp4\n",
    "quicktime link": "RTSPtext\n{address}/a.mov\n",
}


@pytest.mark.parametrize("name", ["x.mp4", "x.m3u8", "x.mkv", "x.jpg", "x.concat"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_playlists_in_disguise_open_nothing_else(
    tmp_path: Path, tripwire: tuple[str, list[bytes]], name: str, disguise: str
) -> None:
    place, visits = tripwire
    write_film(tmp_path / "secret.mp4", frames=1)
    text = DISGUISES[disguise].format(address=f"http://{place}", folder=tmp_path)
    (tmp_path / name).write_text(text)
    for spec in (tmp_path / name, str(tmp_path / name), f"file://{tmp_path / name}"):
        with pytest.raises(SourceError):
            open_source(spec)
    assert visits == []


def test_a_file_with_the_very_name_of_a_pattern_wins(tmp_path: Path) -> None:
    for number in range(3):
        write_film(tmp_path / f"p_{number}.png", frames=1, codec="png", pix_fmt="rgb24")
    literal = tmp_path / "p_%01d.png"
    with open_source(literal) as source:
        assert len(list(source)) == 3
    write_film(tmp_path / "f.mp4", options={"qp": "1"}).rename(literal)
    with open_source(literal) as source:
        assert isinstance(source, VideoSource)
        assert len(list(source)) == 12


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "pipe:0", "concat:x|y", "%d.mp4", "ä ö.mp4", "[1]*?.mp4", " x.mp4 "]
)
def test_odd_names_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_film(tmp_path / "plain.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with open_source(name) as source:
        assert len(list(source)) == 12


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", options={"qp": "1"})
    for name in ("film.jpg", "film.txt", "film"):
        film = film.rename(tmp_path / name)
        with open_source(film) as source:
            assert [number_in(frame.image) for frame in source] == list(range(12))
    image = write_film(tmp_path / "one.png", frames=1, codec="png", pix_fmt="rgb24")
    with open_source(image.rename(tmp_path / "picture.mp4")) as source:
        assert source.info.kind == "pictures"


def test_scenes_and_their_seeds() -> None:
    with open_source("scene:7", width=160, height=120, fps=10) as source:
        assert isinstance(source, SceneSource)
        assert (source.info.width, source.info.height, source.info.fps) == (160, 120, 10)
        first = next(iter(source)).image
    with open_source("scene", seed=7, width=160, height=120) as again:
        assert (next(iter(again)).image == first).all()
    with open_source("scene", seed=8, width=160, height=120) as other:
        assert not (next(iter(other)).image == first).all()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("no-such-file.mp4", "no such file"),
        ("no/such/folder/*.png", "no file matches"),
        ("ftp://host/x.mp4", "ftp:// addresses are not supported"),
        ("gopher://host", "rtsp"),
        ("concat:a|b", "no such file"),
        ("a\0b", "null"),
    ],
)
def test_what_cannot_be_opened_says_why(spec: str, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        open_source(spec)
    assert caught.value.exit_code == 3
    assert caught.value.next_step or "null" in says


def test_missing_cameras_end_with_a_list() -> None:
    for spec in (97, "97", "/dev/video97"):
        with pytest.raises(SourceError, match=r"no such camera|another program") as caught:
            open_source(spec)
        assert caught.value.exit_code == 3
        assert "camera" in caught.value.next_step.lower()
    assert isinstance(camera_module.list_cameras(), tuple)


def test_source_files_names_what_would_be_read(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", frames=1)
    one = write_film(tmp_path / "1.png", frames=1, codec="png", pix_fmt="rgb24")
    two = write_film(tmp_path / "2.png", frames=1, codec="png", pix_fmt="rgb24")
    assert source_files(film) == source_files(str(film)) == (film,)
    assert source_files(f"file://{film}") == (film,)
    assert source_files(tmp_path) == (one, two)
    assert set(source_files(f"{tmp_path}/*.png")) == {one, two}
    for spec in (0, "0", "scene", "scene:3", "rtsp://host/x", "http://host/x", "", "gone.mp4"):
        assert source_files(spec) == ()
