"""Every kind of sound into every kind of film, and those into what people open them with.

    python scripts/film_outputs.py            # all pairs, with ffprobe and OpenCV
    python scripts/film_outputs.py --browser  # and with Chromium

Sources are made with FFmpeg's command line: a test picture and a tone.
The verdict of a pair is empty where all of this holds: as many frames as in the source, each at its
own time; the sound's packets all there and unchanged, or, where it was encoded anew, its length to
within a frame of its codec, and that was said; the loudness of what is heard; each reader opens it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from live_gradcam.native import av, cv2
from live_gradcam.show.animation import ANIMATIONS, AnimationSink
from live_gradcam.show.recorder import VideoSink
from live_gradcam.show.sound_track import codec_name
from live_gradcam.values import Explanation, Frame, Region, SourceInfo

SOUNDS: Mapping[str, tuple[str, Sequence[str]]] = {
    "aac-mp4": (".mp4", ["-c:a", "aac"]),
    "aac-ts": (".ts", ["-c:a", "aac"]),
    "ac3": (".mkv", ["-c:a", "ac3"]),
    "ac3-ts": (".ts", ["-c:a", "ac3"]),
    "eac3": (".mkv", ["-c:a", "eac3"]),
    "mp3": (".mkv", ["-c:a", "libmp3lame"]),
    "mp3-mp4": (".mp4", ["-c:a", "libmp3lame"]),
    "mp2-ts": (".ts", ["-c:a", "mp2"]),
    "opus": (".mkv", ["-c:a", "libopus"]),
    "vorbis": (".mkv", ["-c:a", "libvorbis"]),
    "flac": (".mkv", ["-c:a", "flac"]),
    "alac": (".mov", ["-c:a", "alac"]),
    "pcm_s16le": (".mov", ["-c:a", "pcm_s16le"]),
    "pcm_s24le": (".mkv", ["-c:a", "pcm_s24le"]),
    "pcm_mulaw": (".mov", ["-c:a", "pcm_mulaw", "-ar", "8000"]),
    "truehd": (".mkv", ["-c:a", "truehd", "-strict", "-2"]),
    "dts": (".mkv", ["-c:a", "dca", "-strict", "-2"]),
    "wma": (".mkv", ["-c:a", "wmav2"]),
    "aac-5.1": (".mp4", ["-c:a", "aac", "-ac", "6"]),
}
"""Name of a kind of sound: the container it comes in, and FFmpeg's options for it."""

OUTPUTS = (".mp4", ".mov", ".mkv", ".webm")
_SECONDS = 2
_NOTHING = Explanation((), (), np.zeros((0, 1, 1), np.float32), Region(0, 0, 1, 1))


@dataclass(frozen=True)
class Heard:
    """The sound of a film.

    Attributes:
        codec: Its codec.
        packets: The bytes of every packet, joined.
        count: How many packets.
        seconds: From the first sample that is heard to the last.
        begins: Time of the first sample that is heard.
        last: Time of the last packet.
        loudness: Root mean square of what is heard.
    """

    codec: str
    packets: bytes
    count: int
    seconds: float
    begins: float
    last: float
    loudness: float


def make_source(kind: str, folder: Path) -> Path:
    """Make a film of two seconds with one kind of sound.

    Raises:
        subprocess.CalledProcessError: This FFmpeg cannot make it.
    """
    suffix, options = SOUNDS[kind]
    path = folder / f"{kind}{suffix}"
    command = ["ffmpeg", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"testsrc2=size=160x120:rate=25:duration={_SECONDS}"]
    command += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={_SECONDS}"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    command += ["-muxdelay", "0", "-muxpreload", "0", *options, str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return path


def start_of(path: Path) -> Fraction:
    """Time at which a film begins, picture or sound, as FFmpeg counts it; in seconds."""
    with av.open(str(path)) as film:
        return Fraction(film.start_time or 0, av.time_base)


