"""The services of a page: other layers and methods run as the page's own explainer does."""

from __future__ import annotations

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.web import AppState
from live_gradcam.web.settings import ViewSettings

from .conftest import scene


def test_other_layers_and_methods_run_like_the_pages_own(
    classifier: Classifier, explainer: Explainer
) -> None:
    with AppState.open(classifier, explainer) as state:
        assert state.layers[-1] == classifier.layer
        cached = state.images.open("ann", scene(1), "scene.png")
        usual = state.images.explain(cached, ViewSettings())
        other = state.images.explain(cached, ViewSettings(layer="layer3", method="layercam"))
        assert other.predictions == usual.predictions
        assert other.method == "layercam"
        made = state.pool.find(state.pool.key("layer3", "layercam"))
        assert isinstance(made, Explainer)
        assert (made.top_k, made.runtime.precision) == (
            explainer.top_k,
            explainer.runtime.precision,
        )


def test_a_closed_page_keeps_no_files_and_no_explainers(
    classifier: Classifier, explainer: Explainer
) -> None:
    with AppState.open(classifier, explainer) as state:
        cached = state.images.open("ann", scene(1), "scene.png")
        state.images.explain(cached, ViewSettings(method="layercam"))
    assert not state.cache.path.exists()
    assert state.pool.find(state.pool.key(method="layercam")) is None
    state.close()
