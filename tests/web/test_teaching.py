"""Visitors teach the page's network: each their own head, within bounds, on forwards they share."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from live_gradcam.choices import View
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.pool import pool_beside
from live_gradcam.scenes import render_scene
from live_gradcam.teaching import ANYTHING_ELSE, FeatureExtractor, FrameFeatures
from live_gradcam.values import Image
from live_gradcam.web.camera import CameraService
from live_gradcam.web.camera_routes import camera_routes
from live_gradcam.web.engine import SharedEngine
from live_gradcam.web.lesson_routes import lesson_routes
from live_gradcam.web.limits import Limits
from live_gradcam.web.teaching import TeachingService
from tests.teaching.support import small_classifier

from .conftest import PATIENCE, encoded

LIMITS = replace(
    Limits(),
    lessons=2,
    lesson_classes=3,
    lesson_examples=40,
    lesson_seconds=100.0,
    lesson_idle_seconds=20.0,
)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


_LOGIN = Route("/gradio_api/login_check", lambda _: Response())
"""Of a page without a password."""


class Recorded(FeatureExtractor):
    """Notes how many images share each forward."""

    batches: list[int]

    @override
    def extract(self, images: Sequence[Image], *, view: View | None = None) -> list[FrameFeatures]:
        self.batches.append(len(images))
        return super().extract(images, view=view)


@dataclass
class Page:
    """A page's services with their addresses, without a network."""

    service: TeachingService
    engine: SharedEngine
    application: Starlette
    clock: Clock
    batches: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def visitor(self, *labels: str) -> AsyncIterator[Visitor]:
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://page/live") as client:
            visitor = Visitor(client, (await client.post("/camera")).json()["camera"])
            await visitor.begin(*labels)
            yield visitor


