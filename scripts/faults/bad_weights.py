"""Files of weights that are hostile, damaged or something else: each must be refused, none may run.

Every case is a table entry: how the file is made, and words that the refusal must contain, so that
a file is refused for the right reason. Code in them would write the file named by `canary`.
"""

from __future__ import annotations

import argparse
import builtins
import functools
import gzip
import io
import json
import os
import pathlib
import pickle
import random
import struct
import subprocess
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torchvision import models

MODEL = "squeezenet1_1"
"""The network that the files are given to; small, so that real ones are quick to damage."""

# What torch.save wrote before version 1.6: a magic number, a version, facts about the system.
_LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
_CODE = "open({path!r}, 'w').close()"


@dataclass(frozen=True, slots=True)
class BadWeights:
    """One file that must be refused.

    Attributes:
        name: Of the case.
        says: A word that the refusal contains.
        write: Makes the file at a path; code in it would write the second path.
        labels: Names of classes to give beside it, as the text of a file.
    """

    name: str
    says: str
    write: Callable[[Path, Path], object]
    labels: str | None = None


class _Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


class WholeNetwork(nn.Module):
    """A module of its own, as people save it whole."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 8, 3)
        self.classifier = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def good_state() -> dict[str, Tensor]:
    """Weights that the network takes."""
    return {key: tensor.clone() for key, tensor in _state().items()}


@functools.lru_cache(maxsize=1)
def _state() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return dict(models.get_model(MODEL, weights=None).state_dict())


def _torch_bytes(content: object, *, pickle_protocol: int = 2, zipped: bool = True) -> bytes:
    memory = io.BytesIO()
    torch.save(
        content,
        memory,
        pickle_protocol=pickle_protocol,
        _use_new_zipfile_serialization=zipped,
    )
    return memory.getvalue()


@functools.lru_cache(maxsize=1)
def _good_bytes() -> bytes:
    return _torch_bytes(good_state())


def _first_percent(percent: int) -> bytes:
    return _good_bytes()[: len(_good_bytes()) * percent // 100]


@functools.lru_cache(maxsize=1)
def _good_safetensors() -> bytes:
    return save(good_state())


def _bytes(make: Callable[[], bytes]) -> Callable[[Path, Path], object]:
    return lambda path, canary: path.write_bytes(make())


def _hostile(
    call: Callable[[Path], _Calls],
    *,
    protocol: int | None = None,
    legacy: bool = False,
    around: Callable[[_Calls], object] = lambda evil: OrderedDict(weight=evil),
) -> Callable[[Path, Path], object]:
    """A pickle that calls; a plain one where a protocol is given, else one of torch's."""

    def write(path: Path, canary: Path) -> None:
        content = around(call(canary))
        if protocol is not None:
            path.write_bytes(pickle.dumps(content, protocol))
        elif legacy:
            path.write_bytes(_torch_bytes(content, zipped=False))
        else:
            path.write_bytes(_torch_bytes(content))

    return write


def _system(canary: Path) -> _Calls:
    return _Calls(os.system, f"touch '{canary}'")


def _exec(canary: Path) -> _Calls:
    return _Calls(exec, _CODE.format(path=str(canary)))


def _eval(canary: Path) -> _Calls:
    return _Calls(eval, _CODE.format(path=str(canary)))


def _popen(canary: Path) -> _Calls:
    return _Calls(subprocess.Popen, ["touch", str(canary)])


def _touch(canary: Path) -> _Calls:
    return _Calls(pathlib.Path.touch, canary)


def _open(canary: Path) -> _Calls:
    return _Calls(builtins.open, str(canary), "w")


def _import_from_working_folder(path: Path, canary: Path) -> None:
    # Looking a name up in an unknown module would import, and thereby run, that module.
    (path.parent / "canary_module.py").write_text(_CODE.format(path=str(canary)) + "\nname = dict")
    data = b"\x80\x02ccanary_module\nname\n)R."
    _rezip(path, {"data.pkl": data})


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _rezip(
    path: Path,
    changes: Mapping[str, bytes] = {},
    *,
    method: int = zipfile.ZIP_STORED,
    without: tuple[str, ...] = (),
) -> None:
    """The good archive with other members, in another way of storing."""
    members = {name.partition("/")[2]: data for name, data in _members(_good_bytes()).items()}
    members.update(changes)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            if name not in without:
                archive.writestr(f"archive/{name}", data)


