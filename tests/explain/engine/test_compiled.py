"""Compiling beside a running session: real child processes, a real compiler, a real cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from live_gradcam.budget import thread_budget
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine import compiled as module
from live_gradcam.explain.engine import runner as runner_module
from live_gradcam.explain.engine.compiled import (
    BackgroundCompiler,
    open_cache,
    prune_cache,
)
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.verify import NotEqual, check_equal
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.preprocess import Preprocessing
from tests.explain import support
from tests.explain.test_explainer import picture

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
posix_only = pytest.mark.skipif(os.name != "posix", reason="about users and signals of POSIX")
SHAPE = (1, 64, 64)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "compiled")
    return tmp_path / "compiled"


def children() -> list[psutil.Process]:
    alive = psutil.Process().children(recursive=True)
    return [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gradient_classifier() -> Classifier:
    """One whose head has no closed form."""
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, stride=8), nn.BatchNorm2d(8), nn.ReLU()),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 16),
        nn.Hardswish(),
        nn.Linear(16, 5),
    )
    classifier = Classifier.from_module(
        support.randomised(network), layer="0", preprocessing=Preprocessing(72, 64)
    )
    assert not classifier.all_maps_are_cheap
    return classifier


def make_compiler(**options: object) -> tuple[BackgroundCompiler, dict, list[str]]:
    engines: dict = {}
    failures: list[str] = []
    network = FusedNetwork(support.tiny_classifier(), "fp32").eval()
    compiler = BackgroundCompiler(
        network,
        depth=3,
        threads=1,
        on_ready=engines.__setitem__,
        on_failure=failures.append,
        **options,
    )
    return compiler, engines, failures


@needs_compiler
def test_another_method_is_compiled_with_the_network() -> None:
    classifier = support.tiny_classifier()
    eager = Explainer(classifier, precision="fp32", compile="off", method="eigencam")
    with Explainer(classifier, precision="fp32", compile="on", method="eigencam") as explainer:
        found = explainer.explain(picture(), classes=[0, 3])
        assert explainer.compiled, "decompositions are compiled too"
    expected = eager.explain(picture(), classes=[0, 3])
    scale = abs(expected.evidence).max()
    np.testing.assert_allclose(found.evidence, expected.evidence, rtol=0, atol=1e-4 * scale)


@needs_compiler
@pytest.mark.parametrize("make", [support.tiny_classifier, gradient_classifier])
def test_a_compiled_network_equals_eager_and_is_found_again(
    make: Callable[[], Classifier], cache: Path
) -> None:
    classifier = make()
    told: list[str] = []
    images = [picture(seed=seed) for seed in range(3)]
    eager = Explainer(classifier, compile="off").explain_batch(images, classes="all")
    with Explainer(classifier, compile="on", on_notice=told.append) as explainer:
        assert explainer.runtime.state == "eager"
        found = [explainer.explain(image, classes="all") for image in images]
        assert explainer.compiled
        assert explainer.runtime.state == "compiled"
        named = explainer.explain(images[0], classes=[4, 0])
        top = explainer.explain(images[0])
    assert told == []
    for ours, theirs in zip(found, eager, strict=True):
        assert ours.explained == theirs.explained
        np.testing.assert_allclose(ours.evidence, theirs.evidence, rtol=0.05, atol=0.02)
    assert named.explained == (4, 0)
    np.testing.assert_allclose(named.evidence[0], found[0].evidence[4], atol=1e-5)
    assert top.evidence.shape[0] == 1
    assert top.explained == (top.predictions[0].class_index,)
    (package,) = cache.iterdir()
    assert package.suffix == ".pt2"
    # The next session finds it after some frames, and no child process is needed.
    with Explainer(classifier, compile="auto") as again:
        for _ in range(5):
            again.explain(images[0])
        assert wait_until(lambda: again.compiled)
        assert children() == []
        again.explain(images[0])
    assert [path.name for path in cache.iterdir()] == [package.name]


@needs_compiler
def test_frames_never_wait_and_the_compiled_network_comes_in_between(cache: Path) -> None:
    with Explainer(support.tiny_classifier(), compile="auto") as explainer:
        image = picture()
        expected = explainer.explain(image)
        states = [explainer.runtime.state]
        threads = {thread.name for thread in threading.enumerate()}
        assert "network-compiler" not in threads, "a single picture never pays for it"
        deadline = time.monotonic() + 250
        while states[-1] != "compiled" and time.monotonic() < deadline:
            explanation = explainer.explain(image)
            assert explanation.explained == expected.explained
            np.testing.assert_allclose(explanation.evidence, expected.evidence, atol=0.02)
            if explainer.runtime.state != states[-1]:
                states.append(explainer.runtime.state)
            time.sleep(0.02)  # frames come at a camera's rate
    assert states == ["eager", "compiling", "compiled"]


@needs_compiler
def test_changed_weights_are_never_answered_from_the_cache() -> None:
    keys = set()
    for seed in (0, 1):
        for shape in (SHAPE, (2, 64, 64), (1, 64, 96)):
            network = FusedNetwork(support.tiny_classifier(seed=seed), "fp32")
            for depth in (1, 3):
                compiler = BackgroundCompiler(
                    network, depth=depth, threads=1, on_ready=print, on_failure=print
                )
                keys.add(compiler._key(shape))
                assert compiler._key(shape) in keys, "the same every time"
                compiler.close()
    assert len(keys) == 12


def test_no_compiler_is_one_sentence_and_eager_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    told: list[str] = []
    with Explainer(support.tiny_classifier(), compile="on", on_notice=told.append) as explainer:
        for seed in range(3):
            assert explainer.explain(picture(seed=seed)).predictions
        assert not explainer.compiled
        assert explainer.runtime.state == "failed"
    assert len(told) == 1
    assert "could not be compiled" in told[0]
    assert "compiler" in told[0].split("(", 1)[1]
    assert "\n" not in told[0]
    assert children() == []


def test_too_long_is_one_sentence_and_the_child_is_gone(cache: Path) -> None:
    compiler, engines, failures = make_compiler(timeout_seconds=0.3)
    assert compiler.request(SHAPE, may_compile=True).wait(60)
    assert failures == [
        "the network could not be compiled (it took longer than 0 s); it runs on uncompiled"
    ]
    assert engines == {}
    assert children() == []
    assert list(cache.iterdir()) == [], "nothing is left of it"
    assert compiler.request((2, 64, 64), may_compile=True).wait(5), "it does not try again"
    assert len(failures) == 1
    compiler.close()


def test_closing_ends_the_child_at_once() -> None:
    compiler, engines, failures = make_compiler()
    done = compiler.request(SHAPE, may_compile=True)
    later = compiler.request((2, 64, 64), may_compile=True)
    assert wait_until(lambda: bool(children()))
    compiler.close()
    assert children() == []
    assert done.is_set()
    assert later.is_set()
    compiler.close()
    assert (engines, failures) == ({}, []), "leaving is no failure"
    assert compiler.request(SHAPE, may_compile=True).is_set()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has such a class")
@pytest.mark.parametrize("yielding", [True, False])
def test_the_child_gives_way_to_everybody_unless_it_is_waited_for(yielding: bool) -> None:
    compiler, _, _ = make_compiler(yielding=yielding)
    compiler.request(SHAPE, may_compile=True)
    assert wait_until(lambda: bool(children()))
    (child, *_) = children()
    if yielding:
        assert wait_until(lambda: os.sched_getscheduler(child.pid) == os.SCHED_IDLE)
    else:
        time.sleep(1.0)
        assert os.sched_getscheduler(child.pid) == os.SCHED_OTHER
    compiler.close()


def test_a_core_is_left_to_the_compiler_while_it_works() -> None:
    with Explainer(support.tiny_classifier(), device="cpu", compile="auto") as explainer:
        explainer.explain(picture())
        all_of_them = torch.get_num_threads()
        assert all_of_them == thread_budget().network
        done = explainer._runner._compiled.compiler.request(SHAPE, may_compile=True)
        assert wait_until(lambda: explainer.runtime.state == "compiling")
        explainer.explain(picture())
        assert torch.get_num_threads() == max(1, all_of_them - 1)
        assert done.wait(240)
        explainer.explain(picture())
        assert torch.get_num_threads() == all_of_them


@posix_only
def test_a_child_never_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = """
import sys, time
from tests.explain.engine.test_compiled import SHAPE, children, make_compiler, wait_until
compiler, _, _ = make_compiler()
compiler.request(SHAPE, may_compile=True)
assert wait_until(lambda: bool(children()))
print(children()[0].pid, flush=True)
time.sleep(100)
"""
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "XDG_CACHE_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    # An orphan that has ended may stay a zombie until somebody reaps it.
    assert wait_until(lambda: not psutil.pid_exists(child) or is_zombie(child), 30)


def test_no_thread_is_left_in_native_code_when_a_script_ends(tmp_path: Path) -> None:
    """The interpreter aborts a process whose thread returns from a native library too late."""
    script = """
