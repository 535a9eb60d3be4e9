"""Files of weights as users have them: understood, or refused with what they are."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import read_checkpoint

STATE = OrderedDict(
    {"conv.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "fc.bias": torch.ones(2)}
)


def save(path: Path, content: object, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def check_state(path: Path, *said: str) -> None:
    checkpoint = read_checkpoint(path)
    assert list(checkpoint.tensors) == list(STATE)
    for key, value in STATE.items():
        assert checkpoint.tensors[key].dtype == torch.float32
        torch.testing.assert_close(checkpoint.tensors[key], value)
    notes = " ".join(checkpoint.notes)
    assert all(each in notes for each in said), notes
    assert bool(notes) == bool(said), notes


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in STATE.items()}


def half(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {key: value.to(dtype) for key, value in STATE.items()}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (STATE, []),
        ({key: nn.Parameter(value) for key, value in STATE.items()}, []),
        ({"state_dict": STATE, "epoch": 3, "optimizer": {"lr": 0.1}}, ["'state_dict'"]),
        ({"model": STATE, "epoch": 3}, ["'model'"]),
        ({"model_state_dict": prefixed("module."), "loss": 0.5}, ["'model_state_dict'", "module."]),
        ({"net": prefixed("_orig_mod.module.")}, ["'net'", "_orig_mod.", "module."]),
        ({"checkpoint": 1, "model": {"state_dict": STATE}}, ["'model'", "'state_dict'"]),
        (prefixed("model."), ["'model.'"]),
        ({"model_ema": {**prefixed("module."), "n_averaged": torch.tensor(9)}}, ["model_ema"]),
        (half(torch.float16), ["half-precision"]),
        (half(torch.bfloat16), ["half-precision"]),
        (half(torch.float64), []),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_state_dicts_and_what_is_wrapped_around_them(
    tmp_path: Path, content: object, said: list[str], legacy: bool
) -> None:
    path = save(tmp_path / "weights.pth", content, legacy=legacy)
    check_state(path, *said)


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "anything.bin"
    safetensors.torch.save_file(dict(STATE), path, metadata={"class_names": '["cat", "dog"]'})
    check_state(path)
    assert read_checkpoint(path).labels == ["cat", "dog"]


@pytest.mark.parametrize("key", ["classes", "class_names", "labels", "class_to_idx"])
def test_labels_in_a_checkpoint_are_found(tmp_path: Path, key: str) -> None:
    content = {"state_dict": STATE, key: ["cat", "dog"]}
    assert read_checkpoint(save(tmp_path / "w.pth", content)).labels == ["cat", "dog"]


def test_the_file_may_be_overwritten_while_its_weights_are_in_use(tmp_path: Path) -> None:
    path = save(tmp_path / "w.pth", STATE)
    checkpoint = read_checkpoint(path)
    path.write_bytes(b"")
    torch.testing.assert_close(checkpoint.tensors["fc.bias"], torch.ones(2))


class Canary:
    """Leaves a trace if it is ever unpickled for real."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return (exec, (f"open({str(self.path)!r}, 'w').close()",))


@pytest.mark.parametrize("wrapped", ["zip", "legacy", "pickle"])
def test_hostile_pickles_are_refused_and_never_run(tmp_path: Path, wrapped: str) -> None:
    trace = tmp_path / "ran"
    path = tmp_path / "weights.pth"
    content = {"state_dict": STATE, "extra": Canary(trace)}
    if wrapped == "pickle":
        path.write_bytes(pickle.dumps({"a": Canary(trace)}))
    else:
        save(path, content, legacy=wrapped == "legacy")
    with pytest.raises(ModelError, match="could run code") as caught:
        read_checkpoint(path)
    assert not trace.exists()
    assert_safe_message(caught.value)


def assert_safe_message(error: BaseException) -> None:
    """One line, exit code 5, and nothing about how to switch the safety off, causes included."""
    assert isinstance(error, ModelError)
    assert error.exit_code == 5
    told = []
    current: BaseException | None = error
    while current is not None:
        told.append(str(current))
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    assert "weights_only" not in " ".join(told)
    assert "\n" not in str(error)


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "model.pth", nn.Linear(2, 2))
    with pytest.raises(ModelError, match=r"could run code.*state_dict") as caught:
        read_checkpoint(path)
    assert_safe_message(caught.value)


