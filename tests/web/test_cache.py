"""The page's files: private, bounded in number, size and age, gone with the page."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live_gradcam.web.cache import CacheFolder

NOW = 1_000_000.0


@pytest.fixture
def folder() -> Iterator[CacheFolder]:
    folder = CacheFolder(files=3, size_bytes=1000, age_seconds=100, clock=lambda: NOW)
    yield folder
    folder.close()


@pytest.fixture
def put(folder: CacheFolder) -> Callable[..., Path]:
    def make(name: str, *, size: int = 10, age: float = 0.0) -> Path:
        path = folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (NOW - age, NOW - age))
        return path

    return make


def names(folder: CacheFolder) -> set[str]:
    return {path.name for path in folder.path.rglob("*") if path.is_file()}


def test_the_newest_files_stay(folder: CacheFolder, put: Callable[..., Path]) -> None:
    for number in range(6):
        put(f"hash{number}/{number}.png", age=10 - number)
    folder.sweep()
    assert names(folder) == {"3.png", "4.png", "5.png"}
    assert not (folder.path / "hash0").exists()


def test_large_files_push_out_older_ones(folder: CacheFolder, put: Callable[..., Path]) -> None:
    put("old.png", size=300, age=3)
    put("middle.png", size=600, age=2)
    put("new.png", size=300, age=1)
    folder.sweep()
    assert names(folder) == {"middle.png", "new.png"}


def test_old_files_go(folder: CacheFolder, put: Callable[..., Path]) -> None:
    put("old.png", age=101)
    put("new.png", age=99)
    folder.sweep()
    assert names(folder) == {"new.png"}


@pytest.mark.parametrize(
    ("path", "held"),
    [
        ("picture.png", True),
        ("deep/er/picture.png", True),
        ("../elsewhere.png", False),
        ("deep/../../elsewhere.png", False),
        ("/etc/passwd", False),
        ("pic\0ture.png", False),
        ("x" * 5000, False),
    ],
)
def test_only_paths_inside_are_its_own(folder: CacheFolder, path: str, held: bool) -> None:
    assert folder.holds(str(folder.path / path) if len(path) < 5000 else path) is held


def test_a_link_that_leads_outside_is_not_its_own(folder: CacheFolder, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (folder.path / "link").symlink_to(tmp_path / "secret.txt")
    assert not folder.holds(str(folder.path / "link"))


def test_others_on_the_machine_cannot_look(folder: CacheFolder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_nothing_is_left(put: Callable[..., Path], folder: CacheFolder) -> None:
    put("a/b.png")
    folder.close()
    assert not folder.path.exists()
    folder.close()
    folder.sweep()
