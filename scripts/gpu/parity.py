"""The same numbers in every precision: on photographs with real weights, and on scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.images.read import read_image
from live_gradcam.scenes import render_scene
from live_gradcam.values import Explanation, Image
from scripts.gpu.report import Setting, figure, real_classifier


def run(setting: Setting) -> None:
    """Compare the device's float32 with the CPU's, and its half precisions with its float32."""
    classifier = real_classifier(setting)
    if classifier is None:
        figure("photographs", 0, note=f"there are no real weights in {setting.media}")
    else:
        files = sorted((setting.media / "images").glob("*.jpg"))
        files = files or sorted((setting.media / "media" / "images").glob("*.jpg"))
        images = [read_image(path) for path in files[: setting.pick(1000, 2)]]
        _compare(setting, "photographs", classifier, images)
    scenes = [
        render_scene(seed, width=640, height=480).image for seed in range(setting.pick(100, 3))
    ]
    _compare(setting, "scenes", load_classifier("scenes"), scenes)


def _compare(setting: Setting, what: str, classifier: Classifier, images: Sequence[Image]) -> None:
    def explain(device: str, precision: Literal["fp32", "fp16", "bf16"]) -> list[Explanation]:
        # On a GPU this is what runs: recorded graphs, in batches.
        how: Literal["on", "off"] = "off" if setting.rehearse else "on"
        with Explainer(classifier, device=device, precision=precision, compile=how) as explainer:
            return explainer.explain_batch(images)

    figure(what, len(images), "images")
    reference = explain("cpu", "fp32")
    exact = explain(setting.device, "fp32")
    logits = max(
        abs(ours.logit - theirs.logit) / max(1.0, abs(theirs.logit))
        for one, other in zip(exact, reference, strict=True)
        for ours, theirs in zip(one.predictions, other.predictions, strict=True)
    )
    figure(f"{what}: fp32 scores against the CPU's, worst", logits, "relative", at_most=1e-3)
    maps = max(
        float(np.abs(one.evidence[0] - other.evidence[0]).max())
        / max(float(np.abs(other.evidence[0]).max()), 1e-6)
        for one, other in zip(exact, reference, strict=True)
        if one.explained == other.explained
    )
    figure(f"{what}: fp32 maps against the CPU's, worst", maps, "of the maximum", at_most=1e-3)
    precisions: tuple[Literal["fp16", "bf16"], ...] = ("fp16", "bf16")
    for precision in precisions:
        if setting.rehearse and precision == "fp16":
            continue  # the CPU has none
        half = explain(setting.device, precision)
        same = [
            one.explained[0] == other.explained[0] for one, other in zip(half, exact, strict=True)
        ]
        cosines = [
            _cosine(one, other)
            for one, other in zip(half, exact, strict=True)
            if one.explained == other.explained
        ]
        judged = precision == "fp16"
        figure(
            f"{what}: top class of {precision} that of fp32",
            100.0 * float(np.mean(same)),
            "%",
            at_least=99.0 if judged else None,
        )
        figure(
            f"{what}: cosine of {precision} maps, median",
            float(np.median(cosines)),
            at_least=0.999 if judged else None,
            note=f"worst {min(cosines):.4f}",
        )


def _cosine(one: Explanation, other: Explanation) -> float:
    a, b = one.evidence[0].ravel(), other.evidence[0].ravel()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 1.0
