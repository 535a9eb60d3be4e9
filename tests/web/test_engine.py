"""The shared engine: everybody gets a turn, their own answer, and shared forwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from typing_extensions import override

from live_gradcam.choices import View
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer, ClassChoice
from live_gradcam.teaching import FeatureExtractor, FrameFeatures
from live_gradcam.values import Explanation, Image, Prediction, Region
from live_gradcam.web.engine import Busy, SharedEngine, VisitorExplainer

PATIENCE = 60
"""Seconds: a busy machine is slow; waiting ends as soon as it is there."""


class Readable:
    """Explains an image by its first pixel, in batches that a test can hold back and look at."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.questions: list[tuple[ClassChoice, View | None]] = []
        self.free = threading.Event()
        self.entered = threading.Semaphore(0)
        self.free.set()

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        self.threads.add(threading.current_thread().name)
        self.entered.release()
        self.free.wait(PATIENCE)
        numbers = [int(image[0, 0, 0]) for image in images]
        self.batches.append(numbers)
        self.questions.append((classes, view))
        if 255 in numbers:
            raise ValueError("a broken picture")
        return [explanation(number) for number in numbers]


def explanation(number: int) -> Explanation:
    return Explanation(
        predictions=(Prediction(number, str(number), 1.0, 0.5),),
        explained=(number,),
        evidence=np.full((1, 2, 2), number, np.float32),
        region=Region(0, 0, 4, 4),
        labels=(str(number),),
    )


def image_of(number: int) -> Image:
    return np.full((4, 4, 3), number, np.uint8)


@pytest.fixture
def explainer() -> Readable:
    return Readable()


@pytest.fixture
def others() -> dict[str, Readable]:
    """What the pool made, by method."""
    return {}


@pytest.fixture
def pool(
    explainer: Readable, others: dict[str, Readable], classifier: Classifier
) -> ExplainerPool[BatchExplainer]:
    def make(_classifier: Classifier, method: str) -> BatchExplainer:
        others[method] = Readable()
        others[method].threads.add(threading.current_thread().name)
        return others[method]

    return ExplainerPool[BatchExplainer](classifier, make, given=explainer)


@pytest.fixture
def engine(pool: ExplainerPool[BatchExplainer], explainer: Readable) -> Iterator[SharedEngine]:
    with SharedEngine(pool, batch=4, waiting_per_visitor=8) as engine:
        yield engine
        explainer.free.set()


Held = Callable[[Sequence[tuple[str, int]]], list[Future[Explanation]]]


@pytest.fixture
def held(engine: SharedEngine, explainer: Readable) -> Held:
    """Submits images while the network is busy, so that they wait together; then lets it go."""

    def submit(images: Sequence[tuple[str, int]]) -> list[Future[Explanation]]:
        explainer.free.clear()
        first = engine.submit("early", image_of(200))
        assert explainer.entered.acquire(timeout=PATIENCE)
        results = [engine.submit(visitor, image_of(number)) for visitor, number in images]
        explainer.free.set()
        first.result(PATIENCE)
        return results

    return submit


def test_what_waits_shares_a_forward(held: Held, explainer: Readable) -> None:
    results = held([("a", 1), ("b", 2), ("c", 3)])
    assert [result.result(PATIENCE).explained for result in results] == [(1,), (2,), (3,)]
    assert explainer.batches == [[200], [1, 2, 3]]


def test_a_turn_serves_one_image_of_each_before_a_second_of_anybody(
    held: Held, explainer: Readable
) -> None:
    results = held([("many", 1), ("many", 2), ("many", 3), ("many", 4), ("one", 5), ("two", 6)])
    for result in results:
        result.result(PATIENCE)
    assert explainer.batches[1] == [1, 5, 6, 2]
    assert explainer.batches[2] == [3, 4]


def test_no_forward_is_larger_than_allowed(held: Held, explainer: Readable) -> None:
    results = held([(f"visitor {number}", number) for number in range(11)])
    assert [result.result(PATIENCE).explained[0] for result in results] == list(range(11))
    assert [len(batch) for batch in explainer.batches] == [1, 4, 4, 3]


def test_different_questions_are_asked_apart(engine: SharedEngine, explainer: Readable) -> None:
    explainer.free.clear()
    first = engine.submit("early", image_of(200))
    assert explainer.entered.acquire(timeout=PATIENCE)
    crop = engine.submit("a", image_of(1))
    full = engine.submit("b", image_of(2), view="full")
    named = engine.submit("c", image_of(3), classes=7)
    also_crop = engine.submit("d", image_of(4))
    explainer.free.set()
    for result, number in ((first, 200), (crop, 1), (full, 2), (named, 3), (also_crop, 4)):
        assert result.result(PATIENCE).explained == (number,)
    assert explainer.batches[1:] == [[1, 4], [2], [3]]
    assert explainer.questions[1:] == [(None, "crop"), (None, "full"), (7, "crop")]


def test_another_explainer_is_asked_apart(
    engine: SharedEngine, explainer: Readable, others: dict[str, Readable]
) -> None:
    explainer.free.clear()
    first = engine.submit("early", image_of(200))
    assert explainer.entered.acquire(timeout=PATIENCE)
    results = [
        engine.submit("a", image_of(1)),
        engine.submit("b", image_of(2), key=engine.pool.key(method="layercam")),
    ]
    explainer.free.set()
    first.result(PATIENCE)
    assert [result.result(PATIENCE).explained for result in results] == [(1,), (2,)]
    assert (explainer.batches, others["layercam"].batches) == ([[200], [1]], [[2]])