def rerecord(source: Path, output: Path) -> VideoSink:
    """Write a film's own frames into another one; returns the closed sink."""
    start = start_of(source)
    with av.open(str(source)) as film:
        stream = film.streams.video[0]
        info = SourceInfo(
            source.name,
            "video",
            False,
            stream.width,
            stream.height,
            fps=float(stream.average_rate) if stream.average_rate else None,
            time_base=stream.time_base,
            path=source,
            start_seconds=float(start),
        )
        with VideoSink(output, info) as sink:
            for index, decoded in enumerate(film.decode(stream)):
                image = decoded.to_ndarray(format="bgr24")
                seconds = float(decoded.pts * decoded.time_base - start)
                sink.write(Frame(image, index, seconds, source.name), image, _NOTHING)
    return sink


def image_times(path: Path) -> list[Fraction]:
    """The time of every image on the film's own clock, in seconds."""
    with av.open(str(path)) as film:
        return [Fraction(frame.pts * frame.time_base) for frame in film.decode(video=0)]


def hear(path: Path) -> Heard | None:
    """Read the first track of sound, packet by packet, and decode it; ``None`` without one."""
    with av.open(str(path)) as film:
        if not film.streams.audio:
            return None
        stream = film.streams.audio[0]
        codec = codec_name(stream)
        found = [packet for packet in film.demux(stream) if packet.size]
        packets = [bytes(packet) for packet in found]
        last = max(float(each.pts * each.time_base) for each in found if each.pts is not None)
    with av.open(str(path)) as film:
        times, samples = [], []
        resampler = av.AudioResampler("flt", "mono", 48_000)
        for frame in film.decode(audio=0):
            if frame.pts is not None:
                times.append(float(frame.pts * frame.time_base))
            samples += [part.to_ndarray().ravel() for part in resampler.resample(frame)]
    heard = np.concatenate(samples) if samples else np.zeros(0, np.float32)
    loudness = float(np.sqrt((heard.astype(np.float64) ** 2).mean())) if heard.size else 0.0
    begins = times[0] if times else math.nan
    seconds = heard.size / 48_000
    return Heard(codec, b"".join(packets), len(packets), seconds, begins, last, loudness)


