"""The video tab's work: limits, progress, sound, an end at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.errors import SourceError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.native import av
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer
from live_gradcam.values import Image
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.engine import Busy, SharedEngine
from live_gradcam.web.limits import Limits
from live_gradcam.web.settings import ViewSettings
from live_gradcam.web.videos import Cancelled, VideoService
from scripts.faults.media import quadrants, write_film

from .conftest import encoded, scene

SMALL = replace(
    Limits(), video_seconds=2.0, video_long_side=128, video_short_side=96, video_frames=100
)


@pytest.fixture
def cache() -> Iterator[CacheFolder]:
    cache = CacheFolder(files=10, size_bytes=10**8, age_seconds=1000)
    yield cache
    cache.close()


@pytest.fixture
def service(
    explainer: Explainer, classifier: Classifier, cache: CacheFolder
) -> Iterator[VideoService]:
    def make(other: Classifier, method: str) -> BatchExplainer:
        return Explainer(other, device="cpu", precision="fp32", compile="off", method=method)

    with (
        ExplainerPool[BatchExplainer](classifier, make, given=explainer) as pool,
        SharedEngine(pool) as engine,
    ):
        service = VideoService(engine, SMALL, cache)
        yield service
        service.close()


def still(_number: int, width: int, height: int) -> Image:
    return quadrants(width, height)


def made(cache: CacheFolder) -> list[Path]:
    return [path for path in cache.path.rglob("*") if path.is_file()]


def test_a_video_comes_back_explained_with_its_sound(
    service: VideoService, cache: CacheFolder, tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mp4", frames=12, audio_tracks=1)
    job = service.begin("ann", film, "My film.mov", ViewSettings(class_name="star"))
    path, summary = job.output, job.result()
    assert summary.frames == 12
    assert job.progress.frames == 12
    assert path.name == "My film-explained.mp4"
    assert cache.holds(str(path))
    service.end("ann")
    with av.open(path) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(video=0)) == 12


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"frames": 70}, "longer than 2 s"),
        ({"width": 160}, "160x48 is more than 128x96"),
        ({"width": 48, "height": 160}, "48x160 is more than 128x96"),
        ({"frames": 101, "rate": 100}, "more than 100 frames"),
    ],
)
def test_what_exceeds_the_limits_is_refused(
    service: VideoService, cache: CacheFolder, tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    film = write_film(tmp_path / "film.mp4", image=still, **options)
    with pytest.raises(SourceError, match=cause):
        service.begin("ann", film, "film.mp4", ViewSettings()).result()
    service.end("ann")
    assert made(cache) == []


def test_upright_and_lying_videos_have_the_same_limits(
    service: VideoService, tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mp4", width=96, height=128, frames=3)
    assert service.begin("ann", film, "film.mp4", ViewSettings()).result().frames == 3


def test_a_length_that_the_file_hides_is_found_out(
    service: VideoService, cache: CacheFolder, tmp_path: Path
) -> None:
    film = write_film(
        tmp_path / "film.mkv", frames=80, image=still, container_options={"live": "1"}
    )
    job = service.begin("ann", film, "film.mkv", ViewSettings())
    with pytest.raises(SourceError, match="longer than 2 s"):
        job.result()
    service.end("ann")
    assert made(cache) == []


def test_an_image_is_no_video(service: VideoService, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(encoded(scene(1)))
    with pytest.raises(SourceError, match="the file is a picture"):
        service.begin("ann", path, "film.mp4", ViewSettings())
    path.write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    with pytest.raises(SourceError, match="playlist"):
        service.begin("ann", path, "film.mp4", ViewSettings())


def test_cancelling_ends_it_and_leaves_nothing(
    service: VideoService, cache: CacheFolder, tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mp4", frames=48, image=still)
    job = service.begin("ann", film, "film.mp4", ViewSettings())
    with pytest.raises(Busy, match="still in work"):
        service.begin("ann", film, "film.mp4", ViewSettings())
    assert service.cancel("ann")
    with pytest.raises(Cancelled):
        job.result()
    service.end("ann")
    assert made(cache) == []
    assert not service.cancel("ann")
    assert service.begin("ann", film, "film.mp4", ViewSettings()).result().frames == 48
