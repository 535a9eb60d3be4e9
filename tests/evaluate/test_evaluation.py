"""The evaluation as a whole: cheats are exposed, honest ones pass, and what is done stays done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.choices import Fuse
from live_gradcam.errors import SinkError, SourceError, UsageError
from live_gradcam.evaluate.annotations import ImageAnnotation, ObjectAnnotation
from live_gradcam.evaluate.dataset import DatasetItem, open_dataset
from live_gradcam.evaluate.evaluation import Evaluation, Stage, items_digest, run_evaluation
from live_gradcam.evaluate.options import MEASURES, EvaluationOptions, parse_measures
from live_gradcam.evaluate.outputs import format_csv, format_json
from live_gradcam.evaluate.rle import RunLengthMask
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine import batching
from live_gradcam.explain.engine.batching import BatchSizer
from live_gradcam.explain.layers import choose_layers
from tests.evaluate.support import (
    DATA,
    FORMAT_2,
    LABELS,
    Clue,
    arithmetic_classifier,
    trained,
    write_folder,
)
from tests.explain.support import tiny_classifier

# Training two networks takes long where other processes want the cores, too.

BRIEF = EvaluationOptions(steps=4, sanity_images=2, device="cpu", precision="fp32")
BRIEFER = replace(BRIEF, sanity=False)


def measure(
    network: Classifier,
    folder: Path,
    options: EvaluationOptions = BRIEF,
    *,
    boxes: Path | None = None,
    resume: Path | None = None,
    on_progress: Callable[[Stage, int, int], None] | None = None,
) -> Evaluation:
    dataset = open_dataset(folder, network.labels, boxes=boxes)
    return run_evaluation(network, dataset, options, resume=resume, on_progress=on_progress)


def report_of(evaluation: Evaluation, folder: Path) -> str:
    path = folder / "report.html"
    evaluation.write_file(path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def honest_and_cheat(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evaluation]:
    found = {}
    for clue in get_args(Clue):
        folder = tmp_path_factory.mktemp(clue)
        images = write_folder(folder, clue)
        found[clue] = measure(trained(clue), images, boxes=folder / "boxes.json")
    return found


def test_both_are_right(honest_and_cheat: dict[str, Evaluation]) -> None:
    for evaluation in honest_and_cheat.values():
        summary = evaluation.result.summary
        assert (summary.totals.top1 or 0.0) > 0.9
        assert {each.label for each in summary.classes} == set(LABELS)


def test_the_cheat_is_exposed(honest_and_cheat: dict[str, Evaluation], tmp_path: Path) -> None:
    evaluation = honest_and_cheat["ground"]
    figures = evaluation.to_dict()["totals"]["methods"]["gradcam"]
    assert figures["inside"] < 0.3
    assert figures["removal_drop"] - figures["control_drop"] < 0.1
    report = report_of(evaluation, tmp_path)
    classes = evaluation.result.summary.classes
    for each in classes:
        outside = [s for s in each.findings if "evidence mostly outside of the object" in s]
        assert len(outside) == 1
        assert "the network looks at the background" in outside[0]
        assert outside[0] in report
    said = [sentence for each in classes for sentence in each.findings]
    # So sure of the ground that no blurred fifth shakes it: of removal, nothing can be said.
    assert figures["saturated"] == figures["tested"] == 18
    assert not any("does not matter more" in s for s in said)
    assert "3 of 3 classes look suspicious" in report


def test_the_honest_one_passes(honest_and_cheat: dict[str, Evaluation], tmp_path: Path) -> None:
    evaluation = honest_and_cheat["object"]
    figures = evaluation.to_dict()["totals"]["methods"]["gradcam"]
    assert figures["inside"] > 0.7
    assert figures["pointing"] > figures["chance"] + 0.3
    assert figures["removal_drop"] > figures["control_drop"] + 0.1
    assert [each.findings for each in evaluation.result.summary.classes] == [(), (), ()]
    assert "Nothing looks suspicious in 3 classes" in report_of(evaluation, tmp_path)


def test_scrambled_weights_change_the_map(honest_and_cheat: dict[str, Evaluation]) -> None:
    stages = honest_and_cheat["object"].result.sanity
    assert [each.stage for each in stages] == ["head", "last", "middle", "stem"]
    assert all(-1 <= each.correlation["gradcam"] <= 1 for each in stages)
    assert abs(stages[-1].correlation["gradcam"]) < 0.5


def test_every_figure_is_the_mean_of_the_images(honest_and_cheat: dict[str, Evaluation]) -> None:
    result = honest_and_cheat["object"].to_dict()
    own = [each["methods"]["gradcam"] for each in result["pictures"]]
    figures = result["totals"]["methods"]["gradcam"]
    for key in ("deletion", "insertion", "removal_drop", "average_drop", "increase"):
        assert figures[key] == pytest.approx(np.mean([each[key] for each in own]))
    (row,) = [row for row in result["classes"] if row["label"] == "down"]
    hits = [
        each["methods"]["gradcam"]["objects"][0]["hit"]
        for each in result["pictures"]
        if each["labels"] == [1]
    ]
    assert row["methods"]["gradcam"]["pointing"] == np.mean(hits)
    assert row["pictures"] == len(hits) == 6


def test_methods_stand_side_by_side(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=1)
    methods = ("gradcam", "hirescam", "eigencam")
    options = replace(BRIEF, methods=methods, sanity_images=1)
    evaluation = measure(network, images, options, boxes=tmp_path / "boxes.json")
    result = evaluation.to_dict()
    figures = result["totals"]["methods"]
    for key in ("deletion", "insertion", "inside", "average_drop"):
        # With nothing but pooling and one Linear behind the layer, the two are the same map.
        same = pytest.approx(figures["gradcam"][key], rel=1e-4)
        assert figures["hirescam"][key] == same, key
        assert figures["eigencam"][key] != figures["gradcam"][key]
    assert all(set(stage["correlation"]) == set(methods) for stage in result["sanity"])
    # What does not ask the scores does not change with them.
    assert result["sanity"][0]["correlation"]["eigencam"] == pytest.approx(1.0)
    report = report_of(evaluation, tmp_path)
    pairs = report.count('class="pair"')
    assert 1 <= pairs <= 3
    assert report.count("data:image/jpeg") == 2 * pairs + 3 * len(methods)


# What is done stays done


class StopError(Exception):
    """Ends an evaluation in the middle."""


def stop_after(count: int) -> Callable[[Stage, int, int], None]:
    def stop(stage: Stage, done: int, total: int) -> None:
        if (stage, done) == ("images", count):
            raise StopError

    return stop


def test_an_interrupted_evaluation_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=2)
    whole = format_json(measure(network, images).result)
    partial = tmp_path / "partial"
    for count in (1, 4):
        with pytest.raises(StopError):
            measure(network, images, resume=partial, on_progress=stop_after(count))
    kept = partial.read_bytes()
    assert kept.count(b"\n") == 1 + 4
    partial.write_bytes(kept[:-40])  # as a kill in the middle of a line leaves it
    assert format_json(measure(network, images, resume=partial).result) == whole
    done = partial.read_bytes()
    assert format_json(measure(network, images, resume=partial).result) == whole
    assert partial.read_bytes() == done
    assert done.startswith(kept[:-40])


def test_a_busy_machine_measures_the_same_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=2)
    monkeypatch.setattr(batching, "_SIZES", {"cpu": (4, 1)})
    note = BatchSizer.note

    def measured(of_one: float) -> str:
        def timed(sizer: BatchSizer, batch: int, height: int, width: int, _: float) -> None:
            note(sizer, batch, height, width, of_one if batch == 1 else batch)

        monkeypatch.setattr(BatchSizer, "note", timed)
        return format_json(measure(network, images, BRIEFER).result)

    # A single image in a forward is added up in another order.
    assert measured(0.1) == measured(10.0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"steps": 5}, "steps was 4 and is 5"),
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"view": "full"}, 'view was "crop" and is "full"'),
        ({"measures": ("pointing",)}, "measures was"),
    ],
)
def test_partial_results_of_other_settings_are_refused(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=1)
    partial = tmp_path / "partial"
    with pytest.raises(StopError):
        measure(network, images, BRIEFER, resume=partial, on_progress=stop_after(1))
    kept = partial.read_bytes()
    with pytest.raises(UsageError, match=words):
        measure(network, images, replace(BRIEFER, **changed), resume=partial)
    with pytest.raises(UsageError, match="weights was"):
        measure(tiny_classifier(3, 1, labels=list(LABELS)), images, BRIEFER, resume=partial)
    first = images / LABELS[0] / "0.png"
    before = first.read_bytes()
    first.write_bytes(before + b"more")
    with pytest.raises(UsageError, match="data was"):
        measure(network, images, BRIEFER, resume=partial)
    first.with_name("new.png").write_bytes(before)
    with pytest.raises(UsageError, match="pictures was 3 and is 4"):
        measure(network, images, BRIEFER, resume=partial)
    assert partial.read_bytes() == kept


def test_partial_results_of_layers_fused_in_another_way_are_refused(tmp_path: Path) -> None:
    images = write_folder(tmp_path, "object", per_class=1)
    partial = tmp_path / "partial"
    network = tiny_classifier(3, labels=list(LABELS))
    mean, largest = (choose_layers(network, "all", fuse=fuse) for fuse in get_args(Fuse))
    with pytest.raises(StopError):
        measure(mean, images, BRIEFER, resume=partial, on_progress=stop_after(1))
    with pytest.raises(UsageError, match='fuse was "mean" and is "max"'):
        measure(largest, images, BRIEFER, resume=partial)


# What users have on their disks stays as it is


def test_an_old_file_of_partial_results_gives_the_old_results_to_the_byte(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    shutil.copy(DATA / "format2.partial", partial)
    network = arithmetic_classifier()
    dataset = open_dataset("scenes:3", network.labels, scenes=5)
    said: list[str] = []
    evaluation = run_evaluation(network, dataset, FORMAT_2, resume=partial, on_notice=said.append)
    assert any("going on after 8 results" in sentence for sentence in said)
    assert partial.read_bytes() == (DATA / "format2.partial").read_bytes()
    json_text = (DATA / "format2.json").read_text(encoding="utf-8")
    assert format_json(evaluation.result) == json_text
    assert format_csv(evaluation.result) == (DATA / "format2.csv").read_text(encoding="utf-8")


def assert_alike(ours: Any, theirs: Any, place: str = "result") -> None:
    """The same keys in the same order, the same kinds of values, and the same figures."""
    assert type(ours) is type(theirs), place
    if isinstance(ours, dict):
        assert list(ours) == list(theirs), place
        for key in ours:
            assert_alike(ours[key], theirs[key], f"{place}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), place
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_alike(*pair, f"{place}[{index}]")
    elif isinstance(ours, float):
        # Probabilities of other processors differ in float32's last digits, and so do their
        # differences, which may be next to nothing.
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6), place
    else:
        assert ours == theirs, place


def test_what_is_measured_today_is_what_was_measured_then() -> None:
    network = arithmetic_classifier()
    dataset = open_dataset("scenes:3", network.labels, scenes=5)
    ours = run_evaluation(network, dataset, FORMAT_2).to_dict()
    theirs = json.loads((DATA / "format2.json").read_text(encoding="utf-8"))
    assert_alike(json.loads(json.dumps(ours)), theirs)


def test_the_digest_of_annotated_images_is_that_of_format_1(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(b"1234567")
    triangle = ((0.0, 0.0), (2.0, 0.0), (0.0, 2.0))
    outlined = ObjectAnnotation("fish", (1.0, 2.0, 3.0, 4.5), (triangle,))
    mask = RunLengthMask((3, 4), (1, 2, 4, 3, 2))
    painted = ObjectAnnotation("a'b\"", (1.0, 2.0, 3.0, 4.0), mask=mask)
    one, two = ImageAnnotation((outlined,), (5, 6)), ImageAnnotation((outlined, painted))
    items = [
        DatasetItem("a.png", file, labels=(1,), annotation=one, classes=(1,)),
        DatasetItem("b \u91d1.png", Path("nowhere.png"), annotation=two, classes=(None, 3)),
        DatasetItem("scene 5", scene=(5, 2)),
        DatasetItem("c.png", file, annotation=ImageAnnotation(())),
    ]
    assert items_digest(items) == "a1105287cb425ba3"


# Data that is not as it should be


def test_broken_images_are_left_out_counted_and_named(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=1)
    (images / "down" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    result = measure(network, images, replace(BRIEFER, measures=("accuracy",))).result
    assert result.summary.totals.images == 3
    assert [each.name for each in result.skipped] == ["down/broken.png"]
    assert any("1 left out, such as down/broken.png" in note for note in result.notes)
    for path in images.rglob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(SourceError, match="none of the 4 pictures"):
        measure(network, images)


def test_one_image_of_unknown_content(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=1)
    evaluation = measure(network, images / "down" / "0.png")
    summary = evaluation.result.summary
    assert summary.classes == ()
    assert summary.totals.top1 is None
    figures = summary.totals.methods["gradcam"]
    assert figures.inside is None
    assert figures.deletion is not None or figures.blank == 1
    report = report_of(evaluation, tmp_path)
    assert "What the pictures show is not known" in report
    assert report.count("data:image/jpeg") == 2 + 1, "beside its heat, and in its group"


def test_only_what_was_asked_for_is_measured(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=1)
    expected: dict[str, set[str]] = {
        "accuracy": set(),
        "removal": {*("removal_drop", "control_drop", "control_least", "control_most"), "verdict"},
        "curves": {"deletion", "insertion"},
        "drop": {"average_drop", "increase"},
        "pointing": {"objects"},
        "completeness": {"completeness_residual"},
    }
    assert set(expected) == set(MEASURES)
    for name, keys in expected.items():
        options = replace(BRIEFER, measures=parse_measures([name]), steps=2)
        result = measure(network, images, options, boxes=tmp_path / "boxes.json").to_dict()
        found: set[str] = set()
        for record in result["pictures"]:
            found |= set(record["methods"]["gradcam"])
        assert found - {"class_index", "probability", "blank"} == keys


# The public face


def test_an_evaluation_in_python(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=2)
    progress: list[tuple[Stage, int, int]] = []
    options = lg.EvaluationOptions(steps=2, sanity_images=1, device="cpu", precision="fp32")
    dataset = lg.open_dataset(images, network.labels, boxes=tmp_path / "boxes.json").subset(3)
    assert [item.labels for item in dataset.items] == [(0,), (1,), (2,)]
    evaluation = lg.run_evaluation(
        network, dataset, options, on_progress=lambda *each: progress.append(each)
    )
    assert progress == [
        *(("images", done, 3) for done in (1, 2, 3)),
        *(("sanity", done, 3) for done in (1, 2, 3)),
    ]
    assert isinstance(evaluation, lg.Evaluation)
    assert isinstance(evaluation.result, lg.EvaluationResult)
    assert evaluation.result.summary.totals.methods["gradcam"].objects == 3
    paths = evaluation.save(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["results.json", "images.csv", "report.html"]
    assert json.loads(paths[0].read_text(encoding="utf-8")) == evaluation.to_dict()
    assert len(paths[1].read_text(encoding="utf-8").splitlines()) == 1 + 3
    assert "Is it looking at the right thing?" in paths[2].read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"results\.json"):
        evaluation.save(tmp_path / "new" / "folder")
    assert evaluation.save(tmp_path / "new" / "folder", overwrite=True) == paths
    with pytest.raises(SinkError):
        evaluation.save(paths[0])


def test_a_source_is_enough_for_an_evaluation_in_python(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    images = write_folder(tmp_path, "object", per_class=1)
    evaluation = lg.run_evaluation(network, str(images), replace(BRIEFER, measures=("accuracy",)))
    assert evaluation.result.summary.totals.images == 3
    with pytest.raises(UsageError, match="Choose from"):
        lg.run_evaluation(network, images, replace(BRIEFER, methods=("sorcery",)))
