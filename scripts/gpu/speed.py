"""Times of the network and of whole frames, beside the peers' on the same card and precision."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from live_gradcam.bench.measure import measure
from live_gradcam.bench.network import network_cases, plain_network, random_image
from live_gradcam.bench.peers import peer_cases
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.explainer import Explainer
from live_gradcam.preprocessing.settings import Preprocessing
from scripts.gpu.report import Setting, device_ms, figure, median_ms

BATCH = 64


def run(setting: Setting) -> None:
    """Measure one frame, batches, the peers, and where the time goes."""
    network = plain_network()
    classifier = Classifier.from_module(
        network, layer="layer4", preprocessing=Preprocessing(), name="resnet18"
    )
    times = setting.pick(200, 1)
    how = "off" if setting.rehearse else "on"
    with Explainer(
        classifier,
        device=setting.device,
        precision=setting.half,
        compile=how,  # type: ignore[arg-type]
    ) as explainer:
        _one_frame(setting, explainer, classifier, network, times)
        _peers(setting, explainer, network)
        _batches(setting, explainer, network)
        _profile(setting, explainer)


def _one_frame(
    setting: Setting, explainer: Explainer, classifier: Classifier, network: nn.Module, times: int
) -> None:
    placed = network.to(setting.device)
    small, large = random_image(224, 224), random_image(1920, 1080)
    explainer.explain(small)  # records
    cases = {case.name: case for case in network_cases(placed, explainer, classifier)}
    chosen = [cases[name] for name in ("plain_fp32", "bare", "explain_top3", "picture_1080p")]
    medians = measure(chosen, rounds=setting.pick(30, 1), repeats=setting.pick(10, 1))
    for name, value in medians.items():
        figure(f"one frame: {cases[name].title}", value, "ms")
    figure(
        "explain the top 3 / our bare forward of the same kind",
        medians["explain_top3"] / medians["bare"],
        at_most=1.05,
        judged=not setting.rehearse,
    )
    figure(
        "1920x1080 frame in, its picture out, p50",
        median_ms(cases["picture_1080p"].run, times=times, warm_up=0),
        "ms",
        at_most=2.0,
        judged=not setting.rehearse,
    )
    explaining = median_ms(lambda: explainer.explain(large), times=times, warm_up=0)
    figure("of it, explaining", explaining, "ms")
    fused = FusedNetwork(classifier, setting.half).requires_grad_(False).eval().to(setting.device)
    pixels = torch.from_numpy(small[None]).to(setting.device)
    selection = torch.tensor([-1, -2, -3], device=setting.device)
    with torch.no_grad():
        figure(
            "the device's own time, uncompiled and unrecorded",
            device_ms(lambda: fused(pixels, selection), times=times),
            "ms",
        )


def _peers(setting: Setting, explainer: Explainer, network: nn.Module) -> None:
    """In float32, as their users run them, and ours in float32, too; then all in half precision."""
    missing: list[str] = []
    image = random_image(224, 224)
    times, warm_up = setting.pick(50, 1), setting.pick(3, 0)
    bars: dict[str, float | None] = {"pytorch_grad_cam": 10.0, "torchcam": 4.0, "captum": None}
    if setting.rehearse:
        bars = {"torchcam": 4.0}  # one shows that the way is right
    cases = [case for case in peer_cases(network, missing.append) if case.name in bars]
    with Explainer(
        explainer.classifier,
        device=setting.device,
        precision="fp32",
        compile="off" if setting.rehearse else "on",
    ) as exact:
        exact.explain(image)
        ours = median_ms(lambda: exact.explain(image), times=times, warm_up=warm_up)
    half = median_ms(lambda: explainer.explain(image), times=times, warm_up=warm_up)
    for case in cases:
        theirs = median_ms(case.run, times=times, warm_up=warm_up)
        figure(
            f"{case.title} / ours, both fp32",
            theirs / ours,
            at_least=bars[case.name],
            judged=not setting.rehearse,
        )
        figure(f"{case.title} in fp32 / ours in {setting.half}", theirs / half)
    if missing:
        figure("peers that are not installed", len(missing), note=", ".join(missing))


def _batches(setting: Setting, explainer: Explainer, network: nn.Module) -> None:
    """Images a second, from host memory to host memory, against a plain compiled forward."""
    count = setting.pick(BATCH, 2)
    images = [random_image(224, 224, seed) for seed in range(4)] * (count // 4 or 1)
    plain = network.to(setting.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain = plain.half() if setting.half == "fp16" else plain.bfloat16()
    forward: Callable[[torch.Tensor], torch.Tensor] = plain
    note = "uncompiled in a rehearsal"
    if not setting.rehearse:
        began = time.monotonic()
        try:
            compile_it: Any = torch.compile
            forward = compile_it(plain, mode="max-autotune-no-cudagraphs")
            x = torch.zeros(BATCH, 3, 224, 224, device="cuda", dtype=torch.float16)
            with torch.inference_mode():
                forward(x.contiguous(memory_format=torch.channels_last))
            note = f"compiled in {time.monotonic() - began:.0f} s"
        except Exception as error:  # compilers need more than torch, for example Triton
            forward, note = plain, f"not compiled: {type(error).__name__}"
    half = torch.float16 if setting.half == "fp16" else torch.bfloat16
    x = torch.randn(len(images), 3, 224, 224, device=setting.device, dtype=half)
    x = x.contiguous(memory_format=torch.channels_last)
    repeats = setting.pick(30, 1)

    def many() -> None:
        with torch.inference_mode():
            forward(x).float().cpu()

    plain_ms = median_ms(many, times=repeats, warm_up=setting.pick(3, 0))
    many_images = images * setting.pick(16, 1)
    explainer.explain_batch(many_images)  # finds its size, and records it
    rates = []
    for _ in range(setting.pick(5, 1)):
        began = time.perf_counter()
        explainer.explain_batch(many_images)
        rates.append(len(many_images) / (time.perf_counter() - began))
    figure("batches: plain forward", 1000.0 * len(images) / plain_ms, "images/s", note=note)
    figure("batches: explained", statistics.median(rates), "images/s")
    figure(
        "batches: explained / plain forward",
        statistics.median(rates) * plain_ms / (1000.0 * len(images)),
        at_least=0.95,
        judged=not setting.rehearse,
        note=f"the size found is {explainer.preferred_batch_size}",
    )


def _profile(setting: Setting, explainer: Explainer) -> None:
    """What the CPU and the device spend their time with, for one frame after the other."""
    from torch.profiler import ProfilerActivity, profile

    image = random_image(1920, 1080)
    kinds = [ProfilerActivity.CPU] + ([] if setting.rehearse else [ProfilerActivity.CUDA])
    with profile(activities=kinds) as profiler:
        for _ in range(setting.pick(20, 1)):
            explainer.explain(image)
    key = "self_cpu_time_total" if setting.rehearse else "self_device_time_total"
    print(profiler.key_averages().table(sort_by=key, row_limit=setting.pick(20, 5)), flush=True)