def test_torchscript_and_exported_programs_are_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), script)
    with pytest.raises(ModelError, match="TorchScript"):
        read_checkpoint(script)
    program = tmp_path / "program.pt2"
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), program)
    with pytest.raises(ModelError, match=r"\.pt2"):
        read_checkpoint(program)


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "web page": (b"<!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
    "LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
    "text": (b"these are no weights", "text file"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "picture"),
    "zeros": (b"\0" * 4096, "zeros"),
    "noise": (bytes(random.Random(0).randbytes(4096)), "not recognised"),
    "gzip": (b"\x1f\x8b\x08\0" + b"x" * 40, "compressed"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "HDF5"),
    "long header": (struct.pack("<Q", 1 << 60) + b'{"a":1}', "truncated"),
}


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_called_what_they_are(tmp_path: Path, name: str) -> None:
    content, said = FILES[name]
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert_safe_message(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_checkpoint(tmp_path / "nothing.pth")
    with pytest.raises(ModelError, match="folder"):
        read_checkpoint(tmp_path)


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = save(tmp_path / "w.pth", {"w": torch.ones(1000)})
    damaged = bytearray(path.read_bytes())
    damaged[damaged.find(struct.pack("<f", 1.0) * 8) + 100] ^= 0x10
    path.write_bytes(damaged)
    with pytest.raises(ModelError, match="checksum"):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / "w.pth"
    big = {"w": torch.randn(4000)}
    if kind == "safetensors":
        safetensors.torch.save_file(big, path)
    else:
        save(path, big, legacy=kind == "legacy")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert_safe_message(caught.value)


def repack(source: Path, target: Path, compression: int, extra: bytes = b"") -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
        if extra:
            new.writestr("archive/data/99", extra)


def test_compressed_archives_are_refused_before_they_grow(tmp_path: Path) -> None:
    plain = save(tmp_path / "plain.pth", STATE)
    bomb = tmp_path / "bomb.pth"
    repack(plain, bomb, zipfile.ZIP_DEFLATED, extra=b"\0" * 50_000_000)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(ModelError, match="compressed"):
        read_checkpoint(bomb)


def test_members_that_claim_more_than_the_file_has_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "w.pth", {"w": torch.ones(1000)})
    content = bytearray(path.read_bytes())
    # Sizes of one member in the central directory, at offset 20 of its record.
    record = content.rfind(b"PK\x01\x02")
    struct.pack_into("<II", content, record + 20, 1 << 30, 1 << 30)
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_checkpoint(path)


def test_a_flood_of_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    header = json.dumps({"x" * 40_000_000: 1}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(ModelError, match="header"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.full((3,), float("nan")), "not finite"),
        (torch.tensor([1.0, float("inf")]), "not finite"),
        (torch.zeros(1).expand(10_000, 10_000, 100), "more numbers"),
        (torch.ones(2, 2).to_sparse(), "sparse"),
        (torch.ones(2, dtype=torch.complex64), "complex"),
    ],
    ids=["nan", "inf", "stride bomb", "sparse", "complex"],
)
def test_tensors_that_cannot_be_weights_are_named(
    tmp_path: Path, tensor: torch.Tensor, said: str
) -> None:
    path = save(tmp_path / "w.pth", {"fine": torch.ones(1), "bad.weight": tensor})
    with pytest.raises(ModelError, match=said) as caught:
        read_checkpoint(path)
    assert "bad.weight" in str(caught.value)


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], {"epoch": 3}, {}, 7])
def test_checkpoints_without_a_state_dict_say_what_they_hold(
    tmp_path: Path, content: object
) -> None:
    with pytest.raises(ModelError, match="state dict"):
        read_checkpoint(save(tmp_path / "w.pth", content))


def test_any_damage_ends_in_one_clear_error(tmp_path: Path) -> None:
    """Random cuts, flips and splices of good files: understood or refused, never anything else."""
    buffers = []
    for legacy in (False, True):
        buffer = io.BytesIO()
        torch.save({"state_dict": STATE}, buffer, _use_new_zipfile_serialization=not legacy)
        buffers.append(buffer.getvalue())
    buffers.append(safetensors.torch.save(dict(STATE)))
    chance = random.Random(5)
    path = tmp_path / "w.pth"
    for _ in range(400):
        content = bytearray(chance.choice(buffers))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(content))
            match chance.randrange(3):
                case 0:
                    content[place] ^= 1 << chance.randrange(8)
                case 1:
                    del content[place : place + chance.randint(1, 50)]
                case _:
                    content[place:place] = chance.randbytes(chance.randint(1, 50))
        path.write_bytes(content)
        try:
            tensors = read_checkpoint(path).tensors
        except ModelError as exc:
            error = exc
        else:
            assert all(bool(torch.isfinite(t).all()) for t in tensors.values())
            continue
        assert_safe_message(error)
