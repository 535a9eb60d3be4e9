"""Compiling beside a running session: real child processes, a real compiler, a real cache."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import Tensor

from live_gradcam.budget import thread_budget
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine import child_process, package_cache
from live_gradcam.explain.engine import compiled as compiled_module
from live_gradcam.explain.engine import runner as runner_module
from live_gradcam.explain.engine.batching import BatchSizer
from live_gradcam.explain.engine.child_process import ChildFailed, make_in_child
from live_gradcam.explain.engine.compile_worker import LENGTH, worker_command
from live_gradcam.explain.engine.compiled import BackgroundCompiler, CompiledNetworks
from live_gradcam.explain.engine.fused import Engine, FusedNetwork, Shape
from live_gradcam.explain.engine.package_cache import open_cache, package_key
from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.runtime import choose_runtime
from live_gradcam.explain.engine.verify import NotEqual, check_equal
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods import METHODS
from tests.explain import support

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
posix_only = pytest.mark.skipif(os.name != "posix", reason="about users and signals of POSIX")
# Compiling takes half a minute, and on a busy machine many times as long.
PATIENCE_SECONDS = 800.0
SHAPE: Shape = (1, 64, 64)


@pytest.fixture
def eager_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the compiler's child not give way: on a busy machine it would starve."""
    monkeypatch.setattr(child_process, "worker_command", lambda **_: worker_command(yielding=False))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(package_cache, "cache_folder", lambda: tmp_path / "compiled")
    return tmp_path / "compiled"


def children() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [child for child in found if not is_zombie(child.pid)]


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def state_of(explainer: Explainer) -> str:
    return explainer.runtime.state


def make_compiler(**options: Any) -> tuple[BackgroundCompiler, dict[Shape, Engine], list[str]]:
    engines: dict[Shape, Engine] = {}
    failures: list[str] = []
    compiler = BackgroundCompiler(
        FusedNetwork(support.tiny_classifier(), "fp32").eval(),
        depth=3,
        threads=1,
        on_ready=engines.__setitem__,
        on_failure=failures.append,
        **options,
    )
    return compiler, engines, failures


def make_package(content: bytes) -> Path:
    """A file in the place of what `make_compiler` gives a compiler to do."""
    network = FusedNetwork(support.tiny_classifier(), "fp32").eval()
    package = open_cache() / f"{package_key(network, SHAPE, depth=3, threads=1)}.pt2"
    package.write_bytes(content)
    return package


@needs_compiler
def test_another_method_is_compiled_with_the_network() -> None:
    classifier = support.tiny_classifier()
    eager = Explainer(classifier, precision="fp32", compile="off", method="eigencam")
    with Explainer(
        classifier, precision="fp32", engine="torch", compile="on", method="eigencam"
    ) as explainer:
        found = explainer.explain(support.smooth_image(), classes=[0, 3])
        assert explainer.compiled, "decompositions are compiled too"
    expected = eager.explain(support.smooth_image(), classes=[0, 3])
    support.assert_maps_close(found.evidence, expected.evidence, support.ROUNDING["fp32"])


def assert_equals_eager(explainer: Explainer, classifier: Classifier) -> None:
    """What is compiled gives the maps of eager, whatever classes they are of."""
    images = [support.smooth_image(seed=seed) for seed in range(3)]
    eager = Explainer(classifier, compile="off").explain_batch(images, classes="all")
    found = [explainer.explain(image, classes="all") for image in images]
    assert explainer.compiled
    assert state_of(explainer) == "compiled"
    rounding = support.ROUNDING[explainer.runtime.precision]
    named = explainer.explain(images[0], classes=[4, 0])
    top = explainer.explain(images[0])
    for ours, theirs in zip(found, eager, strict=True):
        assert ours.explained == theirs.explained
        support.assert_maps_close(ours.evidence, theirs.evidence, rounding)
    assert named.explained == (4, 0)
    support.assert_maps_close(named.evidence[0], found[0].evidence[4])
    assert top.evidence.shape[0] == 1
    assert top.explained == (top.predictions[0].class_index,)


