"""What comes through a pipe is explained like a file, once."""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from live_gradcam.capture.open import open_source
from live_gradcam.capture.pipes import open_pipe, open_standard_input
from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from scripts.faults.media import number_in, write_film
from tests.helpers.cameras import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


@contextmanager
def piped(data: bytes, *, keep_open: threading.Event | None = None) -> Iterator[int]:
    """The reading end of a pipe into which the bytes are written."""
    reading, writing = os.pipe()

    def write() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(data)
                pipe.flush()
                if keep_open is not None:
                    keep_open.wait()
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield reading
    finally:
        if keep_open is not None:
            keep_open.set()
        thread.join()


def still(_number: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def picture(colour: str, format_name: str = "PNG") -> bytes:
    target = io.BytesIO()
    Pillow.new("RGB", (40, 30), colour).save(target, format_name)
    return target.getvalue()


@pytest.mark.parametrize("name", ["f.mkv", "f.ts", "f.mp4", "f.avi", "f.flv", "f.h264", "f.y4m"])
def test_films_come_whole(tmp_path: Path, name: str) -> None:
    codec = "rawvideo" if name.endswith("y4m") else "libx264"
    options = {"qp": "1"} if codec == "libx264" else {}
    path = write_film(tmp_path / name, codec=codec, options=options)
    with piped(path.read_bytes()) as descriptor, open_pipe(descriptor, "pipe") as source:
        frames = list(source)
        assert (source.info.kind, source.info.live, source.info.path) == ("video", False, None)
    assert [number_in(frame.image) for frame in frames] == list(range(12))
    assert np.diff([frame.pts_seconds for frame in frames]) == pytest.approx(0.04, abs=0.0011)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_is_a_picture(format_name: str) -> None:
    with (
        piped(picture("red", format_name)) as descriptor,
        open_pipe(descriptor, "pipe") as source,
    ):
        (frame,) = source
        assert source.info.kind == "pictures"
    assert np.abs(frame.image[10, 10].astype(int) - (0, 0, 255)).max() <= 3


@pytest.mark.parametrize("format_name", ["PNG", "JPEG"])
def test_pictures_one_after_the_other_are_a_film(format_name: str) -> None:
    data = b"".join(picture(colour, format_name) for colour in ("red", "lime", "blue"))
    with piped(data) as descriptor, open_pipe(descriptor, "pipe") as source:
        frames = list(source)
    channels = [int(frame.image[10, 10].argmax()) for frame in frames]
    assert channels == [2, 1, 0]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.04, 0.08])


def test_a_named_pipe_is_opened_before_anybody_writes(tmp_path: Path) -> None:
    film = write_film(tmp_path / "f.mkv", options={"qp": "1"})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    begun = threading.Event()

    def write() -> None:
        begun.wait(0.3)
        pipe.write_bytes(film.read_bytes())

    thread = threading.Thread(target=write)
    thread.start()
    with open_source(pipe) as source:
        assert len(list(source)) == 12
    thread.join()


def test_closing_ends_a_wait_for_more(tmp_path: Path) -> None:
    # Long enough that FFmpeg knows what it is before it has to wait.
    film = write_film(tmp_path / "f.ts", frames=100, image=still)
    with piped(film.read_bytes(), keep_open=threading.Event()) as descriptor:
        watched = os.dup(descriptor)
        source = open_pipe(descriptor, "pipe")
        some_read = threading.Event()

        def interrupt_when_nothing_comes() -> None:
            assert some_read.wait(PATIENCE)
            while select.select([watched], [], [], 0)[0]:
                time.sleep(0.01)
            source.interrupt()

        thread = threading.Thread(target=interrupt_when_nothing_comes)
        thread.start()
        count = 0
        for _ in source:
            count += 1
            if count == 10:
                some_read.set()
        assert count >= 10
        thread.join()
        os.close(watched)
        source.close()


@pytest.mark.parametrize(
    ("data", "says"), [(b"", "empty"), (b"milk and honey\n" * 20, "what comes is text")]
)
def test_what_is_no_media_is_named(data: bytes, says: str) -> None:
    with piped(data) as descriptor, pytest.raises(SourceError, match=says) as caught:
        open_pipe(descriptor, "standard input")
    assert "ffmpeg" in caught.value.next_step


def test_a_dash_is_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "f.mkv", options={"qp": "1"})
    opening: tuple[Callable[[], Source], ...] = (lambda: open_source("-"), open_standard_input)
    for open_it in opening:
        with piped(film.read_bytes()) as descriptor:
            kept = os.dup(0)
            os.dup2(descriptor, 0)
            monkeypatch.setattr("sys.stdin", io.StringIO())
            try:
                with open_it() as source:
                    assert source.info.name == "standard input"
                    assert len(list(source)) == 12
            finally:
                os.dup2(kept, 0)
                os.close(kept)
                os.close(descriptor)
