"""Running cameras: bounded in number and time. Frames over the network are in `test_http`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette

from live_gradcam.errors import SourceError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.faithfulness.removal import removal_test
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer
from live_gradcam.values import Image
from live_gradcam.web.camera import Camera, CameraService
from live_gradcam.web.camera_routes import camera_routes
from live_gradcam.web.engine import Busy, SharedEngine
from live_gradcam.web.images import draw_overlay
from live_gradcam.web.limits import Limits
from live_gradcam.web.messages import describe_trust
from live_gradcam.web.settings import ViewSettings

from .conftest import Counting, decoded, encoded, no_other, scene

LIMITS = replace(
    Limits(), cameras=2, camera_seconds=100.0, camera_idle_seconds=10.0, frame_side=400
)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(classifier: Classifier, explainer: Explainer, clock: Clock) -> Iterator[CameraService]:
    def make(other: Classifier, method: str) -> BatchExplainer:
        return Explainer(other, device="cpu", precision="fp32", compile="off", method=method)

    with (
        ExplainerPool[BatchExplainer](classifier, make, given=explainer) as pool,
        SharedEngine(pool) as engine,
    ):
        yield CameraService(engine, LIMITS, clock=clock)


def test_a_camera_that_sends_nothing_makes_room(service: CameraService, clock: Clock) -> None:
    first, second = service.start(), service.start()
    with pytest.raises(Busy, match="2 cameras are running already"):
        service.start()
    clock.now += 9
    assert service.find(first.name) is first
    clock.now += 2
    third = service.start()
    assert service.find(second.name) is None
    assert service.find(first.name) is first
    assert service.find(third.name) is third
    assert len(service) == 2


def test_no_camera_runs_for_ever(service: CameraService, clock: Clock) -> None:
    camera = service.start()
    for _ in range(12):
        clock.now += 8
        assert service.find(camera.name) is camera
    clock.now += 8
    assert service.find(camera.name) is None
    assert len(service) == 0


def test_a_frame_is_explained_as_asked(service: CameraService) -> None:
    camera = service.start()
    frame = encoded(scene(1), ".jpg")
    settings = ViewSettings(class_name="star", method="layercam", view="full")
    shown = asyncio.run(service.explain(camera, 0, frame, settings))
    assert shown is not None
    explanation = shown.explanation
    assert decoded(shown.rendered).shape == (240, 320, 3)
    assert shown.spot is None
    assert (explanation.labels, explanation.method) == (("star",), "layercam")
    assert asyncio.run(service.explain(camera, -1, frame, settings)) is None


def test_a_frame_is_drawn_as_wide_as_it_is_shown_up_to_a_limit(service: CameraService) -> None:
    camera = service.start()
    frame = encoded(scene(1), ".jpg")
    for number, (width, expected) in enumerate(((160, 160), (640, 640), (9000, 1280))):
        shown = asyncio.run(service.explain(camera, number, frame, ViewSettings(), width=width))
        assert shown is not None
        assert decoded(shown.rendered).shape == (expected * 3 // 4, expected, 3)


def test_a_spot_of_a_frame_is_asked(service: CameraService) -> None:
    camera = service.start()
    frame = encoded(scene(1), ".jpg")
    for spot, seen in (((0.5, 0.5), True), ((0.01, 0.5), False)):
        number = camera.newest + 1
        shown = asyncio.run(service.explain(camera, number, frame, ViewSettings(), spot=spot))
        assert shown is not None
        explanation, answer = shown.explanation, shown.spot
        assert answer is not None
        assert (answer["cell"] is not None) == seen
        assert (explanation.labels[0] in answer["text"]) == seen
    x, y, across, down = spot_cell(service, camera, frame)
    assert x <= 0.5 <= x + across
    assert y <= 0.5 <= y + down


def spot_cell(service: CameraService, camera: Camera, frame: bytes) -> list[float]:
    number = camera.newest + 1
    shown = asyncio.run(service.explain(camera, number, frame, ViewSettings(), spot=(0.5, 0.5)))
    assert shown is not None
    assert shown.spot is not None
    cell: list[float] = shown.spot["cell"]
    return cell


@pytest.mark.parametrize("layer", ["layer4", "layer3"], ids=["cheap maps", "dear maps"])
@pytest.mark.parametrize("held", [False, True])
def test_a_spot_speaks_of_the_shown_class(layer: str, held: bool) -> None:
    classifier = load_classifier("scenes", layer=layer)
    with Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer:
        counting = Counting(explainer)
        pool = ExplainerPool[BatchExplainer](classifier, no_other, given=counting)
        assert pool.all_maps_are_cheap(pool.key()) == (layer == "layer4")
        with SharedEngine(pool) as engine:
            service = CameraService(engine, LIMITS)
            best = explainer.explain(scene(1)).predictions
            named = {each.label for each in best}
            rare = next(label for label in classifier.labels if label not in named)
            settings = ViewSettings(class_name=rare if held else "")
            shown = asyncio.run(
                service.explain(service.start(), 0, encoded(scene(1)), settings, spot=(0.5, 0.5))
            )
    assert shown is not None
    explanation, answer = shown.explanation, shown.spot
    assert explanation.labels == (rare if held else best[0].label,)
    assert explanation.explained[0] in {each.class_index for each in explanation.predictions}
    assert answer is not None
    assert re.match(rf"This spot [a-z ]+ {explanation.labels[0]}\b", answer["text"])
    assert counting.images == (2 if held else 1)


def test_classes_of_one_label_are_told_apart(explainer: Explainer) -> None:
    classifier = replace(explainer.classifier, labels=("crane",) * explainer.classifier.class_count)
    with Explainer(classifier, device="cpu", precision="fp32", compile="off") as cranes:
        pool = ExplainerPool[BatchExplainer](classifier, no_other, given=cranes)
        with SharedEngine(pool) as engine:
            service = CameraService(engine, LIMITS)
            application = Starlette(routes=camera_routes(service, LIMITS))

            async def post(query: str) -> dict[str, Any]:
                transport = httpx.ASGITransport(application)
                async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                    address = f"live/camera/{service.start().name}?{query}"
                    answer = await client.post(address, content=encoded(scene(1)))
                found: dict[str, Any] = json.loads(unquote(answer.headers["x-explanation"]))
                return found

            first, second = asyncio.run(post("n=0"))["predictions"][:2]
            held = asyncio.run(post(f"n=0&class={second['name']}"))
    assert first["label"] == f"crane ({first['name']})" != second["label"]
    assert held["explained"] == second["name"]


def test_the_last_frame_is_judged_and_can_be_kept(
    service: CameraService, telling: Image, explainer: Explainer
) -> None:
    camera = service.start()
    with pytest.raises(Busy):
        asyncio.run(service.judge(camera))
    assert asyncio.run(service.snapshot(camera)) is None
    frame = encoded(telling)
    asyncio.run(service.explain(camera, 0, frame, ViewSettings(), width=100))
    explanation = explainer.explain(telling)
    removal = removal_test(explainer, telling, explanation)
    expected = describe_trust(removal, numbers=False, area="the hottest area")
    assert asyncio.run(service.judge(camera)) == (expected, explanation.labels[0])
    kept = asyncio.run(service.snapshot(camera))
    assert kept is not None
    assert decoded(kept).shape == telling.shape, "in its own size, with words"
    assert np.array_equal(decoded(kept), draw_overlay(telling, explanation, ViewSettings()))


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (ViewSettings(class_name="teapot"), "teapot"),
        (ViewSettings(method="scorecam"), "too slow for a page"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_done(
    service: CameraService, settings: ViewSettings, cause: str
) -> None:
    camera = service.start()
    with pytest.raises(UsageError, match=cause):
        asyncio.run(service.explain(camera, 7, b"no image", settings))
    assert camera.newest == -1


def test_a_frame_that_is_too_large_gives_its_place_back(service: CameraService) -> None:
    camera = service.start()
    for number in range(10):
        large = encoded(scene(1, 640, 480), ".jpg")
        with pytest.raises(SourceError, match="a frame of 640x480 is too large"):
            asyncio.run(service.explain(camera, number, large, ViewSettings()))
    assert camera.waiting == 0
