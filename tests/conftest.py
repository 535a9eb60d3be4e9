"""Fixtures of the whole suite: real media where there are any, and checks that nothing leaks."""

from __future__ import annotations

import functools
import gc
import importlib.machinery
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import numpy as np
import pytest

from live_gradcam.values import Explanation, Image, Prediction, Region
from tests.helpers.forked import Forks

# Read when the library is imported: it would keep a thread that tells its makers who uses it.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# The same examples every time, however long each takes: a run proves what the one before proved.
hypothesis.settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")

ROOT = Path(__file__).resolve().parent.parent
# Seconds until a thread counts as left behind; on a busy machine one that ends takes long.
_PATIENCE = 60.0
# Threads that libraries keep for the life of the process.
_OF_LIBRARIES = ("pymp", "ThreadPoolExecutor", "tqdm_monitor")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test and its fixtures draw at random is the same, whatever ran before it."""
    np.random.seed(0)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)


def _untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; while it runs, nothing is traced on its thread."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(tracer)

    return call


# Where coverage is measured by tracing, all Python takes half as long again, that of others, too.
# What calls nothing of this package is left out: libraries while they are imported, and below,
# torch's exporters, which follow operations that were recorded before.
if sys.gettrace() is not None:
    _execute = importlib.machinery.SourceFileLoader.exec_module
    _execute_untraced = _untraced(_execute)

    def _exec_module(loader: importlib.machinery.SourceFileLoader, module: ModuleType) -> None:
        ours = module.__name__.partition(".")[0] in ("live_gradcam", "scripts", "tests")
        (_execute if ours else _execute_untraced)(loader, module)

    setattr(importlib.machinery.SourceFileLoader, "exec_module", _exec_module)  # noqa: B010


def pytest_collection_finish() -> None:
    """Leave torch's exporters out of what is traced."""
    torch = sys.modules.get("torch")
    if torch is None or sys.gettrace() is None:
        return
    from torch.export import ExportedProgram

    exporters = (
        (torch.export, "export"),
        (torch.onnx, "export"),
        (ExportedProgram, "run_decompositions"),
    )
    for owner, name in exporters:
        setattr(owner, name, _untraced(getattr(owner, name)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real media and real weights, which stand beside the project where there are any."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared: real media and weights are not on this machine")
    return folder


@pytest.fixture(autouse=True)
def _no_leaked_threads(_no_leaked_files: None) -> Iterator[None]:
    """Threads that a test started have ended when it ends; what they hold open is asked then."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + _PATIENCE
    while True:
        left = [
            thread
            for thread in threading.enumerate()
            if thread not in before and not thread.name.startswith(_OF_LIBRARIES)
        ]
        if not left:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"threads left behind: {sorted(thread.name for thread in left)}")
        time.sleep(0.02)


def _open_files() -> set[tuple[str, str]]:
    """Files that this process holds open, by number and name; nothing where no system says so."""
    found = set()
    for handle in Path("/proc/self/fd").glob("*"):
        try:
            target = handle.readlink()
        except OSError:  # the handle with which the folder itself is read
            continue
        if target.is_file() and not target.is_relative_to("/proc"):
            found.add((handle.name, str(target)))
    return found


@pytest.fixture(autouse=True)
def _no_leaked_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files that a test opened below its temporary folders are closed when it ends."""
    before = _open_files()
    yield
    base = tmp_path_factory.getbasetemp()
    left = {name for number, name in _open_files() - before if Path(name).is_relative_to(base)}
    if left:
        gc.collect()  # what is only waiting to be collected is somebody's, too, but not leaked
        left = {name for number, name in _open_files() - before if name in left}
    assert not left, f"files left open: {sorted(left)}"


@pytest.fixture
def make_explanation() -> Callable[..., Explanation]:
    """Explanations of made-up networks: one warm blob where the test wants it."""

    def make(
        *,
        evidence: np.ndarray | None = None,
        region: Region | None = None,
        labels: tuple[str, ...] = ("mug", "teapot", "vase"),
        probabilities: tuple[float, ...] = (0.8, 0.1, 0.05),
    ) -> Explanation:
        if evidence is None:
            evidence = np.zeros((1, 7, 7), np.float32)
            evidence[0, 2, 4] = 3.0
        predictions = tuple(
            Prediction(index, label, float(np.log(probability)), probability)
            for index, (label, probability) in enumerate(zip(labels, probabilities, strict=True))
        )
        return Explanation(
            predictions=predictions,
            explained=tuple(range(evidence.shape[0])),
            evidence=evidence,
            region=region or Region(0, 0, 64, 48),
            labels=labels[: evidence.shape[0]],
            timings_ms={"preprocess": 1.0, "network": 2.0},
        )

    return make


@pytest.fixture
def noise_image() -> Callable[..., Image]:
    """Seeded noise pictures, ``uint8 (H, W, 3)`` BGR."""

    def make(width: int = 64, height: int = 48, seed: int = 0) -> Image:
        generator = np.random.default_rng(seed)
        return generator.integers(0, 256, (height, width, 3), np.uint8)

    return make


@pytest.fixture(scope="session")
def _forks() -> Iterator[Forks | None]:
    if sys.platform != "linux":
        yield None
        return
    forks = Forks(_without_display(os.environ))
    yield forks
    forks.close()


def _without_display(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }


@pytest.fixture
def started_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``live-gradcam`` as a user does: a process of its own, in an empty folder."""

    def run(
        *arguments: object, timeout: float = 240, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "live_gradcam", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**_without_display(os.environ), **environment},
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def command(
    _forks: Forks | None,
    started_command: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Does the same, sooner: its processes start with torch loaded, see `tests.helpers.forked`."""

    def run(
        *arguments: object, timeout: float = 240, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        variables = {**_without_display(os.environ), **environment}
        if _forks is None or not _forks.serves(variables):
            return started_command(*arguments, timeout=timeout, **environment)
        return _forks.run([*map(str, arguments)], tmp_path, variables, timeout)

    return run
