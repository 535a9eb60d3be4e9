"""Broken files end with frames or with `SourceError`, never otherwise (the short part).

``python scripts/fuzz_inputs.py`` runs thousands, each guarded by a watchdog.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from live_gradcam.capture.open import open_source
from live_gradcam.errors import SourceError
from live_gradcam.images import read_image, sniff
from live_gradcam.images.animated import is_animated
from scripts.faults.mutate import film_originals, image_originals, mutated

SEED = 2024


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    return film_originals(tmp_path_factory.mktemp("films"))


def read_to_its_end(path: Path) -> int:
    """How many frames there are; -1 where the file was refused, -2 if not in one line."""
    try:
        with open_source(path) as source:
            times = [frame.pts_seconds for frame in source]
    except SourceError as error:
        return -1 if len(str(error).splitlines()) == 1 else -2
    assert all(before < after for before, after in pairwise(times))
    return len(times)


def test_broken_films(films: list[tuple[str, bytes]], tmp_path: Path) -> None:
    counts = []
    for number in range(100):
        suffix, data = mutated(films, SEED, number)
        path = tmp_path / f"film{suffix}"
        path.write_bytes(data)
        counts.append(read_to_its_end(path))
    # The damage is of both kinds: what can be stepped over, and what cannot.
    assert min(counts) >= -1
    assert counts.count(-1) > 10
    assert sum(count > 0 for count in counts) > 10


def test_broken_images(tmp_path: Path) -> None:
    originals = image_originals()
    refused = 0
    for number in range(200):
        suffix, data = mutated(originals, SEED, number)
        path = tmp_path / f"picture{suffix}"
        path.write_bytes(data)
        try:
            image = read_image(path)
        except SourceError:
            refused += 1
        else:
            assert image.ndim == 3
        read_to_its_end(path)
    assert 20 < refused < 180


def test_the_originals_are_whole(films: list[tuple[str, bytes]], tmp_path: Path) -> None:
    for number, (suffix, data) in enumerate(films):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(data)
        assert read_to_its_end(path) == (-1 if suffix == ".m4a" else 24)
    for suffix, data in image_originals():
        path = tmp_path / f"one{suffix}"
        path.write_bytes(data)
        assert read_to_its_end(path) == (2 if is_animated(path, sniff(path).format) else 1)
        assert read_image(path).max() > 100
