"""The benchmark: medians of what was really run, and ratios that follow from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from live_gradcam.bench import int8
from live_gradcam.bench.int8 import engines_of_int8, open_int8
from live_gradcam.bench.live import (
    Promise,
    flicker,
    judge_latency,
    measure_flicker,
    measure_latency,
    measure_randomization,
    min_max,
)
from live_gradcam.bench.measure import Case, measure
from live_gradcam.bench.network import network_cases, plain_network
from live_gradcam.bench.report import promises_markdown, ratio_title, ratios_of, write_promises
from live_gradcam.bench.teach import measure_teaching_of
from live_gradcam.choices import EngineChoice
from live_gradcam.errors import DeviceError, SinkError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.graph.engines import opening
from tests.helpers.live import tiny_classifier

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


# Live sessions


@pytest.fixture(scope="module")
def tiny() -> Iterator[Explainer]:
    with Explainer(tiny_classifier(), compile="off", precision="fp32") as made:
        yield made


def test_flicker_is_the_mean_change_from_map_to_map() -> None:
    maps = [np.full((2, 2), value, np.float32) for value in (0.0, 0.5, 0.25)]
    assert flicker(maps) == pytest.approx((0.5 + 0.25) / 2)
    assert flicker([maps[0]] * 5) == 0.0


def test_the_maps_compared_with_fill_their_whole_range_whatever_they_hold() -> None:
    for strength in (1e-3, 1.0, 50.0):
        heat = min_max(np.array([[-2.0, 0.0], [1.0, 3.0]], np.float32) * np.float32(strength))
        assert heat.ravel() == pytest.approx([0.0, 0.0, 1 / 3, 1.0], abs=1e-3)


def test_flicker_of_a_session_is_measured_against_its_bar(tiny: Explainer) -> None:
    promise = measure_flicker(tiny, 5.0, scenes=1)
    assert promise.numbers["ratio_worst"] == pytest.approx(
        promise.numbers["min_max"] / promise.numbers["ours"]
    )
    assert promise.kept == (promise.numbers["ratio_worst"] >= 3.0)


def test_the_randomized_network_is_correlated_with_the_true_one_scene_by_scene(
    tiny: Explainer,
) -> None:
    promise = measure_randomization(tiny, scenes=6)
    numbers = promise.numbers
    assert -1.0 <= numbers["p25"] <= numbers["median"] <= numbers["p75"] <= numbers["largest"] <= 1
    assert promise.kept == (abs(numbers["mean"]) < 0.3)


def test_latency_is_measured_on_what_a_session_shows() -> None:
    promise = measure_latency(1.5, at_least_ms=60.0)
    assert promise.numbers["explain_p50_ms"] >= 60.0
    assert promise.numbers["latency_p50_ms"] >= 60.0
    assert promise.numbers["fps"] <= 1000.0 / 60.0


def test_time_is_measured_from_the_first_frame_on() -> None:
    """Beside other processes a session may take longer to begin than it is to last."""
    assert measure_latency(0.0).numbers["latency_p50_ms"] > 0.0


def test_latency_is_held_against_the_camera_and_the_time_that_explaining_takes() -> None:
    kept = judge_latency([100.0] * 100, [80.0] * 100, 10.0)
    assert kept.kept
    assert kept.numbers["bound_ms"] == pytest.approx(1000 / 30 + 1.3 * 80)
    assert not judge_latency([140.0] * 100, [80.0] * 100, 10.0).kept, "later than that"
    growing = list(np.linspace(60.0, 120.0, 100))
    assert not judge_latency(growing, [80.0] * 100, 10.0).kept, "within the bound, but growing"


def test_teaching_is_measured_with_what_a_session_does(tiny: Explainer) -> None:
    refit, rate = measure_teaching_of(tiny, seconds=0.2, rounds=1)
    assert refit.kept == (refit.numbers["refit_ms"] <= 300)
    assert refit.numbers["refit_ms"] <= refit.numbers["refit_longest_ms"]
    assert "9 classes, 1008 examples" in refit.what
    assert 0 < rate.numbers["worst_ratio"] <= rate.numbers["mean_ratio"]
    assert rate.kept == (rate.numbers["worst_ratio"] >= 0.6)


def test_the_network_in_8_bits_is_measured_without_a_forward_that_it_does_not_have(
    tmp_path: Path,
) -> None:
    pytest.importorskip("nncf")
    pytest.importorskip("onnxruntime")
    (name,) = engines_of_int8("onnxruntime")
    classifier = tiny_classifier()
    with open_int8(classifier, name, tmp_path) as explainer:
        assert explainer.runtime.precision == "int8"
        cases = {case.name: case for case in network_cases(plain_network(), explainer, classifier)}
        assert set(cases) == {
            *("plain_fp32", "explain_top1", "explain_top3", "explain_all", "explain_top3_720p"),
            *("picture_1080p", "explain_batch8_720p", "explain_batch32_720p"),
        }
        ours = cases["explain_top3_720p"]
        medians = measure([cases["plain_fp32"], ours], rounds=1, repeats=1)
        assert set(ratios_of(medians)) == {"explain_over_plain_forward"}


@pytest.mark.parametrize("engine", ["auto", "openvino", "onnxruntime"])
def test_8_bits_without_an_engine_name_what_to_install(
    monkeypatch: pytest.MonkeyPatch, engine: EngineChoice
) -> None:
    for module in (int8, opening):
        monkeypatch.setattr(module, "installed_engines", dict)
    with pytest.raises(DeviceError, match="it is not installed"):
        engines_of_int8(engine)


def test_torch_in_8_bits_is_refused(command: Callable[..., CompletedProcess[str]]) -> None:
    refused = command("bench", "--precision", "int8", "--engine", "torch")
    assert refused.returncode == 2
    assert "torch does not compute in it. Leave out --engine" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_promises_become_a_table_and_a_file(tmp_path: Path) -> None:
    promises = [
        Promise("calm", "3 times", "4.0 times", True, {"ratio": 4.0}),
        Promise("fresh", "80 ms", "90 ms", False, {"p95": 90.0}),
    ]
    assert promises_markdown(promises).splitlines()[2:] == [
        "| calm | 3 times | 4.0 times | yes |",
        "| fresh | 80 ms | 90 ms | no |",
    ]
    write_promises(tmp_path / "live.json", promises)
    written = json.loads((tmp_path / "live.json").read_text(encoding="utf-8"))
    assert [row["kept"] for row in written["promises"]] == [True, False]
    assert written["promises"][0]["numbers"] == {"ratio": 4.0}
    with pytest.raises(SinkError, match="cannot write the results"):
        write_promises(tmp_path / "absent" / "live.json", promises)


def test_the_command_measures_and_writes_what_it_says(
    command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    words = ("bench", "--quick", "--no-compile", "--peers", "--json", "found.json")
    done = command(*words, timeout=880)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    ms = found["medians_ms"]
    assert set(found["ratios"]) >= RATIOS - {"bare_over_openvino_bf16"}
    assert all(value > 0 for value in ms.values())
    assert found["ratios"]["top3_over_bare"] == pytest.approx(
        ms["explain_top3"] / ms["bare"], rel=1e-2
    )
    for name in found["ratios"]:
        assert ratio_title(name) in done.stdout