@needs_compiler
def test_a_compiled_network_equals_eager_and_is_found_again(cache: Path) -> None:
    classifier = support.gradient_classifier()
    told: list[str] = []
    with Explainer(classifier, engine="torch", compile="on", on_notice=told.append) as explainer:
        assert state_of(explainer) == "eager"
        assert_equals_eager(explainer, classifier)
    assert told == []
    (package,) = cache.iterdir()
    assert package.suffix == ".pt2"
    # The next session finds it after some frames, and no child process is needed.
    with Explainer(classifier, engine="torch", compile="auto") as again:
        for _ in range(5):
            again.explain(support.smooth_image())
        assert wait_until(lambda: again.compiled)
        assert children() == []
        again.explain(support.smooth_image())
    assert [path.name for path in cache.iterdir()] == [package.name]


@needs_compiler
@pytest.mark.usefixtures("eager_child")
def test_frames_never_wait_and_the_compiled_network_comes_in_between(cache: Path) -> None:
    classifier = support.tiny_classifier()
    with Explainer(classifier, engine="torch", compile="auto") as explainer:
        image = support.smooth_image()
        expected = explainer.explain(image)
        rounding = support.ROUNDING[explainer.runtime.precision]
        states = [explainer.runtime.state]
        threads = {thread.name for thread in threading.enumerate()}
        assert "network-compiler" not in threads, "a single picture never pays for it"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while states[-1] != "compiled" and time.monotonic() < deadline:
            explanation = explainer.explain(image)
            assert explanation.explained == expected.explained
            support.assert_maps_close(explanation.evidence, expected.evidence, rounding)
            if explainer.runtime.state != states[-1]:
                states.append(explainer.runtime.state)
            time.sleep(0.02)  # frames come at a camera's rate
        assert_equals_eager(explainer, classifier)
    assert states == ["eager", "compiling", "compiled"]


def test_no_compiler_is_one_sentence_and_eager_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    told: list[str] = []
    with Explainer(
        support.tiny_classifier(), engine="torch", compile="on", on_notice=told.append
    ) as explainer:
        for seed in range(3):
            assert explainer.explain(support.smooth_image(seed=seed)).predictions
        assert not explainer.compiled
        assert explainer.runtime.state == "failed"
    assert len(told) == 1
    assert "could not be compiled" in told[0]
    assert "compiler" in told[0].split("(", 1)[1]
    assert "\n" not in told[0]
    assert children() == []


def test_too_long_is_one_sentence_and_the_child_is_gone(cache: Path) -> None:
    compiler, engines, failures = make_compiler(timeout_seconds=0.3)
    assert compiler.request(SHAPE, may_compile=True).wait(PATIENCE_SECONDS)
    assert failures == [
        "the network could not be compiled (it took longer than 0 s); it runs on uncompiled"
    ]
    assert engines == {}
    assert children() == []
    assert list(cache.iterdir()) == [], "nothing is left of it"
    assert compiler.request((2, 64, 64), may_compile=True).wait(PATIENCE_SECONDS), (
        "it does not try again"
    )
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


