"""Device, precision and threads are decided once, and say why."""

from __future__ import annotations

import pytest
import torch

from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.explain import runtime as module
from live_gradcam.explain.runtime import choose_runtime, native_bf16


@pytest.fixture(autouse=True)
def _fresh_decisions() -> None:
    native_bf16.cache_clear()


def set_flags(monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
    monkeypatch.setattr(module, "cpu_flags", lambda: frozenset(flags))


def test_every_decision_has_a_reason() -> None:
    runtime = choose_runtime()
    assert len(runtime.reasons) >= 3
    assert runtime.device.split(":")[0] in ("cpu", "cuda", "mps")
    assert runtime.threads >= 1


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        (("avx2", "avx512f"), "fp32"),
        (("avx512_bf16",), "bf16"),
        (("amx_bf16", "avx2"), "bf16"),
        (("asimd", "bf16"), "bf16"),
    ],
)
def test_half_precision_only_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], precision: str
) -> None:
    set_flags(monkeypatch, *flags)
    runtime = choose_runtime("cpu")
    assert runtime.precision == precision
    assert precision in runtime.reasons[1]


def test_emulated_bf16_is_allowed_and_called_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    set_flags(monkeypatch, "avx2")
    runtime = choose_runtime("cpu", "bf16")
    assert runtime.precision == "bf16"
    assert "slow" in runtime.reasons[1]


def test_fp16_is_not_for_the_cpu() -> None:
    with pytest.raises(DeviceError, match="fp16") as caught:
        choose_runtime("cpu", "fp16")
    assert caught.value.exit_code == 6


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU here")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_without_cuda_is_a_device_error(device: str) -> None:
    with pytest.raises(DeviceError, match=r"CUDA.*--device cpu") as caught:
        choose_runtime(device)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "options",
    [
        {"device": "gpu"},
        {"device": "cuda:x"},
        {"device": "cpu:1"},
        {"precision": "int8"},
        {"compile": "maybe"},
    ],
)
def test_values_that_do_not_exist_name_those_that_do(options: dict) -> None:
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=rf"unknown {name}: {value}.*Choose from"):
        choose_runtime(**options)