import atexit, threading, time
import numpy as np
import live_gradcam as lg

def left() -> None:  # registered first, so called last
    print(sorted(each.name for each in threading.enumerate() if each.name == "network-compiler"))

atexit.register(left)
explainer = lg.Explainer(lg.load_classifier("scenes"))
for pause in (0, 0, 0, 2.1, 0):  # compiled is what runs for two seconds
    explainer.explain(np.zeros((48, 64, 3), np.uint8))
    time.sleep(pause)
print([each.name for each in threading.enumerate() if each.name == "network-compiler"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["['network-compiler']", "[]", ""]


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_broken_package_is_thrown_away(cache: Path) -> None:
    compiler, engines, failures = make_compiler()
    package = open_cache() / f"{compiler._key(SHAPE)}.pt2"
    package.write_bytes(b"this is no package")
    assert compiler.request(SHAPE, may_compile=False).wait(30)
    compiler.close()
    assert (engines, failures) == ({}, [])
    assert not package.exists()


@posix_only
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_cache_that_others_can_write_is_not_trusted(cache: Path, mode: int) -> None:
    compiler, engines, failures = make_compiler()
    package = open_cache() / f"{compiler._key(SHAPE)}.pt2"
    package.write_bytes(b"planted")
    cache.chmod(mode)
    assert compiler.request(SHAPE, may_compile=True).wait(30)
    compiler.close()
    assert engines == {}
    assert len(failures) == 1
    assert "written by others" in failures[0]
    assert package.exists(), "it was not even looked at"


@posix_only
def test_the_cache_is_the_user_s_alone(cache: Path) -> None:
    assert open_cache().stat().st_mode & 0o777 == 0o700


def test_a_cache_that_cannot_be_made_is_one_sentence(cache: Path) -> None:
    cache.write_text("a file stands in its place")
    compiler, _, failures = make_compiler()
    assert compiler.request(SHAPE, may_compile=True).wait(30)
    compiler.close()
    assert len(failures) == 1
    assert str(cache) in failures[0]


def test_the_cache_does_not_grow_for_ever(cache: Path) -> None:
    folder = open_cache()
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


def wrong_class(network: FusedNetwork) -> Callable:
    def engine(pixels: torch.Tensor, selection: torch.Tensor) -> tuple:
        logits, *rest = network(pixels, selection)
        return (-logits, *rest)

    return engine


def wrong_maps(network: FusedNetwork) -> Callable:
    def engine(pixels: torch.Tensor, selection: torch.Tensor) -> tuple:
        logits, classes, evidence, basis = network(pixels, selection)
        return logits, classes, evidence + evidence.std(), basis

    return engine


@pytest.mark.parametrize(("spoil", "said"), [(wrong_class, "class"), (wrong_maps, "maps")])
def test_an_engine_that_differs_from_eager_is_refused(spoil: Callable, said: str) -> None:
    network = FusedNetwork(support.tiny_classifier(), "fp32").eval()
    with torch.no_grad():
        check_equal(network, network, SHAPE, 3)
        with pytest.raises(NotEqual, match=said):
            check_equal(network, spoil(network), SHAPE, 3)


def test_rests_of_a_batch_use_the_compiled_network_one_by_one() -> None:
    explainer = Explainer(support.tiny_classifier(), device="cpu", compile="auto")
    runner = explainer._runner
    assert forwards(runner, 11) == [4, 4, 3]
    while (size := runner._sizer.next_size(99, 64, 64)) and runner._sizer.chosen(64, 64) is None:
        runner._sizer.note(size, 64, 64, float(size != 4))  # 4 is by far the cheapest
    assert forwards(runner, 11) == [4, 4, 3]
    runner._compiled.add(SHAPE, runner._network)
    assert forwards(runner, 3) == [1, 1, 1]
    runner._compiled.add((4, 64, 64), runner._network)
    assert forwards(runner, 6) == [4, 1, 1]
    assert forwards(runner, 6, width=96) == [4, 2]


def forwards(runner: Runner, pictures: int, width: int = 64) -> list[int]:
    sizes = []
    while sum(sizes) < pictures:
        sizes.append(runner.next_batch(pictures - sum(sizes), 64, width))
    return sizes


def test_large_networks_are_not_compiled_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "_COMPILE_UP_TO", 100)
    explainer = Explainer(support.tiny_classifier(), compile="auto")
    assert explainer.runtime.state == "off"
    assert "parameters" in explainer.runtime.reasons[-1]
    assert Explainer(support.tiny_classifier(), compile="on").runtime.state == "eager"