class Scheduling:
    """Prints, where it is unpickled, how that process is scheduled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return exec, ("import os; print(os.sched_getscheduler(0), flush=True)",)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has such a class")
@pytest.mark.parametrize("yielding", [True, False])
def test_the_child_gives_way_to_everybody_unless_it_is_waited_for(yielding: bool) -> None:
    payload = pickle.dumps(Scheduling())
    command = worker_command(yielding=yielding)
    # A session of its own, because the end of its input ends its whole group.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(LENGTH.pack(len(payload)) + payload)
        worker.stdin.flush()
        assert int(worker.stdout.readline()) == (os.SCHED_IDLE if yielding else os.SCHED_OTHER)
        worker.kill()
    compiler, _, _ = make_compiler(yielding=yielding)
    compiler.request(SHAPE, may_compile=True)
    assert wait_until(lambda: any(child.cmdline() == command for child in children()))
    compiler.close()


@pytest.fixture
def fixed_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The number of threads is the user's, so that a busy machine changes nothing about it."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(thread_budget().network))
    thread_budget.cache_clear()
    yield
    monkeypatch.undo()
    thread_budget.cache_clear()


@pytest.mark.usefixtures("fixed_threads")
def test_a_core_is_left_to_the_compiler_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, may_end = threading.Event(), threading.Event()

    def compile_for_long(*_: object, closing: threading.Event, **__: object) -> bool:
        at_work.set()
        while not may_end.wait(0.02) and not closing.is_set():
            pass
        return False

    monkeypatch.setattr(compiled_module, "make_in_child", compile_for_long)
    with Explainer(
        support.tiny_classifier(), device="cpu", engine="torch", compile="auto"
    ) as explainer:
        explainer.explain(support.smooth_image())
        all_of_them = torch.get_num_threads()
        assert all_of_them == thread_budget().network
        while not at_work.is_set():
            explainer.explain(support.smooth_image())
        assert state_of(explainer) == "compiling"
        explainer.explain(support.smooth_image())
        assert torch.get_num_threads() == max(1, all_of_them - 1)
        may_end.set()
        networks = explainer._runner.compiled
        assert networks is not None
        assert wait_until(lambda: not networks.compiling_beside)
        explainer.explain(support.smooth_image())
        assert torch.get_num_threads() == all_of_them


def test_a_compiler_that_ends_while_it_is_asked_was_compiling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = auto_runner()
    assert runner.compiled is not None
    monkeypatch.setattr(runner.compiled.compiler, "_busy", True)

    def ends_right_afterwards(networks: CompiledNetworks) -> bool:
        found = bool(networks._ready)
        networks.add(SHAPE, runner.network)
        monkeypatch.setattr(networks.compiler, "_busy", False)
        return found

    monkeypatch.setattr(CompiledNetworks, "any", property(ends_right_afterwards))
    assert [runner.runtime.state for _ in range(2)] == ["compiling", "compiled"]


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "too long"])
def test_a_child_that_never_reads_its_request_is_ended_all_the_same(
    closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(child_process, "worker_command", lambda **_: idle)
    closing = threading.Event()
    timer = threading.Timer(0.2, closing.set)
    if closed:
        timer.start()
    outcome = nullcontext() if closed else pytest.raises(ChildFailed, match="longer than 0 s")
    with outcome:
        made = make_in_child(
            tmp_path / "made.pt2",
            lambda _: bytes(1 << 24),  # more than any pipe holds
            closing=closing,
            yielding=False,
            timeout_seconds=600.0 if closed else 0.2,
        )
        assert not made
    timer.cancel()
    assert children() == []
    assert list(tmp_path.iterdir()) == []


@posix_only
def test_a_child_never_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = """
import sys
from tests.explain.engine.test_compiled import SHAPE, children, make_compiler, wait_until
compiler, _, _ = make_compiler()
compiler.request(SHAPE, may_compile=True)
assert wait_until(lambda: bool(children()))
print(children()[0].pid, flush=True)
sys.stdin.read()
"""
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "XDG_CACHE_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    # An orphan that has ended may stay a zombie until somebody reaps it.
    assert wait_until(lambda: not psutil.pid_exists(child) or is_zombie(child))


def test_no_thread_is_left_in_native_code_when_a_script_ends(tmp_path: Path) -> None:
    """The interpreter aborts a process whose thread returns from a native library too late."""
    script = """
import atexit, threading
import numpy as np
import live_gradcam as lg

def left() -> None:  # registered first, so called last
    print(sorted(each.name for each in threading.enumerate() if each.name == "network-compiler"))

atexit.register(left)
explainer = lg.Explainer(lg.load_classifier("scenes"), engine="torch")
for _ in range(32):  # what runs as often is compiled
    explainer.explain(np.zeros((48, 64, 3), np.uint8))
