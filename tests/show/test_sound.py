"""Sound in every container: copied where it can be, else encoded anew."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.capture.open import open_source
from live_gradcam.native import av
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.recorder import VideoSink
from live_gradcam.show.sound_track import codec_name
from live_gradcam.values import Explanation, Frame, SourceInfo
from scripts import film_outputs
from tests.show.conftest import numbered, read_film

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")

# One for each way: copied, through a filter, refused late, refused early, with priming, without.
KINDS = ["aac-mp4", "aac-ts", "ac3", "mp3-mp4", "opus", "flac", "pcm_mulaw", "truehd", "wma"]


@needs_ffmpeg
@pytest.mark.parametrize("kind", KINDS)
def test_sound_is_kept_in_every_container(tmp_path: Path, kind: str) -> None:
    source = film_outputs.make_source(kind, tmp_path)
    wrong = {}
    for suffix in film_outputs.OUTPUTS:
        output = tmp_path / f"out{suffix}"
        sink = film_outputs.rerecord(source, output)
        wrong[suffix] = list(film_outputs.faults(source, output, sink.notes))
        assert not any("left out" in note for note in sink.notes)
    assert wrong == {suffix: [] for suffix in film_outputs.OUTPUTS}


@needs_ffmpeg
def test_what_is_encoded_anew_is_said_with_both_codecs(tmp_path: Path) -> None:
    source = film_outputs.make_source("truehd", tmp_path)
    sink = film_outputs.rerecord(source, tmp_path / "out.mp4")
    assert sink.notes == ("out.mp4: audio track 1 (truehd) becomes AAC: mp4 cannot hold it",)
    assert film_outputs.rerecord(source, tmp_path / "out.mkv").notes == ()


@needs_ffmpeg
def test_every_track_is_kept_and_the_default_one_stays_it(
    tmp_path: Path, explained: Explanation
) -> None:
    source = tmp_path / "in.mkv"
    tones = [
        word
        for frequency in (300, 600)
        for word in ("-f", "lavfi", "-i", f"sine=frequency={frequency}:duration=1")
    ]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1"]
    codecs = ["-c:v", "libx264", "-c:a:0", "aac", "-c:a:1", "flac"]
    which = ["-map", "0", "-map", "1", "-map", "2", "-disposition:a:0", "0"]
    which += ["-disposition:a:1", "default", "-metadata:s:a:1", "language=deu"]
    command = ["ffmpeg", "-v", "error", *picture, *tones, *which, *codecs, str(source)]
    subprocess.run(command, check=True, timeout=240)
    film_outputs.rerecord(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert [codec_name(track) for track in film.streams.audio] == ["aac", "flac"]
        defaults = [
            bool(track.disposition & av.stream.Disposition.default) for track in film.streams.audio
        ]
        assert defaults == [False, True]
        assert film.streams.audio[1].metadata["language"] == "deu"


@needs_ffmpeg
def test_sound_moves_with_images_that_are_shifted_to_the_beginning(tmp_path: Path) -> None:
    plain, late = film_outputs.make_source("aac-mp4", tmp_path), tmp_path / "late.ts"
    command = ["ffmpeg", "-v", "error", "-i", str(plain), "-c", "copy"]
    subprocess.run([*command, "-output_ts_offset", "3600", str(late)], check=True, timeout=240)
    assert film_outputs.start_of(late) > 3600
    sink = film_outputs.rerecord(late, tmp_path / "out.mp4")
    assert list(film_outputs.faults(late, tmp_path / "out.mp4", sink.notes)) == []
    assert read_film(tmp_path / "out.mp4").times[0] < 0.1


def test_a_track_of_nothing_that_is_known_is_left_out_and_said(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    damaged = tmp_path / "in.mp4"
    damaged.write_bytes(np.random.default_rng(0).bytes(5000))
    with VideoSink(tmp_path / "out.mp4", scene_info, audio_from=damaged) as sink:
        for frame in numbered(5):
            sink.write(frame, frame.image, explained)
    assert len(read_film(tmp_path / "out.mp4").times) == 5
    assert "no sound" in sink.notes[0]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOENT])
def test_what_a_muxer_refuses_is_never_called_a_permission(number: int) -> None:
    refused = av.error.FFmpegError(number, "Operation not permitted")
    said = str(cannot_write("cannot write video", Path("out.mp4"), refused))
    assert "FFmpeg cannot put this into such a file" in said
    assert "no permission" not in said
    assert "no permission" in str(cannot_write("x", "y", OSError(errno.EACCES, "denied")))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("seconds", [1.0, 2.5])
def test_the_last_picture_of_a_slideshow_lasts_as_long_as_the_others(
    tmp_path: Path, explained: Explanation, suffix: str, seconds: float
) -> None:
    for count in (1, 3):
        output = tmp_path / f"{count}{suffix}"
        info = SourceInfo("p", "pictures", False, 64, 48, fps=1 / seconds if seconds > 1 else None)
        with VideoSink(output, info) as sink:
            for frame in numbered(count):
                timed = Frame(frame.image, frame.index, frame.index * seconds)
                sink.write(timed, frame.image, explained)
        assert sink.seconds == pytest.approx(count * seconds)
        with av.open(str(output)) as film:
            assert film.duration / av.time_base == pytest.approx(count * seconds, abs=0.002)


@needs_ffmpeg
def test_a_film_by_address_keeps_its_sound_and_its_password_to_itself(
    tmp_path: Path, explained: Explanation
) -> None:
    source = film_outputs.make_source("aac-mp4", tmp_path)
    with _serving(tmp_path) as place:
        address = f"http://ann:secret@{place}/{source.name}"
        output = tmp_path / "out.mp4"
        with open_source(address) as film, VideoSink(output, film.info) as sink:
            assert "secret" not in repr(film.info)
            for frame in film:
                sink.write(frame, frame.image, explained)
        assert list(film_outputs.faults(source, output, sink.notes)) == []
        with open_source(address) as film:
            gone = dataclasses.replace(
                film.info, open_again=lambda: av.open(address.replace(".mp4", ".gone"))
            )
            with VideoSink(tmp_path / "silent.mp4", gone) as sink:
                for frame in film:
                    sink.write(frame, frame.image, explained)
    (note,) = sink.notes
    assert note.startswith("silent.mp4: no sound: ")
    assert "secret" not in note


def test_a_film_that_can_be_read_only_once_says_that_it_has_no_sound(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    info = dataclasses.replace(scene_info, kind="video", has_sound=True)
    with VideoSink(tmp_path / "out.mp4", info) as sink:
        frame = numbered(1)[0]
        sink.write(frame, frame.image, explained)
    assert sink.notes == ("out.mp4: no sound: the film can be read only once",)


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """A web server of a folder; yields its host and port."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
