"""Device, precision and threads are decided once, and say why."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.explain.engine import runtime as module
from live_gradcam.explain.engine.runtime import choose_runtime, native_bf16
from live_gradcam.explain.explainer import Explainer
from tests.explain import support


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


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Two GPUs as torch reports them; those in the set cannot compute."""
    broken: set[str] = set()
    ones = torch.ones

    def compute(*size: int, device: Any = None, **options: Any) -> torch.Tensor:
        if device in broken:
            raise RuntimeError(
                "CUDA error: no kernel image is available for execution on the device\n"
                "CUDA kernel errors might be asynchronously reported"
            )
        on_gpu = isinstance(device, str) and device.startswith("cuda")
        return ones(size, device="cpu" if on_gpu else device, **options)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Card {index}")
    monkeypatch.setattr(torch, "ones", compute)
    return broken


def test_the_first_gpu_that_computes_is_taken(two_gpus: set[str]) -> None:
    assert choose_runtime().device == "cuda:0"
    assert choose_runtime().precision == "fp16"
    assert choose_runtime().notices == ()
    two_gpus.add("cuda:0")
    runtime = choose_runtime()
    assert runtime.device == "cuda:1"
    assert runtime.notices == (
        "Card 0 was found and is not used: it does not compute "
        "(no kernel image is available for execution on the device)",
    )


def test_gpus_that_are_too_old_leave_it_to_the_cpu_and_are_named(two_gpus: set[str]) -> None:
    two_gpus |= {"cuda:0", "cuda:1"}
    told: list[str] = []
    explainer = Explainer(support.tiny_classifier(), compile="off", on_notice=told.append)
    assert explainer.runtime.device == "cpu"
    assert [sentence.partition(" was")[0] for sentence in told] == ["Card 0", "Card 1"]
    with pytest.raises(DeviceError, match=r"cuda:1: Card 1 does not compute \(no kernel") as caught:
        choose_runtime("cuda:1")
    assert caught.value.exit_code == 6
    assert "\n" not in str(caught.value)


def test_an_engine_runs_on_the_cpu_where_it_cannot_use_the_gpu_that_was_found(
    two_gpus: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    assert two_gpus == set()
    runtime = choose_runtime(engine="openvino", precision="fp32")
    assert (runtime.device, runtime.engine_choice) == ("cpu", "openvino")
    assert [each.label for each in runtime.candidates] == ["OpenVINO fp32"]
    assert "the CPU instead of cuda:0: OpenVINO has no such device" in runtime.reasons[0]
    assert runtime.notices == (f"{runtime.reasons[0]}. Use --engine onnxruntime",)
    with pytest.raises(DeviceError, match="OpenVINO has no such device"):
        choose_runtime("cuda", engine="openvino")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    (notice,) = choose_runtime(engine="onnxruntime").notices
    assert "serves only cpu. Install the package onnxruntime-gpu in its place" in notice
    # A Mac: torch has a GPU that no engine knows by this name.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for engine in ("openvino", "onnxruntime"):
        assert choose_runtime(engine=engine).device == "cpu"
        with pytest.raises(DeviceError, match=r"such device\. Use --device cpu, or --engine torch"):
            choose_runtime("mps", engine=engine)


@pytest.mark.parametrize(
    "options",
    [
        {"device": "gpu"},
        {"device": "cuda:x"},
        {"device": "cpu:1"},
        {"precision": "int9"},
        {"engine": "tensorflow"},
        {"compile": "maybe"},
    ],
)
def test_values_that_do_not_exist_name_those_that_do(options: dict[str, Any]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=rf"unknown {name}: {value}.*Choose from"):
        choose_runtime(**options)
