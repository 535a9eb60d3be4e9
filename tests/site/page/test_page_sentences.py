"""The page says what Python says: the same sentences about the same numbers."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import judge, removal_numbers, removal_sentence
from live_gradcam.predictions import predict
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Explanation, OutputKind, OutputName, Region
from live_gradcam.web.messages import describe_answer, describe_spot, plain
from live_gradcam.wording import number, percent

from .visits import Visit

LABELS = ("mug", "zebra", "no finding", "4x4 car", "tree_frog (green)")
KINDS: tuple[OutputName, ...] = ("softmax", "sigmoid", "raw")


def removals() -> list[Removal]:
    """Removal tests of every kind, with numbers at the edges of each judgement."""
    chance = random.Random(3)
    steps = (0.0, 0.004, 0.04, 0.05, 0.1, 0.3, 0.5, 0.52, 0.9, 0.996, 1.0)
    found = []
    for _ in range(400):
        controls = tuple(chance.choice(steps) for _ in range(chance.choice((1, 4, 7))))
        of_probability = chance.random() < 0.7
        before, without = chance.choice(steps), chance.choice(steps)
        if not of_probability:
            before, without = before * 40 - 20, without * 40 - 20
        found.append(
            Removal(
                0,
                chance.choice(LABELS),
                before,
                without,
                controls,
                of_probability=of_probability,
                named=chance.random() < 0.7,
                named_without_hot=chance.random() < 0.5,
                named_without_controls=chance.randint(0, len(controls)),
                exclusive=chance.random() < 0.7,
            )
        )
    return found


def as_script(removal: Removal) -> dict[str, Any]:
    return {
        "classIndex": removal.class_index,
        "label": removal.label,
        "before": removal.before,
        "withoutHot": removal.without_hot,
        "withoutControls": list(removal.without_controls),
        "share": removal.share,
        "ofProbability": removal.of_probability,
        "named": removal.named,
        "namedWithoutHot": removal.named_without_hot,
        "namedWithoutControls": removal.named_without_controls,
        "exclusive": removal.exclusive,
        "completenessResidual": None,
    }


def test_every_removal_test_is_judged_in_the_same_words(visit: Visit) -> None:
    cases = removals()

    found = visit.run(
        """async (cases) => {
          const { judge, removalSentence, removalNumbers } = await import("./js/verdicts.js");
          const { texts, figures } = liveGradcam.session.site;
          return cases.map((each) => [
            judge(each, figures.verdict),
            removalSentence(each, figures.verdict, texts),
            removalNumbers(each, texts),
          ]);
        }""",
        [as_script(each) for each in cases],
    )

    expected = [[judge(each), removal_sentence(each), removal_numbers(each)] for each in cases]
    assert found == expected
    assert {each[0] for each in found} >= {"decides", "counts", "undecided", "does not decide"}


def test_figures_are_written_alike(visit: Visit) -> None:
    values = [0, 0.001, 0.005, 0.015, 0.125, 0.5, 0.994, 0.995, 0.9999, 1, 1.2, -0.1]
    numbers = [0, 12.5, -3.14159, 1234.5, 999999, 1e6, 1.5e9, 0.00001234, 123456, 99.995, -0.5]

    found = visit.run(
        """async ([values, numbers]) => {
          const { percent, number } = await import("./js/wording.js");
          const { texts } = liveGradcam.session.site;
          return [values.map((each) => percent(each)), values.map((each) => percent(each, texts)),
            numbers.map(number)];
        }""",
        [values, numbers],
    )

    assert found[0] == [percent(each) for each in values]
    assert found[1] == [percent(each, in_words=True) for each in values]
    assert found[2] == [number(each) for each in numbers]


def explained(
    output: OutputKind, scores: list[float], shown: int, evidence: list[float]
) -> Explanation:
    labels = LABELS[: len(scores)]
    return Explanation(
        predict(np.array(scores, np.float32), labels, min(3, len(scores)), (shown,), output),
        (shown, *(index for index in range(len(labels)) if index != shown)),
        np.array(evidence, np.float32).reshape(len(labels), 1, 1),
        Region(0, 0, 10, 10),
        labels=(labels[shown], *(label for index, label in enumerate(labels) if index != shown)),
        output=output,
    )


def cases() -> list[tuple[OutputKind, list[float], int]]:
    found: list[tuple[OutputKind, list[float], int]] = []
    for kind in KINDS:
        for scores in (
            [3.0, 1, 0, 0, -1],
            [0.1, 0, 0, 0, 0],
            [-4.0, -3, -5, -6, -5],
            [2.0, 5, 1, 0, 0],
        ):
            found += [(OutputKind(kind), scores, shown) for shown in (0, 1, 4)]
    for threshold in (0.3, 0.5, 0.9):
        for logit in (-3.0, -0.4, 0.4, 3.0):
            found += [
                (OutputKind("binary", None, threshold), [-logit, logit], shown) for shown in (0, 1)
            ]
    return found


@pytest.mark.parametrize("sign", [1.0, -1.0, 0.0])
def test_answers_and_spots_are_described_in_the_same_words(visit: Visit, sign: float) -> None:
    listed, expected = [], []
    for output, scores, shown in cases():
        evidence = [sign * (0.5 - 0.3 * index) for index in range(len(scores))]
        explanation = explained(output, scores, shown, evidence)
        spot = spot_at(explanation, 5, 5)
        expected.append([plain(describe_answer(explanation)), describe_spot(spot)])
        classes = list(explanation.explained)
        listed.append([output.name, output.threshold, scores, shown, evidence, classes])

    found = visit.run(
        """async (listed) => {
          const { describeAnswer, describeSpot } = await import("./js/answers.js");
          const { predict } = await import("./js/predictions.js");
          const { spotAt } = await import("./js/evidence.js");
          const site = structuredClone(liveGradcam.session.site);
          return listed.map(([output, threshold, scores, shown, values, classes]) => {
            const labels = LABELS.slice(0, scores.length);
            site.model = { ...site.model, output, threshold, labels };
            const explanation = {
              scores: Float32Array.from(scores),
              predictions: predict(scores, site.model, Math.min(3, scores.length), [shown]),
              evidence: { data: Float32Array.from(values), classes, rows: 1, columns: 1 },
              region: { x: 0, y: 0, width: 10, height: 10 },
              finite: true,
            };
            const colours = values[0] > 0 ? "spot.coloured" : "spot.uncoloured";
            const spot = spotAt(explanation, site.model.labels, shown, 5, 5);
            const { model } = site;
            return [
              describeAnswer(explanation, shown, colours, model, site),
              describeSpot(spot, model, site),
            ];
          });
        }""".replace("LABELS", repr(list(LABELS))),
        listed,
    )

    assert found == expected


def test_overflow_and_the_unseen_are_said(visit: Visit) -> None:
    explanation = replace(explained(OutputKind(), [1.0, 0.0], 0, [1.0, 0.0]), finite=False)
    found = visit.run(
        """async () => {
          const { describeAnswer, describeSpot } = await import("./js/answers.js");
          const { model, site } = liveGradcam.session;
          const overflow = { finite: false };
          return [describeAnswer(overflow, 0, "", model, site), describeSpot(null, model, site)];
        }"""
    )
    assert found == [plain(describe_answer(explanation)), describe_spot(None)]
