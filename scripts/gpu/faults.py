"""What goes wrong on a GPU: memory that others took, a device that fails, two threads at once."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import torch

from live_gradcam.bench.network import random_image
from live_gradcam.errors import DeviceError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.values import Explanation
from scripts.gpu.report import Setting, figure, resnet18

_FAILS = """
import torch
from live_gradcam.bench.network import random_image
from live_gradcam.errors import DeviceError
from live_gradcam.explain.explainer import Explainer
from scripts.gpu.report import resnet18
with Explainer(resnet18(64), device="cuda", compile="off") as explainer:
    explainer.explain(random_image(64, 64))
    # An index beyond a table is an assertion on the device: nothing on it works any more.
    table = torch.zeros(4, 4, device="cuda")
    table[torch.tensor([9], device="cuda")].sum()
    try:
        explainer.explain(random_image(64, 64))
    except DeviceError as error:
        print(error.exit_code, str(error).count(chr(10)), error)
"""


def run(setting: Setting) -> None:
    """Cause each of them."""
    _two_threads(setting)
    if setting.rehearse:
        figure("out of memory, failing device", 0, note="only a GPU can be filled or fail this way")
        return
    _memory_of_others(setting)
    _failing_device()


def _two_threads(setting: Setting) -> None:
    size = setting.pick(224, 64)
    count = setting.pick(200, 6)
    images = [random_image(size, size, seed) for seed in range(count)]
    classifiers = [resnet18(size), resnet18(size)]
    how = "off" if setting.rehearse else "auto"
    wrong: list[str] = []
    explainers = [
        Explainer(each, device=setting.device, precision="fp32", compile=how)  # type: ignore[arg-type]
        for each in classifiers
    ]
    expected = [explainers[0].explain(image) for image in images]

    def work(explainer: Explainer) -> None:
        for image, theirs in zip(images, expected, strict=True):
            ours = explainer.explain(image)
            if not _equal(ours, theirs):
                wrong.append(f"{ours.explained} for {theirs.explained}")

    threads = [threading.Thread(target=work, args=(each,)) for each in explainers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in explainers:
        each.close()
    figure("two explainers on two threads: maps that differ", len(wrong), at_most=0)


def _equal(ours: Explanation, theirs: Explanation) -> bool:
    bound = 1e-3 * max(float(np.abs(theirs.evidence).max()), 1e-6)
    return ours.explained == theirs.explained and bool(
        np.abs(ours.evidence - theirs.evidence).max() <= bound
    )


def _memory_of_others(setting: Setting) -> None:
    """Leave 300 MB of the device, ask for a batch that needs more, and set the memory free."""
    told: list[str] = []
    images = [random_image(1280, 720, seed) for seed in range(4)] * 16
    with Explainer(
        resnet18(), device="cuda", view="full", on_notice=told.append, compile="auto"
    ) as explainer:
        explainer.explain(images[0])
        free, _ = torch.cuda.mem_get_info()
        taken = torch.empty(max(0, free - (300 << 20)), dtype=torch.uint8, device="cuda")
        try:
            found = len(explainer.explain_batch(images))
            figure("memory of others: images explained in parts", found, f"of {len(images)}")
        except DeviceError as error:
            figure("memory of others: an error of ours", error.exit_code, note=str(error))
        del taken
        torch.cuda.empty_cache()
        found = len(explainer.explain_batch(images))
        figure(
            "memory of others: images explained once it is free",
            found,
            f"of {len(images)}",
            at_least=len(images),
            note="; ".join(told),
        )


def _failing_device() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FAILS], capture_output=True, text=True, check=False
    )
    code, lines, *said = [*done.stdout.split(maxsplit=2), "0", "0", ""][:3]
    figure(
        "a device that fails: exit code of the error",
        float(code if code.isdigit() else 0),
        at_least=6,
        note=" ".join(said).strip() or done.stderr.strip()[-300:],
    )
    figure("a device that fails: further lines of the error", float(lines), at_most=0)