def test_all_that_touches_the_network_is_done_in_one_thread(
    engine: SharedEngine, explainer: Readable, others: dict[str, Readable]
) -> None:
    key = engine.pool.key(method="layercam")
    engine.submit("a", image_of(1)).result(PATIENCE)
    engine.submit("b", image_of(2), key=key).result(PATIENCE)
    done_in = engine.run(lambda: threading.current_thread().name).result(PATIENCE)
    assert {done_in} == explainer.threads == others["layercam"].threads
    assert done_in != threading.current_thread().name


def test_an_unknown_layer_is_the_answer_to_who_asked_for_it(
    engine: SharedEngine, explainer: Readable
) -> None:
    unknown = engine.submit("a", image_of(1), key=engine.pool.key("layer9"))
    with pytest.raises(UsageError, match="unknown layer: layer9"):
        unknown.result(PATIENCE)
    assert engine.submit("a", image_of(2)).result(PATIENCE).explained == (2,)


def test_one_broken_image_does_not_spoil_the_others(held: Held) -> None:
    before, broken, after = held([("a", 1), ("b", 255), ("c", 3)])
    assert before.result(PATIENCE).explained == (1,)
    assert after.result(PATIENCE).explained == (3,)
    with pytest.raises(ValueError, match="a broken picture"):
        broken.result(PATIENCE)


def test_a_visitor_cannot_fill_the_queue(engine: SharedEngine, explainer: Readable) -> None:
    explainer.free.clear()
    engine.submit("early", image_of(200))
    assert explainer.entered.acquire(timeout=PATIENCE)
    for number in range(8):
        engine.submit("greedy", image_of(number))
    with pytest.raises(Busy, match="too many of your pictures"):
        engine.submit("greedy", image_of(9))
    modest = engine.submit("modest", image_of(10))
    explainer.free.set()
    assert modest.result(PATIENCE).explained == (10,)


def test_who_gives_up_costs_no_forward(engine: SharedEngine, explainer: Readable) -> None:
    explainer.free.clear()
    engine.submit("early", image_of(200))
    assert explainer.entered.acquire(timeout=PATIENCE)
    gone = engine.submit("a", image_of(1))
    stays = engine.submit("b", image_of(2))
    assert gone.cancel()
    explainer.free.set()
    assert stays.result(PATIENCE).explained == (2,)
    assert explainer.batches == [[200], [2]]


def test_an_engine_that_was_never_asked_has_no_thread(
    pool: ExplainerPool[BatchExplainer],
) -> None:
    before = set(threading.enumerate())
    with SharedEngine(pool):
        assert set(threading.enumerate()) <= before  # those of others may end meanwhile


def test_closing_answers_everybody(
    pool: ExplainerPool[BatchExplainer], explainer: Readable
) -> None:
    engine = SharedEngine(pool)
    explainer.free.clear()
    first = engine.submit("early", image_of(200))
    assert explainer.entered.acquire(timeout=PATIENCE)
    waiting = engine.submit("a", image_of(1))
    closing = threading.Thread(target=engine.close)
    closing.start()
    with pytest.raises(Busy, match="closing"):
        waiting.result(PATIENCE)
    explainer.free.set()
    closing.join(PATIENCE)
    assert first.result(PATIENCE).explained == (200,)
    engine.close()
    with pytest.raises(Busy, match="closing"):
        engine.submit("late", image_of(1))
    with pytest.raises(Busy, match="closing"):
        engine.run(lambda: None)


def test_nobody_gets_the_answer_of_another(engine: SharedEngine) -> None:
    def visit(visitor: int) -> list[tuple[int, float]]:
        explainer = VisitorExplainer(engine, f"visitor {visitor}")
        answers = []
        for turn in range(20):
            number = visitor * 20 + turn
            images = [image_of(number), image_of(number)]
            for each in explainer.explain_batch(images):
                answers.append((each.explained[0], float(each.evidence[0, 0, 0])))
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(visit, range(8)))
    for visitor, own in enumerate(answers):
        numbers = [visitor * 20 + turn for turn in range(20) for _ in range(2)]
        assert own == [(number, float(number)) for number in numbers]


def test_what_is_made_of_features_is_each_visitors_own(engine: SharedEngine) -> None:
    """One forward, and an answer for each; what fails for one of them fails for nobody else."""
    forwards: list[int] = []

    class Features(FeatureExtractor):
        def __init__(self) -> None:
            """Nothing is run."""

        @override
        def extract(
            self, images: Sequence[Image], *, view: View | None = None
        ) -> list[FrameFeatures]:
            forwards.append(len(images))
            shape = Region(0, 0, 4, 4)
            return [
                FrameFeatures(
                    np.array([image[0, 0, 0]], np.float32),
                    np.zeros((1, 1, 1), np.float32),
                    image,
                    shape,
                )
                for image in images
            ]

    def half(frame: FrameFeatures) -> float:
        return float(frame.pooled[0]) / 2

    def fail(_frame: FrameFeatures) -> float:
        raise UsageError("cannot explain", "", "this one's head")

    features, free = Features(), threading.Event()
    engine.run(lambda: free.wait(PATIENCE))
    found = [
        engine.submit_features(visitor, image_of(8), features, then)
        for visitor, then in (("a", half), ("b", fail), ("c", half))
    ]
    free.set()
    assert found[0].result(PATIENCE) == found[2].result(PATIENCE) == 4.0
    with pytest.raises(UsageError, match="this one's head"):
        found[1].result(PATIENCE)
    assert forwards == [3]