@dataclass
class Visitor:
    client: httpx.AsyncClient
    camera: str
    lesson: str = ""
    number: int = 0
    burst: int = -1

    async def begin(self, *labels: str) -> httpx.Response:
        answer = await self.client.post("/lesson", json={"labels": labels})
        self.lesson = answer.json().get("lesson", "")
        return answer

    async def frame(self, image: Image, **query: str | float) -> dict[str, Any]:
        """What is said of a frame."""
        asked: dict[str, str | float] = {"n": self.number, "lesson": self.lesson, **query}
        self.number += 1
        answer = await self.client.post(
            f"/camera/{self.camera}", params=asked, content=encoded(image)
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/jpeg"
        found: dict[str, Any] = json.loads(unquote(answer.headers["x-explanation"]))
        return found

    async def show(self, label: str, images: Sequence[Image]) -> dict[str, Any]:
        """Hold a class's button while frames are sent; what there is to tell afterwards."""
        self.burst += 1
        for each in images:
            await self.frame(each, teach=label, burst=self.burst)
        return await self.ask({"do": "end", "burst": self.burst})

    async def ask(self, content: object) -> dict[str, Any]:
        answer = await self.client.post(f"/lesson/{self.lesson}", json=content)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/lesson/{self.lesson}")).json()
        return found

    async def learned(self) -> dict[str, Any]:
        """What there is to tell once all is learned."""
        for _ in range(PATIENCE * 20):
            found = await self.facts()
            if not found["learning"]:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError("it learns for ever")


@contextmanager
def serving(explainer: Explainer) -> Iterator[Page]:
    with pool_beside(explainer) as pool, SharedEngine(pool) as engine:
        clock, batches = Clock(), list[int]()

        def extractor() -> FeatureExtractor:
            made = Recorded.like(explainer)
            assert isinstance(made, Recorded)
            made.batches = batches
            return made

        with TeachingService(engine, LIMITS, extractor, clock=clock) as service:
            routes = [
                *camera_routes(CameraService(engine, LIMITS, clock=clock), LIMITS, service),
                *lesson_routes(service, LIMITS),
                _LOGIN,
            ]
            yield Page(service, engine, Starlette(routes=routes), clock, batches)


@pytest.fixture(scope="module")
def small() -> Iterator[Explainer]:
    """A quick network with classes of its own: a, b, c and d."""
    with Explainer(small_classifier(), device="cpu", precision="fp32", compile="off") as explainer:
        yield explainer


@pytest.fixture
def page(small: Explainer) -> Iterator[Page]:
    with serving(small) as page:
        yield page


def scenes_of(label: str, count: int, first: int = 0) -> list[Image]:
    """Generated pictures with one object of a class."""
    found: list[Image] = []
    seed = first
    while len(found) < count:
        scene = render_scene(seed, width=160, height=120, objects=1)
        if scene.objects[0].label == label:
            found.append(scene.image)
        seed += 1
    return found


STARS, FISH, RINGS = (scenes_of(each, 7) for each in ("star", "fish", "ring"))
"""Some to be shown, and the last one to be asked about."""


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_visitors_share_a_forward_and_never_a_head(page: Page) -> None:
    async def work() -> None:
        async with page.visitor("mine", "other") as one, page.visitor("x", "y", "z") as two:
            for part in (slice(0, 3), slice(3, 6)):
                await one.show("mine", STARS[part])
                await one.show("other", FISH[part])
                await two.show("y", STARS[part])
                await two.show("z", RINGS[part])
            facts = [await one.learned(), await two.learned()]
            assert [each["label"] for each in facts[0]["classes"]] == ["mine", "other"]
            assert [each["count"] for each in facts[1]["classes"]] == [0, 12 // 2, 6]
            # Both wait while the network is busy: what waits together shares a forward.
            free = threading.Event()
            page.engine.run(lambda: free.wait(PATIENCE))
            asked = [
                asyncio.create_task(one.frame(STARS[5])),
                asyncio.create_task(two.frame(STARS[5])),
            ]
            while page.engine.waiting < 2:
                await asyncio.sleep(0.01)
            before = len(page.batches)
            free.set()
            said = await asyncio.gather(*asked)
            assert page.batches[before:] == [2]
            names = [{each["name"] for each in frame["predictions"]} for frame in said]
            assert names == [{"mine", "other"}, {"y", "z"}]
            assert [frame["explained"] for frame in said] == ["mine", "y"]

    run(work)


def test_a_frame_is_explained_by_the_head_that_was_taught(page: Page) -> None:
    async def work() -> None:
        async with page.visitor("star", "fish") as visitor:
            own = await visitor.frame(STARS[5])
            assert {each["name"] for each in own["predictions"]} <= {"a", "b", "c", "d"}
            for part in (slice(0, 3), slice(3, 6)):
                await visitor.show("star", STARS[part])
                await visitor.show("fish", FISH[part])
            facts = await visitor.learned()
            assert facts["ready"]
            lesson = page.service.find(visitor.lesson)
            assert lesson is not None
            taught, learned = lesson.state.taught.classifier, lesson.state.taught.learned
            assert taught is not None
            assert learned is not None
            assert facts["learned"]["confusion"] == learned.confusion.tolist()
            assert learned.accuracy is not None
            line = f"Right about {learned.accuracy:.0%} of 12 pictures that it had not been taught."
            assert facts["line"].replace("\N{NO-BREAK SPACE}", "").replace(" %", "%") == line
            with Explainer(taught, device="cpu", precision="fp32", compile="off") as expected:
                (best, second) = expected.explain(STARS[5]).predictions
            said = await visitor.frame(STARS[5], x=0.5, y=0.5)
            assert said["explained"] == best.label == "star"
            shares = [each["probability"] for each in said["predictions"]]
            assert shares == pytest.approx([best.probability, second.probability], abs=1e-3)
            assert "star" in said["spot"]["text"]
            held = await visitor.frame(STARS[5], **{"class": "fish"})
            assert held["explained"] == "fish"
            verdict = await visitor.client.post(f"/camera/{visitor.camera}/verdict")
            assert verdict.json()["about"] == "fish"
            # Back to the network's own classes, and a class of the others is none of these.
            assert (await visitor.ask({"do": "own", "own": True}))["own"]
            again = await visitor.frame(STARS[5], **{"class": "a class that is gone"})
            assert again["predictions"] == own["predictions"]

    run(work)


def test_what_it_sees_first_is_none_of_the_classes(page: Page) -> None:
    async def work() -> None:
        async with page.visitor(ANYTHING_ELSE, "thing") as visitor:
            said = await visitor.frame(FISH[0])
            assert said["teaching"]["line"].startswith("First show it nothing")
            page.clock.now += 1.6
            await visitor.frame(FISH[1])
            page.clock.now += 1.5
            said = await visitor.frame(FISH[2])
            assert said["teaching"]["counts"] == [2, 0]
            (nothing, _) = (await visitor.facts())["classes"]
            assert nothing["bursts"] == 2, "one can be held out"

        # Whoever shows something at once is not kept waiting.
        async with page.visitor(ANYTHING_ELSE, "thing") as other:
            await other.show("thing", STARS[:1])
            said = await other.frame(FISH[0])
            assert said["teaching"]["counts"] == [0, 1]

    run(work)


def test_frames_of_a_burst_that_has_ended_are_not_taught(page: Page) -> None:
    async def work() -> None:
        async with page.visitor("a", "b") as visitor:
            await visitor.show("a", STARS[:2])
            late = await visitor.frame(STARS[2], teach="a", burst=visitor.burst)
            assert late["teaching"]["counts"] == [2, 0]
            unknown = await visitor.frame(STARS[2], teach="c", burst=visitor.burst + 1)
            assert unknown["teaching"]["counts"] == [2, 0]
            await visitor.show("a", STARS[2:5])
            assert (await visitor.ask({"do": "undo"}))["classes"][0]["count"] == 2
            renamed = await visitor.ask({"do": "rename", "label": "a", "to": " 茶壶 "})
            assert renamed["renamed"] == [["a", "茶壶"]]
            assert renamed["classes"][0] == {"label": "茶壶", "count": 2, "bursts": 1}
            assert len((await visitor.ask({"do": "remove", "label": "茶壶"}))["classes"]) == 1

    run(work)


def test_a_lesson_has_bounds(page: Page) -> None:
    async def work() -> None:
        async with page.visitor(ANYTHING_ELSE, "a") as one, page.visitor("a", "b") as two:
            third = await one.client.post("/lesson", json={"labels": []})
            assert third.status_code == 503
            assert "2 others teach it at the moment" in third.json()["detail"]
            for label in ("b", "c"):
                await one.ask({"do": "add", "label": label})
            more = await one.client.post(f"/lesson/{one.lesson}", json={"do": "add", "label": "d"})
            assert more.status_code == 422
            assert "3 classes are all there is room for" in more.json()["detail"]
            await two.show("a", [STARS[0]] * 30)
            facts = await two.show("b", [FISH[0]] * 12)
            assert [each["count"] for each in facts["classes"]] == [30, 10]
            assert facts["line"].startswith("There is no room for more examples")
            # Who goes on is not forgotten before the time is over, and who does not is.
            for _ in range(6):
                page.clock.now += 15
                await two.facts()
            assert (await one.client.get(f"/lesson/{one.lesson}")).status_code == 410
            assert (await two.client.get(f"/lesson/{two.lesson}")).status_code == 200
            page.clock.now += 15
            gone = await two.client.get(f"/lesson/{two.lesson}")
            assert gone.status_code == 410
            assert "What you taught is forgotten" in gone.json()["detail"]
            frame = await two.client.post(
                f"/camera/{two.camera}?n=900&lesson={two.lesson}", content=encoded(FISH[0])
            )
            assert frame.status_code == 410
            assert len(page.service) == 0

    run(work)


def test_what_is_left_behind_is_forgotten_though_nobody_asks(small: Explainer) -> None:
    async def work() -> None:
        limits = replace(LIMITS, lesson_idle_seconds=0.1)
        with (
            pool_beside(small) as pool,
            SharedEngine(pool) as engine,
            TeachingService(engine, limits, lambda: FeatureExtractor.like(small)) as lessons,
        ):
            await lessons.start(["a"])
            assert len(lessons) == 1
            while len(lessons):
                await asyncio.sleep(0.02)

    run(work)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"no JSON", 400),
        (b"[" * 100_000, 400),
        (b'["do", "undo"]', 400),
        (b'{"do": "dance"}', 400),
        (b'{"do": "add", "label": 7}', 400),
        (b'{"do": "end", "burst": "1"}', 400),
        (b'{"do": "own", "own": "yes"}', 400),
        (b'{"do": "add", "label": "' + b"x" * 20_000 + b'"}', 400),
        (b'{"do": "add", "label": "  "}', 422),
        (b'{"do": "add", "label": "a"}', 422),
        (b'{"do": "add", "label": "a\\u2028b"}', 422),
        (b'{"do": "add", "label": "\\ud800"}', 422),
        (b'{"do": "remove", "label": "z"}', 422),
        (b'{"do": "rename", "label": "a", "to": "b"}', 422),
    ],
)
def test_what_the_page_would_not_send_is_refused(page: Page, content: bytes, status: int) -> None:
    async def work() -> None:
        async with page.visitor("a", "b") as visitor:
            answer = await visitor.client.post(f"/lesson/{visitor.lesson}", content=content)
            assert answer.status_code == status
            assert answer.json()["detail"]
            assert [each["label"] for each in (await visitor.facts())["classes"]] == ["a", "b"]
            nobody = await visitor.client.post("/lesson/guessed", content=content)
            assert nobody.status_code == 410

    run(work)


