"""The evaluation as a whole: cheats are exposed, honest ones pass, and what is done stays done."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.errors import SinkError, SourceError, UsageError
from live_gradcam.evaluate.annotations import read_annotations
from live_gradcam.evaluate.dataset import open_dataset
from live_gradcam.evaluate.gallery import make_gallery
from live_gradcam.evaluate.outputs import as_json, check_outputs
from live_gradcam.evaluate.report import as_html
from live_gradcam.evaluate.run import Evaluation, Machine, evaluate, lookup_of
from live_gradcam.evaluate.settings import MEASURES, Settings, parse_measures
from live_gradcam.evaluate.state import State
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.layers import choose_layers, list_layers
from live_gradcam.faithfulness.randomize import cascading_randomization, count_stages
from live_gradcam.faithfulness.scoring import Scorer
from tests.evaluate.cheats import LABELS, trained, write_folder
from tests.explain.support import classifier, tiny_classifier

MACHINE = Machine("cpu", "fp32")
BRIEF = Settings(steps=4, sanity_pictures=2)


def measured(
    network: Classifier,
    folder: Path,
    settings: Settings = BRIEF,
    *,
    boxes: Path | None = None,
    state_path: Path | None = None,
    on_picture: Any = lambda _: None,
) -> Evaluation:
    known = read_annotations(boxes) if boxes is not None else None
    data = open_dataset(str(folder), lookup_of(network), boxes=known)
    evaluation, state = evaluate(
        network,
        data,
        data.items,
        settings,
        MACHINE,
        lambda about: State(state_path, about),
        on_picture=on_picture,
        on_stage=lambda done, of: None,
    )
    state.close()
    return evaluation


def report_of(evaluation: Evaluation, network: Classifier, settings: Settings = BRIEF) -> str:
    gallery = make_gallery(
        evaluation.result, evaluation.items, network, settings, MACHINE, lookup_of(network)
    )
    return as_html(evaluation.result, gallery)


@pytest.fixture(scope="module")
def honest_and_cheat(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Classifier, Evaluation]]:
    found = {}
    for clue in ("object", "ground"):
        folder = tmp_path_factory.mktemp(clue)
        pictures = write_folder(folder, clue)
        network = trained(clue)
        found[clue] = (network, measured(network, pictures, boxes=folder / "boxes.json"))
    return found


def test_both_are_right(honest_and_cheat: dict[str, tuple[Classifier, Evaluation]]) -> None:
    for _, evaluation in honest_and_cheat.values():
        assert evaluation.result["totals"]["top1"] > 0.9
        assert {row["label"] for row in evaluation.result["classes"]} == set(LABELS)


def test_the_cheat_is_exposed(honest_and_cheat: dict[str, tuple[Classifier, Evaluation]]) -> None:
    network, evaluation = honest_and_cheat["ground"]
    figures = evaluation.result["totals"]["methods"]["gradcam"]
    assert figures["inside"] < 0.3
    assert figures["removal_drop"] - figures["control_drop"] < 0.1
    report = report_of(evaluation, network)
    for row in evaluation.result["classes"]:
        outside = [s for s in row["findings"] if "evidence mostly outside of the object" in s]
        assert len(outside) == 1
        assert "the network looks at the background" in outside[0]
        assert outside[0] in report
    said = [s for row in evaluation.result["classes"] for s in row["findings"]]
    assert any("does not matter more than removing a fifth at random" in s for s in said)
    assert "3 of 3 classes look suspicious" in report


def test_the_honest_one_passes(honest_and_cheat: dict[str, tuple[Classifier, Evaluation]]) -> None:
    network, evaluation = honest_and_cheat["object"]
    figures = evaluation.result["totals"]["methods"]["gradcam"]
    assert figures["inside"] > 0.7
    assert figures["pointing"] > figures["chance"] + 0.3
    assert figures["removal_drop"] > figures["control_drop"] + 0.1
    assert [row["findings"] for row in evaluation.result["classes"]] == [[], [], []]
    assert "Nothing looks suspicious in 3 classes" in report_of(evaluation, network)


def test_scrambled_weights_change_the_map(
    honest_and_cheat: dict[str, tuple[Classifier, Evaluation]],
) -> None:
    _, evaluation = honest_and_cheat["object"]
    stages = evaluation.result["sanity"]
    assert [stage["stage"] for stage in stages] == ["head", "last", "middle", "stem"]
    assert all(-1 <= stage["correlation"]["gradcam"] <= 1 for stage in stages)
    assert abs(stages[-1]["correlation"]["gradcam"]) < 0.5


def test_every_figure_is_the_mean_of_the_pictures(
    honest_and_cheat: dict[str, tuple[Classifier, Evaluation]],
) -> None:
    result = honest_and_cheat["object"][1].result
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
    pictures = write_folder(tmp_path, "object", per_class=1)
    methods = ("gradcam", "hirescam", "eigencam")
    settings = Settings(methods=methods, steps=4, sanity_pictures=1)
    evaluation = measured(network, pictures, settings, boxes=tmp_path / "boxes.json")
    figures = evaluation.result["totals"]["methods"]
    for key in ("deletion", "insertion", "inside", "average_drop"):
        # With nothing but pooling and one Linear behind the layer, the two are the same map.
        assert figures["hirescam"][key] == pytest.approx(figures["gradcam"][key], abs=1e-5), key
        assert figures["eigencam"][key] != figures["gradcam"][key]
    assert all(set(stage["correlation"]) == set(methods) for stage in evaluation.result["sanity"])
    # What does not ask the scores does not change with them.
    assert evaluation.result["sanity"][0]["correlation"]["eigencam"] == pytest.approx(1.0)
    report = report_of(evaluation, network, settings)
    assert report.count("data:image/jpeg") == 3 * len(methods)


# Scores and stages


def test_the_scorer_says_what_the_explainer_says() -> None:
    network = tiny_classifier()
    image = np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)
    for view in ("crop", "stretch", "full"):
        with Explainer(network, device="cpu", precision="fp32", compile="off") as explainer:
            (found,) = explainer.explain_batch([image], view=view)
            scorer = Scorer(network, explainer.runtime)
        seen = scorer.see(image, view)
        best = found.predictions[0]
        ours = scorer.probabilities(np.stack([seen.inputs] * 40), best.class_index)
        assert seen.region == found.region
        assert ours == pytest.approx(best.probability, abs=1e-5)
    assert scorer.probabilities(np.zeros((0, 3, 64, 64), np.float32), 0).shape == (0,)


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet18", ["head", "layer4", "layer3", "layer2", "layer1", "conv1"]),
        ("squeezenet1_1", ["head", "features.12", "features.11", "features.10", "features.9"]),
    ],
)
def test_a_cascade_goes_from_the_head_to_the_first_layer(name: str, stages: list[str]) -> None:
    network = classifier(name, 10)
    before = {key: value.clone() for key, value in network.trunk.state_dict().items()}
    names, changed = [], []
    for stage, scrambled in cascading_randomization(network):
        names.append(stage)
        numbers = scrambled.trunk.state_dict()
        changed.append({key for key, old in before.items() if not old.equal(numbers[key])})
    assert names[: len(stages)] == stages
    assert len(names) == count_stages(network) <= 13
    assert changed[0] == set()
    for earlier, later in pairwise(changed):
        assert earlier < later
    convolutions = {key for key, value in before.items() if value.ndim == 4}
    assert convolutions <= changed[-1]
    assert all(value.equal(before[key]) for key, value in network.trunk.state_dict().items())


# What is done stays done


class Stop(Exception):
    pass


def stop_after(count: int) -> Any:
    def stop(done: int) -> None:
        if done == count:
            raise Stop

    return stop


def test_an_interrupted_evaluation_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    pictures = write_folder(tmp_path, "object", per_class=2)
    whole = as_json(measured(network, pictures).result)
    state = tmp_path / "state"
    for count in (1, 4):
        with pytest.raises(Stop):
            measured(network, pictures, state_path=state, on_picture=stop_after(count))
    kept = state.read_bytes()
    assert kept.count(b"\n") == 1 + 4
    state.write_bytes(kept[:-40])  # as a kill in the middle of a line leaves it
    assert as_json(measured(network, pictures, state_path=state).result) == whole
    asked: list[int] = []
    again = measured(network, pictures, state_path=state, on_picture=asked.append)
    assert as_json(again.result) == whole
    assert state.read_bytes().startswith(kept[:-40])


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
    pictures = write_folder(tmp_path, "object", per_class=1)
    state = tmp_path / "state"
    settings = Settings(steps=4, sanity=False)
    with pytest.raises(Stop):
        measured(network, pictures, settings, state_path=state, on_picture=stop_after(1))
    kept = state.read_bytes()
    other = Settings(**{"steps": 4, "sanity": False, **changed})
    with pytest.raises(UsageError, match=words):
        measured(network, pictures, other, state_path=state)
    with pytest.raises(UsageError, match="weights was"):
        measured(tiny_classifier(3, 1, labels=list(LABELS)), pictures, settings, state_path=state)
    first = pictures / LABELS[0] / "0.png"
    before = first.read_bytes()
    first.write_bytes(before + b"more")
    with pytest.raises(UsageError, match="data was"):
        measured(network, pictures, settings, state_path=state)
    first.with_name("new.png").write_bytes(before)
    with pytest.raises(UsageError, match="pictures was 3 and is 4"):
        measured(network, pictures, settings, state_path=state)
    assert state.read_bytes() == kept


def test_partial_results_of_layers_fused_in_another_way_are_refused(tmp_path: Path) -> None:
    pictures = write_folder(tmp_path, "object", per_class=1)
    state = tmp_path / "state"
    settings = Settings(steps=4, sanity=False)
    network = tiny_classifier(3, labels=list(LABELS))
    names = [layer.name for layer in list_layers(network)]
    fused = {fuse: choose_layers(network, ",".join(names), fuse=fuse) for fuse in ("mean", "max")}
    with pytest.raises(Stop):
        measured(fused["mean"], pictures, settings, state_path=state, on_picture=stop_after(1))
    with pytest.raises(UsageError, match='fuse was "mean" and is "max"'):
        measured(fused["max"], pictures, settings, state_path=state)


@pytest.mark.parametrize("content", [b"precious notes", b"precious\n", b'{"kind": 1}\n', b"[]\n"])
def test_a_file_that_is_no_state_is_never_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="partial results"):
        State(path, {"a": 1})
    assert path.read_bytes() == content


def test_a_state_that_cannot_be_written_is_code_4(tmp_path: Path) -> None:
    with pytest.raises(SinkError):
        State(tmp_path / "no" / "state", {})
    with pytest.raises(SinkError):
        State(tmp_path, {})


# Data that is not as it should be


def test_broken_pictures_are_left_out_counted_and_named(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    pictures = write_folder(tmp_path, "object", per_class=1)
    (pictures / "down" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    result = measured(network, pictures, Settings(measures=("accuracy",), sanity=False)).result
    assert result["totals"]["pictures"] == 3
    assert [each["name"] for each in result["skipped"]] == ["down/broken.png"]
    assert any("1 left out, such as down/broken.png" in note for note in result["notes"])
    for path in pictures.rglob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(SourceError, match="none of the 4 pictures"):
        measured(network, pictures)


def test_one_picture_of_unknown_content(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    pictures = write_folder(tmp_path, "object", per_class=1)
    evaluation = measured(network, pictures / "down" / "0.png")
    result = evaluation.result
    assert result["classes"] == []
    assert result["totals"]["top1"] is None
    figures = result["totals"]["methods"]["gradcam"]
    assert figures["inside"] is None
    assert figures["deletion"] is not None or figures["blank"] == 1
    report = report_of(evaluation, network)
    assert "What the pictures show is not known" in report
    assert report.count("data:image/jpeg") == 1


def test_only_what_was_asked_for_is_measured(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    pictures = write_folder(tmp_path, "object", per_class=1)
    boxes = tmp_path / "boxes.json"
    expected = {
        "accuracy": set(),
        "removal": {"removal_drop", "control_drop"},
        "curves": {"deletion", "insertion"},
        "drop": {"average_drop", "increase"},
        "pointing": {"objects"},
        "completeness": {"completeness_residual"},
    }
    assert set(expected) == set(MEASURES)
    for name, keys in expected.items():
        settings = Settings(measures=parse_measures([name]), steps=2, sanity=False)
        result = measured(network, pictures, settings, boxes=boxes).result
        found: set[str] = set()
        for record in result["pictures"]:
            found |= set(record["methods"]["gradcam"])
        assert found - {"class_index", "probability", "blank"} == keys
    assert parse_measures([]) == MEASURES
    assert parse_measures(["pointing, accuracy", "drop"]) == ("accuracy", "drop", "pointing")
    with pytest.raises(UsageError, match="removal"):
        parse_measures(["remval"])


def outputs(folder: Path, names: Sequence[str]) -> list[Path]:
    return [folder / name for name in names]


def test_outputs_are_refused_before_anything_slow(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("precious")
    (tmp_path / "folder.json").mkdir()
    for names, words in (
        (["x.txt"], "ending"),
        (["a.json", "sub/../a.json"], "same"),
        (["folder.json"], "folder"),
        (["old.json"], "--overwrite"),
    ):
        (tmp_path / "sub").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=words):
            check_outputs(outputs(tmp_path, names))
    with pytest.raises(UsageError, match="read at the same time"):
        check_outputs([tmp_path / "old.json"], [tmp_path / "old.json"], overwrite=True)
    with pytest.raises(SinkError):
        check_outputs(outputs(tmp_path, ["no/such/x.json"]))
    check_outputs(outputs(tmp_path, ["old.json", "b.csv", "c.html"]), overwrite=True)
    assert (tmp_path / "old.json").read_text() == "precious"
