"""The reader of pickles in which nothing can happen: plain data as it is, all else as data."""

from __future__ import annotations

import argparse
import builtins
import functools
import importlib
import io
import operator
import os
import pathlib
import pickle
import runpy
import shutil
import subprocess
import timeit
import webbrowser
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import read_checkpoint
from live_gradcam.explain.networks.inert import Inert, plain
from live_gradcam.explain.networks.unpickle import InertUnpickler, RefusedNamesError

STATE = {"conv.weight": torch.ones(2, 3, 3, 3), "fc.bias": torch.ones(2)}


def read(content: bytes) -> Any:
    return InertUnpickler(io.BytesIO(content)).load()


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.sets(st.integers())
        | st.frozensets(st.text())
    ),
    max_leaves=20,
)


@given(data=DATA, protocol=st.integers(2, 5))
@settings(max_examples=150, deadline=None)
def test_plain_data_is_read_as_it_is(data: object, protocol: int) -> None:
    assert read(pickle.dumps(data, protocol)) == data


@given(content=st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_noise_ends_in_data_or_in_an_exception_that_can_be_translated(content: bytes) -> None:
    with suppress(Exception):
        read(content + b".")


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


CALLS: dict[str, Calls] = {
    "os.system": Calls(os.system, "touch canary"),
    "exec": Calls(exec, "open('canary', 'w')"),
    "eval": Calls(eval, "open('canary', 'w')"),
    "open": Calls(builtins.open, "canary", "w"),
    "import": Calls(builtins.__import__, "os"),
    "map": Calls(map, os.system, ["touch canary"]),
    "Popen": Calls(subprocess.Popen, ["touch", "canary"]),
    "rmtree": Calls(shutil.rmtree, "nowhere"),
    "import_module": Calls(importlib.import_module, "antigravity"),
    "run_path": Calls(runpy.run_path, "nowhere.py"),
    "browser": Calls(webbrowser.open, "http://localhost"),
    "timeit": Calls(timeit.timeit, "open('canary', 'w')"),
    "attrgetter": Calls(operator.attrgetter, "system"),
    "getattr": Calls(getattr, pathlib.Path, "touch"),
    "method": Calls(pathlib.Path.touch, pathlib.Path("canary")),
    "pickle": Calls(pickle.loads, b"cos\nsystem\n(S'touch canary'\ntR."),
    "partial": Calls(functools.partial, os.system, "touch canary"),
    "torch.load": Calls(torch.load, "nowhere.pth"),
    "torch.hub": Calls(torch.hub.load, "somebody/something", "model"),
    "numpy.load": Calls(np.load, "nowhere.npy"),
}


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_file_that_asks_for_a_call_is_refused_and_the_call_named(
    kind: str, legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": STATE, "args": argparse.Namespace(lr=0.1, hook=CALLS[kind])}
    torch.save(content, "w.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ModelError, match="could run code; nothing was loaded") as caught:
        read_checkpoint(Path("w.pth"))
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)
    assert not Path("canary").exists()


def test_names_are_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "careless.py").write_text("open('canary', 'w').close()\nclass Net: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    value = read(b"\x80\x02ccareless\nNet\n)\x81}X\x02\x00\x00\x00lrK\x03sb.")
    assert isinstance(value, Inert)
    assert (value.name, value.attributes) == ("careless.Net", {"lr": 3})
    with pytest.raises(RefusedNamesError, match=r"careless\.build"):
        read(b"\x80\x02ccareless\nbuild\n)R.")
    assert not Path("canary").exists()


def test_members_of_enumerations_are_data_in_each_of_their_forms() -> None:
    by_value = read(b"\x80\x02cmine\nMode\nK\x01\x85R.")
    by_name = read(b"\x80\x02cbuiltins\ngetattr\ncmine\nMode\nX\x04\x00\x00\x00FAST\x86R.")
    assert [each.name for each in (by_value, by_name)] == ["mine.Mode", "mine.Mode"]
    with pytest.raises(RefusedNamesError, match=r"builtins\.getattr"):
        read(b"\x80\x02cbuiltins\ngetattr\ncmine\nMode\nX\x04\x00\x00\x00call\x86R.")


def test_settings_become_dictionaries() -> None:
    names = np.array(["cat", "élan"])
    content = argparse.Namespace(
        lr=np.float32(0.5), names=names, data=pathlib.PurePosixPath("/a/b"), more=OrderedDict(a=1)
    )
    for protocol in (2, 3, 4, 5):
        assert plain(read(pickle.dumps(content, protocol))) == {
            "lr": 0.5,
            "names": ["cat", "élan"],
            "data": "/a/b",
            "more": {"a": 1},
        }


def test_containers_that_hold_each_other_a_thousand_times_end() -> None:
    inner: Any = ["x"]
    for _ in range(30):
        inner = [inner] * 40
    assert plain(inner) is not None
    cycle: list[Any] = []
    cycle.append(cycle)
    assert plain(read(pickle.dumps(cycle, 2))) is not None


def test_a_tensor_that_reaches_beyond_its_storage_is_damage(tmp_path: Path) -> None:
    """Of the reader of our own, which an object beside the tensors calls for."""
    path = tmp_path / "w.pth"
    torch.save({"state_dict": {"w": torch.ones(7)}, "args": argparse.Namespace()}, path)
    content = path.read_bytes()
    assert content.count(b"K\x07\x85") == 1
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(b"K\x07\x85", b"K\x70\x85"))
    with pytest.raises(ModelError, match="damaged"):
        read_checkpoint(path)
