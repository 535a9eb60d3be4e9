"""The sanity check: stages, what is kept of them, and that the classifier stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from live_gradcam.evaluate.dataset import Sample
from live_gradcam.evaluate.image_evaluator import open_pool
from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.evaluate.partial_results import PartialResults
from live_gradcam.evaluate.sanity_check import run_sanity_check
from live_gradcam.evaluate.values import SanityStage
from tests.evaluate.support import make_provenance
from tests.explain.support import tiny_classifier

OPTIONS = EvaluationOptions(methods=("gradcam", "eigencam"), device="cpu", precision="fp32")


def test_stages_go_from_the_head_to_the_first_layer_and_are_computed_once(tmp_path: Path) -> None:
    network = tiny_classifier()
    rng = np.random.default_rng(0)
    samples = [Sample(rng.integers(0, 256, (64, 64, 3), np.uint8), (1,), ()) for _ in range(2)]
    before = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    told: list[tuple[int, int]] = []
    path = tmp_path / "partial"
    with open_pool(network, OPTIONS) as pool:
        with PartialResults(path, make_provenance()) as partial:
            stages = run_sanity_check(
                pool, samples, OPTIONS, partial, on_stage=lambda *each: told.append(each)
            )
        assert [each.stage for each in stages] == ["head", "last", "stem"]
        assert told == [(1, 3), (2, 3), (3, 3)]
        assert all(set(each.correlation) == {"gradcam", "eigencam"} for each in stages)
        assert all(value.equal(before[k]) for k, value in network.trunk.state_dict().items())
        with PartialResults(path, make_provenance()) as again:
            assert run_sanity_check(pool, (), OPTIONS, again) == stages
            kept = SanityStage("head", {"gradcam": 7.0, "eigencam": 7.0})
            again.stages[0] = kept
            assert run_sanity_check(pool, (), OPTIONS, again) == (kept, *stages[1:])