def faults(source: Path, output: Path, notes: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with an output, in a few words each."""
    start = start_of(source)
    before, after = [time - start for time in image_times(source)], image_times(output)
    tick = Fraction(1, 1000) if output.suffix in (".mkv", ".webm") else Fraction(1, 80_000)
    if len(before) != len(after):
        yield f"{len(after)} of {len(before)} frames"
    elif max(abs(a - b) for a, b in zip(before, after, strict=True)) > tick:
        yield "frames at other times"
    was, is_now = hear(source), hear(output)
    if was is None:
        return
    if is_now is None:
        yield f"no sound ({' '.join(notes)})"
        return
    if abs(is_now.loudness - was.loudness) > 0.03 * was.loudness:
        yield f"loudness {is_now.loudness:.4f}, was {was.loudness:.4f}"
    offset = is_now.begins - was.begins + float(start)
    if any("becomes" in note for note in notes):
        if abs(is_now.seconds - was.seconds) > 0.05 or abs(offset) > 0.025:
            yield f"sound of {is_now.seconds:.3f} s {offset:+.3f}, was {was.seconds:.3f} s"
        return
    if abs(is_now.last - was.last + float(start)) > 0.0015 and not was.codec.startswith("pcm"):
        yield f"the last packet of sound at {is_now.last:.3f} s, was {was.last:.3f} s"
    if is_now.packets != was.packets and was.codec != "aac":  # ADTS headers are taken off
        yield f"packets changed, {is_now.count} of {was.count}"
    if is_now.count != was.count and not was.codec.startswith("pcm"):  # which is cut anew
        yield f"{is_now.count} of {was.count} packets of sound"
    # The end of the last packet may be heard where a container cannot say that it is not.
    if not -0.002 < is_now.seconds - was.seconds < 0.05 or abs(offset) > 0.0015:
        yield f"sound of {is_now.seconds:.3f} s {offset:+.3f}, was {was.seconds:.3f} s"


def readers_faults(output: Path) -> Iterator[str]:
    """Yield the readers that cannot open an output: ffprobe and OpenCV."""
    probe = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(output)]
    done = subprocess.run(probe, capture_output=True, text=True, check=False, timeout=240)
    if done.returncode or done.stderr.strip() or not json.loads(done.stdout).get("streams"):
        yield f"ffprobe: {done.stderr.strip()[:80]}"
    capture = cv2.VideoCapture(str(output))
    try:
        count = 0
        while capture.read()[0]:
            count += 1
    finally:
        capture.release()
    if count < 2:
        yield f"OpenCV reads {count} frames"


@contextlib.contextmanager
def browser() -> Iterator[object]:
    """A page of Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as tools:
        chromium = tools.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield chromium.new_page()
        finally:
            chromium.close()


_PLAY = """
([kind, address]) => new Promise(done => {
    const shown = document.createElement(kind);
    shown.onerror = () => done("error " + (shown.error ? shown.error.message : "of the picture"));
    shown.onload = () => done([shown.naturalWidth, shown.naturalHeight, 0]);
    shown.onloadeddata = () => done([shown.videoWidth, shown.videoHeight, shown.duration]);
    shown.muted = true;
    shown.src = address;
    setTimeout(() => done("nothing within 10 s"), 10000);
})
"""


def browser_faults(page: object, output: Path, *, seconds: float | None) -> Iterator[str]:
    """Yield what a browser says against an output."""
    page.goto(f"file://{output.parent}/")  # type: ignore[attr-defined]
    kind = "video" if seconds is not None else "img"
    said = page.evaluate(_PLAY, [kind, f"file://{output}"])  # type: ignore[attr-defined]
    if (
        isinstance(said, str)
        or not said[0]
        or (seconds is not None and abs(said[2] - seconds) > 0.15)
    ):
        yield f"Chromium: {said}"


def _write_animation(output: Path) -> None:
    info = SourceInfo("scene", "scene", False, 160, 120, fps=10.0)
    with AnimationSink(output, info) as sink:
        for index in range(10):
            image = np.full((120, 160, 3), 25 * index, np.uint8)
            sink.write(Frame(image, index, index / 10), image, _NOTHING)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all pairs, print a line for each that is wrong and the number of those that are right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--browser", action="store_true", help="open every output in Chromium")
    parser.add_argument("--kinds", nargs="*", default=list(SOUNDS), help="kinds of sound")
    parser.add_argument("--keep", type=Path, help="folder for the files")
    given = parser.parse_args(arguments)
    right = total = 0
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        page = stack.enter_context(browser()) if given.browser else None
        for kind in given.kinds:
            source = make_source(kind, folder)
            for suffix in OUTPUTS:
                output = folder / f"{kind}-out{suffix}"
                sink = rerecord(source, output)
                found = [*faults(source, output, sink.notes), *readers_faults(output)]
                if page is not None:
                    found += browser_faults(page, output, seconds=_SECONDS)
                total += 1
                right += not found
                said = "; ".join(found) or "right"
                sys.stdout.write(f"{kind} -> {suffix}: {said}  [{' '.join(sink.notes)}]\n")
        for suffix in ANIMATIONS if page is not None else ():
            output = folder / f"animation{suffix}"
            _write_animation(output)
            found = list(browser_faults(page, output, seconds=None))
            total += 1
            right += not found
            sys.stdout.write(f"-> {suffix}: {'; '.join(found) or 'right'}\n")
    sys.stdout.write(f"{right} of {total} right\n")
    return 0 if right == total else 1


if __name__ == "__main__":
    raise SystemExit(main())