# A set: the thread that has looked into the cache may still be at its end.
print(sorted({each.name for each in threading.enumerate() if each.name == "network-compiler"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["['network-compiler']", "[]", ""]


def is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_broken_package_is_thrown_away(cache: Path) -> None:
    compiler, engines, failures = make_compiler()
    package = make_package(b"this is no package")
    assert compiler.request(SHAPE, may_compile=False).wait(PATIENCE_SECONDS)
    compiler.close()
    assert (engines, failures) == ({}, [])
    assert not package.exists()


@posix_only
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_cache_that_others_can_write_is_not_trusted(cache: Path, mode: int) -> None:
    compiler, engines, failures = make_compiler()
    package = make_package(b"planted")
    cache.chmod(mode)
    assert compiler.request(SHAPE, may_compile=True).wait(PATIENCE_SECONDS)
    compiler.close()
    assert engines == {}
    assert len(failures) == 1
    assert "written by others" in failures[0]
    assert package.exists(), "it was not even looked at"


def test_a_cache_that_cannot_be_made_is_one_sentence(cache: Path) -> None:
    cache.write_text("a file stands in its place")
    compiler, _, failures = make_compiler()
    assert compiler.request(SHAPE, may_compile=True).wait(PATIENCE_SECONDS)
    compiler.close()
    assert len(failures) == 1
    assert str(cache) in failures[0]


def wrong_class(network: FusedNetwork) -> Engine:
    def engine(pixels: Tensor, selection: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, classes, evidence, basis = network(pixels, selection)
        return -logits, classes, evidence, basis

    return engine


def wrong_maps(network: FusedNetwork) -> Engine:
    def engine(pixels: Tensor, selection: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, classes, evidence, basis = network(pixels, selection)
        return logits, classes, evidence + evidence.std(), basis

    return engine


@pytest.mark.parametrize(("spoil", "said"), [(wrong_class, "class"), (wrong_maps, "maps")])
def test_an_engine_that_differs_from_eager_is_refused(
    spoil: Callable[[FusedNetwork], Engine], said: str
) -> None:
    network = FusedNetwork(support.tiny_classifier(), "fp32").eval()
    with torch.no_grad():
        check_equal(network, network, SHAPE, 3)
        with pytest.raises(NotEqual, match=said):
            check_equal(network, spoil(network), SHAPE, 3)


def test_only_a_single_image_that_is_compiled_makes_a_batch_go_one_by_one() -> None:
    network = FusedNetwork(support.tiny_classifier(), "fp32").eval()
    networks = CompiledNetworks(network, depth=3, threads=1, wait=False, on_failure=pytest.fail)
    assert not networks.one_by_one((3, 64, 64)), "nothing is compiled"
    networks.add(SHAPE, network)
    assert networks.one_by_one((3, 64, 64))
    assert not networks.one_by_one(SHAPE), "that is one already"
    assert not networks.one_by_one((3, 64, 96)), "nothing of this size is compiled"
    networks.add((3, 64, 64), network)
    assert not networks.one_by_one((3, 64, 64)), "the batch is compiled"


def auto_runner() -> Runner:
    return Runner(
        support.tiny_classifier(),
        choose_runtime("cpu", "fp32", "auto"),
        depth=3,
        method=METHODS["gradcam"],
        on_notice=pytest.fail,
    )


def test_rests_of_a_batch_use_the_compiled_network_one_by_one() -> None:
    runner = auto_runner()
    assert runner.compiled is not None
    assert forwards(runner, 11) == [4, 4, 3]
    choose_four(runner.sizer)
    assert forwards(runner, 11) == [4, 4, 3]
    runner.compiled.add(SHAPE, runner.network)
    assert forwards(runner, 3) == [1, 1, 1]
    runner.compiled.add((4, 64, 64), runner.network)
    assert forwards(runner, 6) == [4, 1, 1]
    assert forwards(runner, 6, width=96) == [4, 2]


def choose_four(sizer: BatchSizer) -> None:
    """Have a batch of 4 be by far the cheapest."""
    while sizer.chosen(64, 64) is None:
        size = sizer.next_size(99, 64, 64)
        sizer.note(size, 64, 64, float(size != 4))


def forwards(runner: Runner, images: int, width: int = 64) -> list[int]:
    sizes: list[int] = []
    while sum(sizes) < images:
        sizes.append(runner.next_batch(images - sum(sizes), 64, width))
    return sizes


def test_large_networks_are_not_compiled_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "COMPILE_UP_TO", 100)
    explainer = Explainer(support.tiny_classifier(), engine="torch", compile="auto")
    assert explainer.runtime.state == "off"
    assert "parameters" in explainer.runtime.reasons[-1]
    assert (
        Explainer(support.tiny_classifier(), engine="torch", compile="on").runtime.state == "eager"
    )
