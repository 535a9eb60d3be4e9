"""The benchmark: medians of what was really run, and ratios that follow from them."""

from __future__ import annotations

import pytest

from live_gradcam.bench.measure import Case, measure
from live_gradcam.bench.report import ratio_title, ratios_of

RATIOS = {
    "explain_over_plain_forward",
    "pytorch_grad_cam_over_ours",
    "captum_over_ours",
    "torchcam_over_ours",
    "top3_over_bare",
    "all_classes_over_bare",
    "bare_over_openvino_bf16",
    "offline_over_floors",
    "offline_over_naive_loop",
}


def test_cases_alternate_and_are_counted_per_frame() -> None:
    calls: list[str] = []
    cases = [
        Case("a", "one", lambda: calls.append("a")),
        Case("b", "ten frames", lambda: calls.append("b"), per=10, once=True),
    ]
    medians = measure(cases, rounds=2)
    warm_up = ["a"] * 3 + ["b"]
    assert calls == warm_up + (["a"] * 3 + ["b"]) * 2
    assert set(medians) == {"a", "b"}
    assert all(value >= 0 for value in medians.values())


def test_ratios_follow_from_the_medians() -> None:
    medians = {
        "plain_fp32": 30.0,
        "bare": 10.0,
        "explain_top1": 10.0,
        "explain_top3": 10.5,
        "explain_all": 11.0,
        "explain_top3_720p": 12.0,
        "pytorch_grad_cam": 100.0,
        "captum": 80.0,
        "torchcam": 40.0,
        "openvino_bare_bf16": 8.0,
        "decode": 2.0,
        "explain": 10.0,
        "encode": 4.0,
        "offline": 15.0,
        "naive_loop": 150.0,
    }
    assert ratios_of(medians) == pytest.approx(
        {
            "explain_over_plain_forward": 0.4,
            "pytorch_grad_cam_over_ours": 10.0,
            "captum_over_ours": 8.0,
            "torchcam_over_ours": 4.0,
            "top3_over_bare": 1.05,
            "all_classes_over_bare": 1.1,
            "bare_over_openvino_bf16": 1.25,
            "offline_over_floors": 16 / 15,
            "offline_over_naive_loop": 10.0,
        }
    )
    assert all(ratio_title(name) for name in RATIOS)


def test_a_peer_that_is_not_installed_only_leaves_its_ratio_out() -> None:
    assert ratios_of({"captum": 80.0, "explain_top1": 10.0}) == {"captum_over_ours": 8.0}
