"""Films as people have them, made by ffmpeg, come out as ffmpeg itself decodes them."""

from __future__ import annotations

import shutil

import pytest

from scripts.films import FILMS, Verdict, examine_all

# One of each kind that is quick to make; `scripts/films.py` examines the whole matrix.
QUICK = frozenset(
    [
        "bframes.mp4",
        "mjpeg.avi",
        "prores.mov",
        "vp9.webm",
        "flv1.flv",
        "mpeg2.ts",
        "camcorder.mts",
        "mpeg2.vob",
        "raw.m4v",
        "raw.y4m",
        "animated.gif",
        "20s.mkv",
        "hour.ts",
        "anamorphic.mkv",
        "hdv.mp4",
        "bt709-full.mp4",
        "ten-bit.mkv",
        "bt2020.mkv",
        "hdr10.mp4",
        "hlg.mkv",
        "turned-anamorphic.mp4",
        "alpha-vp9.webm",
        "alpha-prores.mov",
        "alpha.apng",
        "fields.mts",
        "second-default.mkv",
        "picture-first.mp4",
    ]
)
CHOSEN = [film for film in FILMS if film.name in QUICK]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg command line on this machine")
    folder = tmp_path_factory.mktemp("films")
    return {verdict.film.name: verdict for verdict in examine_all(CHOSEN, folder)}


@pytest.mark.parametrize("name", [film.name for film in CHOSEN])
def test_frames_times_shape_and_colours_are_those_of_ffmpeg(
    verdicts: dict[str, Verdict], name: str
) -> None:
    assert verdicts[name].faults == ()


def test_the_matrix_is_large_and_its_names_are_unique() -> None:
    names = {film.name for film in FILMS}
    assert len(names) == len(FILMS) >= 60
    assert names >= QUICK
