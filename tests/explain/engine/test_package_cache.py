"""The cache of compiled networks: its names, who may write to it, and how much it keeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from live_gradcam.explain.engine import package_cache
from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.explain.engine.package_cache import open_cache, package_key, prune_cache
from tests.explain import support

SHAPES: tuple[Shape, ...] = ((1, 64, 64), (2, 64, 64), (1, 64, 96))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setattr(package_cache, "cache_folder", lambda: tmp_path / "compiled")
    return open_cache()


def test_changed_weights_are_never_answered_from_the_cache() -> None:
    keys = set()
    for seed in (0, 1):
        network = FusedNetwork(support.tiny_classifier(seed=seed), "fp32")
        for shape in SHAPES:
            for depth in (1, 3):
                for threads in (1, 2):
                    key = package_key(network, shape, depth=depth, threads=threads)
                    again = package_key(network, shape, depth=depth, threads=threads)
                    assert key == again, "the same every time"
                    keys.add(key)
    assert len(keys) == 24


def test_precision_and_head_are_part_of_the_name() -> None:
    tiny, gradient = support.tiny_classifier(), support.gradient_classifier()
    networks = [FusedNetwork(tiny, "fp32"), FusedNetwork(tiny, "bf16")]
    networks.append(FusedNetwork(gradient, "fp32"))
    keys = {package_key(network, (1, 64, 64), depth=1, threads=1) for network in networks}
    assert len(keys) == 3


@pytest.mark.skipif(os.name != "posix", reason="about users of POSIX")
def test_the_cache_is_the_user_s_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_cache_does_not_grow_for_ever(folder: Path) -> None:
    packages = [folder / f"{number:02}.pt2" for number in range(20)]
    for age, package in enumerate(packages):
        package.write_bytes(b"x")
        os.utime(package, (1e9 - age, 1e9 - age))
    abandoned = folder / "work-old"
    abandoned.mkdir()
    os.utime(abandoned, (1e9, 1e9))
    (folder / "work-new").mkdir()
    prune_cache(folder, keep=packages[-1])
    left = sorted(path.name for path in folder.iterdir())
    assert left == [*(package.name for package in packages[:12]), "19.pt2", "work-new"]
