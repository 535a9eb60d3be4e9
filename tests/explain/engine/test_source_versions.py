"""The sources that a network's graph comes from are found by themselves, wherever they stand."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import fx, nn

import live_gradcam
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.engine.source_versions import source_versions
from live_gradcam.explain.heads import Head
from tests.explain import support

ENGINE = "live_gradcam.explain.engine"
HEADS = "live_gradcam.explain.heads"

OWN_HEAD = """
import live_gradcam
import own_package
import own_package.constants as constants
from live_gradcam.explain.heads import GradientHead

class OwnHead(GradientHead):
    def score(self, activations):
        from own_late import shifted
        logits, basis = super().score(activations)
        return shifted(logits) * constants.FACTOR, basis
"""
SOURCES = {
    "own_head.py": OWN_HEAD,
    "own_late.py": "def shifted(logits):\n    return logits + 1\n",
    "own_package/__init__.py": "",
    "own_package/constants.py": "from .parts import PART\nFACTOR = 2 * PART\n",
    "own_package/parts.py": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    import own_types\nPART = 1\n",
    "own_types.py": "",
    "own_other.py": "",
}


@pytest.fixture
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules that this package knows nothing of."""
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def own_network() -> FusedNetwork:
    module = importlib.import_module("own_head")
    classifier = support.tiny_classifier()
    head: Head = module.OwnHead(nn.Sequential(nn.Flatten(), nn.Linear(256, 5)))
    return FusedNetwork(replace(classifier, head=head), "fp32")


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("own_head.py", "own_head"),
        ("own_late.py", "own_late"),
        ("own_package/constants.py", "own_package.constants"),
        ("own_package/parts.py", "own_package.parts"),
        ("own_types.py", None),
        ("own_other.py", None),
    ],
)
def test_a_new_module_and_what_it_imports_count(
    own_modules: Path, file: str, module: str | None
) -> None:
    network = own_network()
    before = source_versions(network)
    assert source_versions(network) == before
    with (own_modules / file).open("a", encoding="utf-8") as source:
        source.write("# changed\n")
    assert changed(before, source_versions(network)) == ({module} if module else set())


@pytest.mark.parametrize(
    "line",
    [
        "import own_types",
        "import own_types as types, own_other",
        "import os, own_package.parts as parts, own_types",
        "from own_types import nothing",
        "from own_types import (  # (all of it)\n    one,\n    two,\n)",
        "from own_types import \\\n    one",
        "x = 1; import own_types",
        "if x: import own_types",
        "def f():\n    try:\n        import own_types\n    finally:\n        pass",
        "from own_package import (\n    nothing,  # (really)\n    types_again,\n)",
        "from . import types_again as types",
        "from .types_again import nothing",
    ],
)
def test_imports_of_all_forms_count(own_modules: Path, line: str) -> None:
    network = own_network()
    assert "own_types" not in source_versions(network)
    package = own_modules / "own_package"
    (package / "types_again.py").write_bytes(b"if 1:\r\n\timport own_types\r\n")
    (package / "parts.py").write_text(f"PART = 1\n{line}\n", encoding="utf-8")
    importlib.invalidate_caches()
    found = source_versions(network)
    assert "own_types" in found
    assert ("own_package.types_again" in found) == ("types_again" in line)


def test_an_import_that_is_added_counts_with_its_module(own_modules: Path) -> None:
    network = own_network()
    assert "own_other" not in source_versions(network)
    with (own_modules / "own_package" / "parts.py").open("a", encoding="utf-8") as source:
        source.write("import own_other\n")
    assert "own_other" in source_versions(network)


def test_functions_that_a_traced_part_calls_count(own_modules: Path) -> None:
    shifted = importlib.import_module("own_late").shifted
    graph = fx.Graph()
    graph.output(graph.call_function(shifted, (graph.placeholder("x"),)))
    traced = fx.GraphModule(nn.Module(), graph)
    assert float(traced(torch.zeros(()))) == 1
    assert "own_late" in source_versions(traced)


def test_installed_packages_count_with_their_version_and_the_standard_library_never() -> None:
    found = source_versions(FusedNetwork(support.classifier("resnet18"), "bf16"))
    assert found["torch"] == torch.__version__
    assert not any(name.startswith("torch.") for name in found)
    assert "logging" not in found
    assert found.keys() >= {f"{ENGINE}.fused", f"{HEADS}.base"}


SCRIPT = """
import importlib.util, json
from pathlib import Path
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.engine.package_cache import package_key
from live_gradcam.explain.engine import compile_worker
from live_gradcam.explain.engine.source_versions import source_versions
from tests.explain import support

network = FusedNetwork(support.tiny_classifier(), "fp32")

def key():
    return package_key(network, (1, 64, 64), depth=3, threads=1)

same = {}
names = [name for name in source_versions(network, [compile_worker.__name__]) if "live_" in name]
for name in names:
    before = key()
    path = Path(importlib.util.find_spec(name).origin)
    path.write_text(path.read_text(encoding="utf-8") + "# changed\\n", encoding="utf-8")
    same[name] = key() == before
print(json.dumps(same))
"""


def test_the_key_of_a_package_changes_with_each_of_our_own_modules(tmp_path: Path) -> None:
    """A copy of this package is changed, module by module."""
    root = Path(live_gradcam.__file__).parent.parent
    ignored = shutil.ignore_patterns("__pycache__", "models")
    shutil.copytree(root / "live_gradcam", tmp_path / "live_gradcam", ignore=ignored)
    shutil.copytree(root / "tests", tmp_path / "tests", ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    same: dict[str, bool] = json.loads(done.stdout)
    assert not any(same.values())
    modules = ("compile_worker", "fused", "winograd")
    assert same.keys() >= {HEADS, f"{HEADS}.base", *(f"{ENGINE}.{name}" for name in modules)}
