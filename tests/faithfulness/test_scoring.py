"""Scores of the network's own inputs."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.choices import View
from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness.scoring import Scorer
from tests.explain.support import tiny_classifier


@pytest.mark.parametrize("view", ["crop", "stretch", "full"])
def test_the_scorer_says_what_the_explainer_says(view: View) -> None:
    network = tiny_classifier()
    image = np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)
    with Explainer(network, device="cpu", precision="fp32", compile="off") as explainer:
        (found,) = explainer.explain_batch([image], view=view)
        scorer = Scorer(network, explainer.runtime)
    shown = scorer.network_input(image, view)
    best = found.predictions[0]
    ours = scorer.strengths(np.stack([shown.pixels] * 40), best.class_index)
    assert shown.region == found.region
    assert ours == pytest.approx(best.probability, rel=1e-5)
    assert scorer.strengths(np.zeros((0, 3, 64, 64), np.float32), 0).shape == (0,)
