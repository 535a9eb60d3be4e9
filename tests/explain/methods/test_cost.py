"""What maps of all classes cost: counted, not timed, for every method at every head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import Head
from live_gradcam.explain.layers import choose_layers
from live_gradcam.explain.methods import METHODS, QUICK_METHODS
from live_gradcam.pool import ExplainerPool
from tests.explain import support
from tests.explain.heads.support import HEADS, make_case

CHANNELS, CLASSES, SIZE = 64, 600, (8, 8)
AT_EVERY_HEAD = [
    (name, kind)
    for name in METHODS
    for kind in HEADS
    if kind != "several layers" or name in QUICK_METHODS
]


class _Written(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the values that operations write, of a batch of derivatives as of one."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values = 0

    @override
    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            outputs = result if isinstance(result, (tuple, list)) else [result]
            self.values += sum(each.numel() for each in outputs if isinstance(each, Tensor))
        return result


@dataclass(frozen=True)
class Cost:
    """Values written, and samples that went through the head's module and through the trunk."""

    written: int
    head_samples: int
    trunk_samples: int


def cost_of(name: str, kind: str, classes: int) -> tuple[Cost, Head]:
    """The cost of explaining one sample for so many classes."""
    case = make_case(kind, count=1, channels=CHANNELS, classes=CLASSES, size=SIZE)
    head = METHODS[name].make_head(case.head)
    samples = {"head": 0, "trunk": 0}

    def count(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        samples["head"] += len(inputs[0])

    def trunk(inputs: Tensor) -> Tensor:
        samples["trunk"] += len(inputs)
        return case.activations.expand(len(inputs), *case.activations.shape[1:])

    # What a closed form computes by itself goes through the head, everything else through a module.
    module = getattr(case.head, "module", case.head)
    module.register_forward_pre_hook(count)
    chosen = torch.arange(classes).expand(1, -1)
    with torch.no_grad(), _Written() as written:
        head.explain_input(torch.zeros(1, 3, 8, 8), trunk, lambda _: chosen)
    return Cost(written.values, samples["head"], samples["trunk"]), head


@pytest.mark.parametrize(("name", "kind"), AT_EVERY_HEAD)
def test_maps_of_all_classes_are_cheap_where_it_says_so(name: str, kind: str) -> None:
    one, head = cost_of(name, kind, 1)
    everything, _ = cost_of(name, kind, CLASSES)
    further = (everything.written - one.written) / (CLASSES - 1)
    same_forwards = (one.head_samples, one.trunk_samples) == (
        everything.head_samples,
        everything.trunk_samples,
    )
    cheap = same_forwards and further < CHANNELS * SIZE[0] * SIZE[1]
    assert head.all_maps_are_cheap == cheap, f"{further:.0f} values for each further class"


@pytest.mark.parametrize("classes", [1, CLASSES])
def test_ablation_runs_the_head_once_for_each_channel_however_many_classes(classes: int) -> None:
    assert cost_of("ablationcam", "gradient", classes)[0].head_samples == 1 + CHANNELS


@pytest.mark.parametrize("classes", [1, CLASSES])
def test_score_cam_runs_the_network_once_for_each_channel_however_many_classes(
    classes: int,
) -> None:
    assert cost_of("scorecam", "gradient", classes)[0].trunk_samples == 1 + CHANNELS


MAKERS: dict[str, Callable[[], Any]] = {
    "linear": support.tiny_classifier,
    "gradient": support.gradient_classifier,
    "several layers": lambda: choose_layers(support.tiny_classifier(), "all"),
}


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, kind in AT_EVERY_HEAD if kind in MAKERS]
)
def test_explainers_and_their_pool_say_the_same(name: str, kind: str) -> None:
    classifier = MAKERS[kind]()
    expected = METHODS[name].make_head(classifier.head).all_maps_are_cheap

    def make(classifier: Any, method: str) -> Explainer:
        return Explainer(classifier, precision="fp32", compile="off", method=method)

    with make(classifier, name) as explainer, ExplainerPool(classifier, make) as pool:
        assert explainer.all_maps_are_cheap == expected
        assert pool.all_maps_are_cheap(pool.key(method=name)) == expected