@pytest.mark.parametrize("query", ["teach=a", "teach=a&burst=x", "view=full", "method=layercam"])
def test_settings_that_a_lesson_has_not_are_refused(page: Page, query: str) -> None:
    async def work() -> None:
        async with page.visitor("a", "b") as visitor:
            answer = await visitor.client.post(
                f"/camera/{visitor.camera}?n=0&lesson={visitor.lesson}&{query}",
                content=encoded(FISH[0]),
            )
            assert answer.status_code in (400, 422)

    run(work)


def test_what_was_taught_can_be_kept(explainer: Explainer, tmp_path: Path) -> None:
    async def work() -> None:
        with serving(explainer) as page:
            async with page.visitor("star", "fish") as visitor:
                address = f"/lesson/{visitor.lesson}/taught.safetensors"
                early = await visitor.client.get(address)
                assert early.status_code == 422
                assert "nothing is taught yet" in early.json()["detail"]
                await visitor.show("star", STARS[:4])
                await visitor.show("fish", FISH[:4])
                await visitor.learned()
                answer = await visitor.client.get(address)
                assert answer.headers["content-disposition"].startswith("attachment")
                assert len(answer.content) < 100_000, "the network itself is the page's"
                refused = await visitor.client.get(f"{address}?whole=1")
                assert refused.status_code == 403
                said = await visitor.frame(STARS[5])
                lesson = page.service.find(visitor.lesson)
                assert lesson is not None
                whole = await page.service.file(lesson, whole=True)
        assert len(whole) > 1_000_000
        for name, content in (("head", answer.content), ("whole", whole)):
            path = tmp_path / f"{name}.safetensors"
            path.write_bytes(content)
            classifier = load_classifier(weights=path)
            assert classifier.labels == ("star", "fish")
            with Explainer(classifier, device="cpu", precision="fp32", compile="off") as loaded:
                best = loaded.explain(STARS[5]).predictions[0]
            assert said["explained"] == best.label
            share = said["predictions"][0]["probability"]
            assert share == pytest.approx(best.probability, abs=1e-3)

    run(work)


def test_a_network_that_cannot_be_taught_says_so() -> None:
    classifier = load_classifier("scenes", layer="layer3,layer4")
    with (
        Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer,
        pool_beside(explainer) as pool,
        SharedEngine(pool) as engine,
        TeachingService(engine, LIMITS, lambda: FeatureExtractor.like(explainer)) as service,
    ):
        assert service.refusal == "several layers are explained at once"

        async def work() -> None:
            routes = [*lesson_routes(service, LIMITS), _LOGIN]
            transport = httpx.ASGITransport(Starlette(routes=routes))
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                answer = await client.post("/live/lesson", json={"labels": []})
            assert answer.status_code == 422
            assert "several layers" in answer.json()["detail"]

        run(work)