def _flipped(seed: int, wanted: str) -> Callable[[Path, Path], object]:
    """One bit of one member's content is another."""

    def write(path: Path, canary: Path) -> None:
        chance = random.Random(seed)
        data = bytearray(_good_bytes())
        with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
            infos = [info for info in archive.infolist() if wanted in info.filename]
        info = chance.choice([info for info in infos if info.file_size > 64])
        at = info.header_offset + 26
        name_length, extra_length = struct.unpack_from("<HH", data, at)
        begin = info.header_offset + 30 + name_length + extra_length
        data[begin + chance.randrange(info.file_size)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)

    return write


def _with_central_directory_damaged() -> bytes:
    data = bytearray(_good_bytes())
    data[data.rindex(b"PK\x01\x02")] ^= 0xFF
    return bytes(data)


def _zeroed_middle() -> bytes:
    data = bytearray(_good_bytes())
    middle = len(data) // 2
    data[middle : middle + 65536] = bytes(65536)
    return bytes(data)


def _bomb(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", _members(_good_bytes())["archive/data.pkl"])
        with archive.open("archive/data/0", "w", force_zip64=True) as member:
            for _ in range(256):
                member.write(bytes(4 << 20))


def _overlapping_bomb(path: Path, canary: Path) -> None:
    """Many members that are the same bytes of the file: it holds a gigabyte, on paper."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("archive/data.pkl", _members(_good_bytes())["archive/data.pkl"])
        archive.writestr("archive/data/0", bytes(4 << 20))
    data = memory.getvalue()
    directory = data.rindex(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entry = bytearray(data[directory:end])
    entries = []
    for number in range(256):
        copy = bytearray(entry)
        copy[-1:] = str(number % 10).encode()
        entries.append(bytes(copy))
    first = data[data.index(b"PK\x01\x02") : directory]
    table = first + b"".join(entries)
    begin = data.index(b"PK\x01\x02")
    tail = bytearray(data[end:])
    struct.pack_into("<HHII", tail, 8, 257, 257, len(table), begin)
    path.write_bytes(data[:begin] + table + tail)


def _member_flood(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", _members(_good_bytes())["archive/data.pkl"])
        for number in range(100_100):
            archive.writestr(f"archive/data/{number}", b"")


def _lists(count: int) -> bytes:
    """A pickle that makes so many lists, each by one byte."""
    return b"\x80\x02" + b"]" * count + b"."


def _nested(depth: int) -> bytes:
    return b"\x80\x02" + b"(" * depth + b"l" * depth + b"."


def _stride_bomb(path: Path, canary: Path) -> None:
    state = good_state()
    first = next(iter(state))
    state[first] = torch.zeros(1).expand(1 << 34)
    path.write_bytes(_torch_bytes(state))


class _HugeStorage:
    """Pickles in torch's legacy form as a tensor over a storage of a trillion numbers."""

    @staticmethod
    def file() -> bytes:
        data = _torch_bytes({"weight": torch.zeros(7777)}, zipped=False)
        return data.replace(b"M\x61\x1e", b"\x8a\x06\x00\x00\x00\x00\x00\x01")


def _safetensors(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def _safetensors_entry(shape: list[int], offsets: list[int]) -> bytes:
    entry = {"weight": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}
    return json.dumps(entry).encode()


def _safetensors_flood(count: int) -> bytes:
    entries = (
        f'"{number}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for number in range(count)
    )
    return _safetensors(("{" + ",".join(entries) + "}").encode())


def _changed(**tensors: object) -> Callable[[], bytes]:
    """The good state with some of its tensors changed, by a part of their name."""

    def make() -> bytes:
        state: dict[str, Any] = good_state()
        for part, change in tensors.items():
            name = next(key for key in state if part in key.replace(".", "_"))
            if change is None:
                del state[name]
            else:
                state[name] = change(state[name]) if callable(change) else change
        return _torch_bytes(state)

    return make


def _poisoned(value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[tensor.numel() // 3] = value
        return tensor

    return change


def _script() -> bytes:
    memory = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), memory)
    return memory.getvalue()


def _exported() -> bytes:
    memory = io.BytesIO()
    program = torch.export.export(nn.Linear(3, 2).eval(), (torch.zeros(1, 3),))
    torch.export.save(program, memory)
    return memory.getvalue()


def _compiled_package(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("network/archive_format", "pt2")
        archive.writestr("network/data/aotinductor/model/network.so", b"\x7fELF" + bytes(512))
        archive.writestr("network/data.pkl", pickle.dumps(_system(canary), 2))


def _tar(path: Path, canary: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("storages")
        data = pickle.dumps(_system(canary), 2)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))


def _other_network(name: str, **options: int) -> Callable[[], bytes]:
    return lambda: _torch_bytes(models.get_model(name, weights=None, **options).state_dict())


def _seven_classes() -> bytes:
    return _torch_bytes(models.get_model(MODEL, weights=None, num_classes=7).state_dict())


_SEVEN = "".join(f"class {number}\n" for number in range(7))
_THOUSAND = "".join(f"class {number}\n" for number in range(1000))
_HTML = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>\n"
_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 4966400\n"
)

CASES: tuple[BadWeights, ...] = (
    # Pickles that call
    BadWeights("plain pickle, os.system", "run code", _hostile(_system, protocol=2)),
    BadWeights("plain pickle, newest protocol", "run code", _hostile(_exec, protocol=4)),
    BadWeights("plain pickle of text", "", _hostile(_system, protocol=0)),
    BadWeights("torch.save with os.system", "run code", _hostile(_system)),
    BadWeights("torch.save with exec", "run code", _hostile(_exec)),
    BadWeights("torch.save with eval", "run code", _hostile(_eval)),
    BadWeights("torch.save with Popen", "run code", _hostile(_popen)),
    BadWeights("torch.save with Path.touch", "run code", _hostile(_touch)),
    BadWeights("torch.save with open", "run code", _hostile(_open)),
    BadWeights("torch.save of 1.5 with os.system", "run code", _hostile(_system, legacy=True)),
    BadWeights("torch.save of 1.5 with exec", "run code", _hostile(_exec, legacy=True)),
    BadWeights(
        "one hostile object among weights",
        "run code",
        _hostile(_system, around=lambda evil: {**good_state(), "epoch": evil}),
    ),
    BadWeights(
        "a hostile training checkpoint",
        "run code",
        _hostile(_exec, around=lambda evil: {"state_dict": good_state(), "optimizer": [evil]}),
    ),
    BadWeights("a module that an import would run", "run code", _import_from_working_folder),
    BadWeights(
        "arguments of a training run that call",
        ".system, which could run code",
        _hostile(
            _system,
            around=lambda evil: {"state_dict": good_state(), "args": argparse.Namespace(lr=evil)},
        ),
    ),
    BadWeights(
        "a partial call",
        "run code",
        _hostile(
            lambda canary: _Calls(functools.partial, os.system, f"touch '{canary}'"),
            around=lambda evil: {"state_dict": good_state(), "partial": evil},
        ),
    ),
    BadWeights(
        "a method that is asked for by its name",
        "run code",
        _hostile(
            lambda canary: _Calls(getattr, canary, "touch"),
            around=lambda evil: {"state_dict": good_state(), "path": evil},
        ),
    ),
    BadWeights(
        "a function of a module of one's own",
        "run code",
        lambda path, canary: _rezip(
            path, {"data.pkl": b"\x80\x02}X\x01\x00\x00\x00acmy_module\nbuild\n)Rs."}
        ),
    ),
    BadWeights(
        "a dictionary that holds itself in a thousand ways",
        "no state dict",
        lambda path, canary: path.write_bytes(_torch_bytes(_laughs())),
    ),
    # Programs
    BadWeights("a whole module", "run code", _bytes(lambda: _torch_bytes(WholeNetwork()))),
    BadWeights(
        "a whole torchvision network",
        "run code",
        _bytes(lambda: _torch_bytes(models.get_model(MODEL, weights=None))),
    ),
    BadWeights(
        "a whole module of 1.5",
        "run code",
        _bytes(lambda: _torch_bytes(WholeNetwork(), zipped=False)),
    ),
    BadWeights("TorchScript", "TorchScript", _bytes(_script)),
    BadWeights("an exported program", ".pt2", _bytes(_exported)),
    BadWeights("a compiled package", ".pt2", _compiled_package),
    BadWeights("a shared library", "program", _bytes(lambda: b"\x7fELF\x02\x01\x01" + bytes(4096))),
    # Bit rot
    *(
        BadWeights(f"a flipped bit in the weights ({seed})", "checksum", _flipped(seed, "/data/"))
        for seed in range(5)
    ),
    BadWeights("a flipped bit in the contents", "checksum", _flipped(9, "data.pkl")),
    BadWeights("a damaged directory", "damaged", _bytes(_with_central_directory_damaged)),
    BadWeights("a zeroed middle", "damaged", _bytes(_zeroed_middle)),
    *(
        BadWeights(
            f"truncated to {percent} %",
            "truncated",
            _bytes(functools.partial(_first_percent, percent)),
        )
        for percent in (1, 50, 99)
    ),
    BadWeights(
        "truncated, of torch 1.5",
        "truncated",
        _bytes(lambda: _torch_bytes(good_state(), zipped=False)[:1_000_000]),
    ),
    BadWeights("zeros", "zeros", _bytes(lambda: bytes(100_000))),
    BadWeights("noise", "", _bytes(lambda: random.Random(5).randbytes(100_000))),
    # Bombs and floods
    BadWeights(
        "re-zipped with compression",
        "compressed",
        lambda path, canary: _rezip(path, method=zipfile.ZIP_DEFLATED),
    ),
    BadWeights("a zip bomb of a gigabyte", "compressed", _bomb),
    BadWeights("members that overlap", "more bytes than", _overlapping_bomb),
    BadWeights("a hundred thousand members", "", _member_flood),
    BadWeights(
        "a long list of contents",
        "too long",
        lambda path, canary: _rezip(path, {"data.pkl": _lists(8 << 20)}),
    ),
    BadWeights(
        "the longest list of contents",
        "list",
        lambda path, canary: _rezip(path, {"data.pkl": _lists((3 << 19) - 3)}),
    ),
    BadWeights(
        "an endless list, of torch 1.5",
        "too long",
        _bytes(lambda: _LEGACY_START + _lists(16 << 20)),
    ),
    BadWeights(
        "lists in lists in lists",
        "",
        lambda path, canary: _rezip(path, {"data.pkl": _nested(200_000)}),
    ),
    BadWeights("a tensor repeated by strides", "more numbers than", _stride_bomb),
    BadWeights("a storage that is not there", "", _bytes(_HugeStorage.file)),
    # safetensors
    BadWeights("safetensors, truncated", "", _bytes(lambda: _good_safetensors()[:-1000])),
    BadWeights(
        "safetensors, cut in the header", "truncated", _bytes(lambda: _good_safetensors()[:300])
    ),
    BadWeights(
        "safetensors, damaged header",
        "damaged",
        _bytes(lambda: _good_safetensors().replace(b'"dtype"', b'"dtyqe"', 1)),
    ),
    BadWeights(
        "safetensors, header of a terabyte",
        "truncated",
        _bytes(lambda: struct.pack("<Q", 1 << 40) + b'{"a":{}}' + bytes(500)),
    ),
    BadWeights(
        "safetensors, header flood",
        "too long",
        _bytes(lambda: _safetensors(b"{" + b" " * (33 << 20) + b"}")),
    ),
    BadWeights(
        "safetensors, flood of entries", "too long", _bytes(lambda: _safetensors_flood(700_000))
    ),
    BadWeights(
        "safetensors, as many entries as fit", "", _bytes(lambda: _safetensors_flood(36_000))
    ),
    BadWeights(
        "safetensors, brackets in brackets",
        "damaged",
        _bytes(lambda: _safetensors(b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}")),
    ),
    BadWeights(
        "safetensors, more numbers than bytes",
        "damaged",
        _bytes(lambda: _safetensors(_safetensors_entry([1 << 40], [0, 4]), bytes(4))),
    ),
    BadWeights(
        "safetensors, offsets outside",
        "damaged",
        _bytes(lambda: _safetensors(_safetensors_entry([4], [0, 16]), bytes(4))),
    ),
    # Something else
    BadWeights("an empty file", "empty", _bytes(bytes)),
    BadWeights("a web page", "web page", _bytes(lambda: _HTML)),
    BadWeights("a Git LFS pointer", "Git LFS", _bytes(lambda: _POINTER)),
    BadWeights("a text", "text", _bytes(lambda: b"These are not weights.\n" * 30)),
    BadWeights(
        "weights under gzip",
        "compressed",
        _bytes(lambda: gzip.compress(_good_bytes(), compresslevel=1)),
    ),
    BadWeights("a tar of torch 0.1", "", _tar),
    BadWeights(
        "an archive of something else", "", lambda path, canary: _rezip(path, without=("data.pkl",))
    ),
    BadWeights("NumPy's arrays", "", _bytes(lambda: _numpy_file())),
    BadWeights("a folder", "folder", lambda path, canary: path.mkdir()),
    BadWeights("nothing at all", "no such file", lambda path, canary: None),
    # Weights of something else
    BadWeights("another network", MODEL, _bytes(_other_network("mobilenet_v3_small"))),
    BadWeights("a missing tensor", "", _bytes(_changed(features_3=None))),
    BadWeights("a tensor of another shape", "", _bytes(_changed(features_0=torch.zeros(3, 3)))),
    BadWeights("7 classes, 1000 labels", "7", _bytes(_seven_classes), labels=_THOUSAND),
    BadWeights("1000 classes, 7 labels", "1000", _bytes(_good_bytes), labels=_SEVEN),
    BadWeights(
        "a NaN among the weights",
        "not finite",
        _bytes(_changed(features_3=_poisoned(float("nan")))),
    ),
    BadWeights(
        "infinity among the weights",
        "not finite",
        _bytes(_changed(features_6=_poisoned(float("inf")))),
    ),
    BadWeights(
        "complex numbers",
        "complex",
        _bytes(_changed(features_3=lambda tensor: tensor.to(torch.complex64))),
    ),
    BadWeights(
        "sparse weights", "sparse", _bytes(_changed(features_3=lambda tensor: tensor.to_sparse()))
    ),
    BadWeights(
        "weights without numbers", "", _bytes(_changed(features_3=lambda tensor: tensor.to("meta")))
    ),
    BadWeights("one tensor", "Tensor", _bytes(lambda: _torch_bytes(torch.zeros(5)))),
    BadWeights("a list", "list", _bytes(lambda: _torch_bytes([torch.zeros(5)]))),
    BadWeights(
        "only an optimiser",
        "no state dict",
        _bytes(lambda: _torch_bytes({"optimizer": {"lr": 0.1}, "epoch": 3})),
    ),
)


def _laughs() -> dict[str, Any]:
    """Forty dictionaries, each of which holds the next fifty times."""
    content: dict[str, Any] = {"classes": [["x"]]}
    for _ in range(40):
        content = {f"key{number}": content for number in range(50)}
        content["classes"] = [content["key0"]] * 50
    return {"args": argparse.Namespace(**content), **content}


def _numpy_file() -> bytes:
    memory = io.BytesIO()
    np.save(memory, np.zeros(100, np.float32))
    return memory.getvalue()
