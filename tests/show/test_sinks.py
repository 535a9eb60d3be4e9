"""What every output does, whatever it writes."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.errors import SinkError
from live_gradcam.show.open import open_sink
from live_gradcam.values import Explanation, SourceInfo
from tests.show.conftest import numbered, read_film

FILMS = ["out.mp4", "out.mkv", "out.mov", "out.webm"]
ANIMATIONS = ["out.gif", "out.apng"]
PICTURES = ["out.png", "out.jpg", "folder/"]
OUTPUTS = [*FILMS, *ANIMATIONS, *PICTURES, "out.jsonl", "out.csv", "out.npz", "maps/", "out.m3u8"]


@pytest.fixture
def one_info(scene_info: SourceInfo) -> SourceInfo:
    return dataclasses.replace(scene_info, frame_count=1)


@pytest.mark.parametrize("name", OUTPUTS)
class TestEverySink:
    def test_writes_closes_twice_and_describes_itself(
        self, tmp_path: Path, one_info: SourceInfo, explained: Explanation, name: str
    ) -> None:
        sink = open_sink(f"{tmp_path}/{name}", one_info)
        frame = numbered(1)[0]
        sink.write(frame, frame.image, explained)
        sink.close()
        sink.close()
        assert Path(f"{tmp_path}/{name}").exists()
        assert name.rstrip("/") in sink.description
        assert sink.path == tmp_path / name.rstrip("/")
        assert sink.notes == ()

    def test_never_changes_the_frame_or_the_image(
        self, tmp_path: Path, one_info: SourceInfo, explained: Explanation, name: str
    ) -> None:
        frame = numbered(1)[0]
        frame.image.flags.writeable = False
        image = frame.image.copy()
        image.flags.writeable = False
        with open_sink(f"{tmp_path}/{name}", one_info) as sink:
            sink.write(frame, image, explained)
        np.testing.assert_array_equal(image, frame.image)

    def test_needs_the_image_only_if_it_says_so(
        self, tmp_path: Path, one_info: SourceInfo, explained: Explanation, name: str
    ) -> None:
        with open_sink(f"{tmp_path}/{name}", one_info) as sink:
            if sink.needs_rendered:
                with pytest.raises(ValueError, match="needs the drawn picture"):
                    sink.write(numbered(1)[0], None, explained)
            else:
                sink.write(numbered(1)[0], None, explained)

    def test_the_error_on_its_way_is_not_masked_and_the_output_is_finished(
        self, tmp_path: Path, one_info: SourceInfo, explained: Explanation, name: str
    ) -> None:
        frame = numbered(1)[0]
        sink = open_sink(f"{tmp_path}/{name}", one_info)
        with pytest.raises(KeyError, match="theirs"), sink:  # noqa: PT012
            sink.write(frame, frame.image, explained)
            raise KeyError("theirs")
        if name in FILMS:
            assert len(read_film(tmp_path / name).times) == 1

    def test_closing_without_a_frame_is_no_error(
        self, tmp_path: Path, one_info: SourceInfo, name: str
    ) -> None:
        open_sink(f"{tmp_path}/{name}", one_info).close()
        assert [
            path for path in tmp_path.rglob("*") if path.stat().st_size and path.is_file()
        ] == []

    def test_keeps_no_handle_open(
        self, tmp_path: Path, one_info: SourceInfo, explained: Explanation, name: str
    ) -> None:
        process = pytest.importorskip("psutil").Process()
        if not hasattr(process, "num_fds"):
            pytest.skip("no file descriptors to count")
        counts = []
        for _ in range(4):
            with open_sink(f"{tmp_path}/{name}", one_info, overwrite=True) as sink:
                sink.write(numbered(1)[0], numbered(1)[0].image, explained)
            counts.append(process.num_fds())
        assert counts[-1] <= counts[0], "fewer where others' are collected meanwhile"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
@pytest.mark.parametrize("name", OUTPUTS)
def test_a_place_without_permission_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """In a process without privileges, because nothing is forbidden to root."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    code = (
        "import dataclasses, os, sys\n"
        "from live_gradcam.show.open import open_sink\n"
        "from live_gradcam.errors import SinkError\n"
        "from live_gradcam.values import SourceInfo\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "info = SourceInfo('s', 'scene', False, 64, 48, frame_count=1)\n"
        f"try: open_sink({f'{folder}/{name}'!r}, info)\n"
        "except SinkError as error: print(int(error.exit_code), error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.stdout.startswith("4 cannot "), done.stderr
    assert "no permission to write" in done.stdout
    assert f"{folder}/{name}".rstrip("/") in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "name",
    ["out.mp4", "out.mkv", *ANIMATIONS, "out.png", "out.jpg", "out.jsonl", "out.csv", "out.npz"],
)
def test_no_space_left(
    tmp_path: Path, one_info: SourceInfo, explained: Explanation, name: str
) -> None:
    output = tmp_path / name
    output.symlink_to("/dev/full")
    with (
        pytest.raises(SinkError, match="no space is left on the device") as caught,
        open_sink(str(output), one_info, overwrite=True) as sink,
    ):
        sink.write(numbered(1)[0], numbered(1)[0].image, explained)
    assert caught.value.exit_code == 4
    assert str(output) in str(caught.value)
    assert output.is_symlink()
    assert Path("/dev/full").is_char_device(), "a device is never replaced by a file"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_device_itself_takes_json_lines(one_info: SourceInfo, explained: Explanation) -> None:
    sink = open_sink("/dev/full", one_info)
    with pytest.raises(SinkError, match="no space"):
        sink.write(numbered(1)[0], None, explained)
    sink.close()
    assert Path("/dev/full").is_char_device()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("name", ["out.png", "folder/", "out.jsonl", "out.csv"])
def test_a_file_that_may_not_grow_leaves_nothing_half_written(
    tmp_path: Path, scene_info: SourceInfo, explained: Explanation, name: str
) -> None:
    import resource

    info = dataclasses.replace(scene_info, frame_count=1 if name == "out.png" else None)
    sink = open_sink(f"{tmp_path}/{name}", info)
    limit, noise = 3000, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(SinkError, match="larger than allowed") as caught:  # noqa: PT012
            for frame in numbered(100):
                sink.write(frame, noise if frame.index else frame.image[:8], explained)
                if name == "out.png":
                    sink = open_sink(f"{tmp_path}/{name}", info, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    sink.close()
    if name == "out.jsonl":
        lines = (tmp_path / name).read_text("utf-8").splitlines()
        assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))
        assert f"{len(lines)} complete records are kept" in str(caught.value)
    elif name == "out.csv":
        text = (tmp_path / name).read_text("utf-8")
        assert text.endswith("\n")
        assert len({line.count(",") for line in text.splitlines()[:1]}) == 1
    else:
        whole = [p for p in tmp_path.rglob("*") if p.is_file()]
        assert len(whole) == 1, "the picture before is whole, of the failed one there is nothing"


def test_what_the_system_says_is_told_in_words(tmp_path: Path, one_info: SourceInfo) -> None:
    (tmp_path / "file").write_text("x")
    for name, words in {
        "nowhere/out.mp4": "the folder does not exist",
        "file/out.mp4": "not a folder",
        "x" * 300 + ".mp4": "name is too long",
    }.items():
        with pytest.raises(SinkError, match=words) as caught:
            open_sink(f"{tmp_path}/{name}", one_info)
        assert isinstance(caught.value.__cause__, OSError) or caught.value.cause
        assert os.strerror(errno.ENOENT) not in str(caught.value)
