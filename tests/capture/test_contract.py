"""What every source promises, whatever its frames come from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from live_gradcam.capture.camera import CameraSource
from live_gradcam.capture.open import open_source
from live_gradcam.capture.source import LiveSource, Source
from scripts.faults.media import write_film
from scripts.faults.servers import MjpegServer, RtspServer
from tests.helpers.cameras import PATIENCE, FakeClock, ScriptedCamera, noise
from tests.helpers.web_server import served

OpenSource = Callable[[], Source]


def _film(folder: Path, _stack: ExitStack) -> OpenSource:
    path = write_film(folder / "film.mp4")
    return lambda: open_source(path)


def _looped_film(folder: Path, _stack: ExitStack) -> OpenSource:
    path = write_film(folder / "film.mp4", frames=3)
    return lambda: open_source(path, loop=True)


def _damaged_film(folder: Path, _stack: ExitStack) -> OpenSource:
    path = write_film(folder / "film.mkv", frames=24)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)
    return lambda: open_source(path)


def _images(folder: Path, _stack: ExitStack) -> OpenSource:
    for number in range(6):
        write_film(folder / f"{number}.png", frames=1, codec="png", pix_fmt="rgb24")
    return lambda: open_source(folder)


def _image(folder: Path, _stack: ExitStack) -> OpenSource:
    path = write_film(folder / "one.png", frames=1, codec="png", pix_fmt="rgb24")
    return lambda: open_source(path)


def _scene(_folder: Path, _stack: ExitStack) -> OpenSource:
    return lambda: open_source("scene:3", width=96, height=72)


def _numbered(folder: Path, _stack: ExitStack) -> OpenSource:
    for number in range(6):
        write_film(folder / f"{number:03d}.png", frames=1, codec="png", pix_fmt="rgb24")
    return lambda: open_source(folder / "%03d.png")


def _animation(name: str) -> Callable[[Path, ExitStack], OpenSource]:
    def make(folder: Path, _stack: ExitStack) -> OpenSource:
        first, *others = (Pillow.new("RGB", (32, 24), (40 * n, 9, 9)) for n in range(6))
        first.save(folder / name, save_all=True, append_images=others, duration=50)
        return lambda: open_source(folder / name)

    return make


def _web_film(folder: Path, stack: ExitStack) -> OpenSource:
    write_film(folder / "film.mp4")
    address, _ = stack.enter_context(served(folder))
    return lambda: open_source(f"{address}/film.mp4")


def _mjpeg(_folder: Path, stack: ExitStack) -> OpenSource:
    server = stack.enter_context(MjpegServer())
    return lambda: open_source(server.address)


def _rtsp(_folder: Path, stack: ExitStack) -> OpenSource:
    server = stack.enter_context(RtspServer())
    return lambda: open_source(server.address)


def _camera(_folder: Path, _stack: ExitStack) -> OpenSource:
    def endless() -> Iterator[np.ndarray]:
        images = noise(30)
        while True:
            for image in images:
                # A real camera takes its time.
                threading.Event().wait(0.005)
                yield image

    def start() -> Source:
        clock = FakeClock()
        camera = ScriptedCamera(clock, [endless()])
        return CameraSource(0, open_capture=camera.open, clock=clock, wait=clock.wait).open()

    return start


SOURCES = {
    "film": _film,
    "looped film": _looped_film,
    "damaged film": _damaged_film,
    "pictures": _images,
    "picture": _image,
    "numbered": _numbered,
    "gif": _animation("a.gif"),
    "webp": _animation("a.webp"),
    "web film": _web_film,
    "scene": _scene,
    "mjpeg": _mjpeg,
    "rtsp": _rtsp,
    "camera": _camera,
}


@pytest.fixture(params=SOURCES)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenSource]:
    with ExitStack() as stack:
        yield SOURCES[request.param](tmp_path, stack)


def test_frames_are_numbered_and_timed(start: OpenSource) -> None:
    with start() as source:
        frames = list(islice(source, 6))
        info = source.info
    assert frames
    assert [frame.index for frame in frames] == list(range(len(frames)))
    times = [frame.pts_seconds for frame in frames]
    assert all(before < after for before, after in pairwise(times))
    first = frames[0].image
    assert first.dtype == np.uint8
    assert first.shape == (info.height, info.width, 3)
    assert all(frame.source for frame in frames)
    assert all((frame.captured_seconds is not None) == info.live for frame in frames)
    assert info.live == isinstance(source, LiveSource)
    assert info.name
    assert "\n" not in info.name


def test_iterating_again_goes_on(start: OpenSource) -> None:
    with start() as source:
        first = next(iter(source))
        second = next(iter(source), None)
    if second is not None:
        assert (first.index, second.index) == (0, 1)
        assert second.pts_seconds > first.pts_seconds


def test_a_frame_stays_as_it_is(start: OpenSource) -> None:
    with start() as source:
        frames = iter(source)
        first = next(frames)
        copy = first.image.copy()
        for _ in islice(frames, 4):
            pass
        np.testing.assert_array_equal(first.image, copy)


def test_close_ends_the_iteration_and_may_be_repeated(start: OpenSource) -> None:
    source = start()
    frames = iter(source)
    assert next(frames).index == 0
    source.close()
    source.close()
    assert list(frames) == []
    assert list(source) == []
    assert source.info.width > 0
    assert isinstance(source.notes, tuple)
    assert source.skipped >= 0


def test_close_before_the_first_frame(start: OpenSource) -> None:
    source = start()
    source.close()
    assert list(source) == []


def test_close_from_another_thread(start: OpenSource) -> None:
    source = start()
    frames = iter(source)
    next(frames)
    closer = threading.Thread(target=source.close)
    closer.start()
    for _ in frames:
        pass
    closer.join(PATIENCE)
    assert not closer.is_alive()
    assert list(source) == []


def test_an_exception_in_the_body_comes_through(start: OpenSource) -> None:
    source = start()

    def fail_in_the_body() -> None:
        with source:
            next(iter(source))
            raise KeyError("body")

    with pytest.raises(KeyError, match="body"):
        fail_in_the_body()
    assert list(source) == []
