"""From records to sentences, tables, CSV and the page: on made-up records, large and hostile."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.evaluate.dataset import open_dataset
from live_gradcam.evaluate.gallery import Gallery, Shown, extremes, make_gallery
from live_gradcam.evaluate.outputs import as_csv, write_text
from live_gradcam.evaluate.report import as_html
from live_gradcam.evaluate.run import Machine, lookup_of
from live_gradcam.evaluate.settings import Settings
from live_gradcam.evaluate.summary import sanity_findings, summarise
from live_gradcam.evaluate.table import classes_table, totals_table
from tests.evaluate.cheats import LABELS, write_folder
from tests.evaluate.test_command import references
from tests.explain.support import tiny_classifier

EVIL = '</script><img src="http://evil.example/x" onerror=alert(1)>'


def measured(
    index: int, *, inside: float = 0.9, drop: float = 0.5, control: float = 0.1, hit: bool = True
) -> dict[str, Any]:
    return {
        "class_index": index,
        "probability": 0.8,
        "blank": False,
        "removal_drop": drop,
        "control_drop": control,
        "deletion": 0.1,
        "insertion": 0.7,
        "average_drop": 0.2,
        "increase": False,
        "completeness_residual": 1e-6,
        "objects": [
            {"class_index": index, "hit": hit, "chance": 0.3, "inside": inside, "area": 0.25}
        ],
    }


def record(place: int, label: int, *, said: int | None = None, **figures: Any) -> dict[str, Any]:
    said = label if said is None else said
    return {
        "picture": place,
        "name": f"{place}.png",
        "labels": [label],
        "predictions": [{"class_index": said, "label": f"class {said}", "probability": 0.8}],
        "top1": said == label,
        "top3": True,
        "methods": {"gradcam": measured(label, **figures)},
    }


def result_of(records: list[dict[str, Any]], labels: list[str], **more: Any) -> dict[str, Any]:
    return {
        "source": "made up",
        "settings": {"model": "made up", "layer": "none", "methods": ["gradcam"]},
        "notes": [],
        "skipped": [],
        **summarise(records, labels, ["gradcam"]),
        "sanity": [],
        "sanity_findings": [],
        "pictures": records,
        **more,
    }


@pytest.mark.parametrize(
    ("figures", "sentences"),
    [
        ({}, []),
        (
            {"inside": 0.2},
            [
                "Named right in 100 % of the pictures, but evidence mostly outside of the object: "
                "only 20 % of it lies on the object or beside it, which covers 25 % of the "
                "picture; the network looks at the background."
            ],
        ),
        (
            {"inside": 0.2, "said": 1},
            [
                "Evidence mostly outside of the object: only 20 % of it lies on the object or "
                "beside it, which covers 25 % of the picture; the network looks at the background."
            ],
        ),
        (
            {"hit": False},
            [
                "Named right in 100 % of the pictures, but the hottest point hits the object in "
                "0 % of the pictures, a random point in 30 %."
            ],
        ),
        (
            {"drop": 0.04, "control": 0.05},
            [
                "Removing the hottest fifth does not matter more than removing a fifth at random: "
                "the probability falls by 4 points against 5 points."
            ],
        ),
    ],
)
def test_what_is_suspicious_is_said(figures: dict[str, Any], sentences: list[str]) -> None:
    result = summarise([record(i, 0, **figures) for i in range(4)], ["fish", "cat"], ["gradcam"])
    (row,) = result["classes"]
    assert row["findings"] == sentences


def test_methods_that_disagree_are_no_verdict_on_the_network() -> None:
    records = [record(i, 0, inside=0.9) for i in range(3)]
    for each, other in zip(records, [record(i, 0, inside=0.2) for i in range(3)], strict=True):
        each["methods"]["layercam"] = other["methods"]["gradcam"]
    (row,) = summarise(records, ["fish"], ["gradcam", "layercam"])["classes"]
    (sentence,) = row["findings"]
    assert "(layercam)" in sentence
    assert "the network looks at the background" not in sentence
    assert "the methods differ" in sentence
    for each in records:
        each["methods"]["gradcam"] = each["methods"]["layercam"]
    (row,) = summarise(records, ["fish"], ["gradcam", "layercam"])["classes"]
    assert row["findings"][0].endswith("the network looks at the background (gradcam, layercam).")


def test_few_pictures_are_no_verdict() -> None:
    result = result_of([record(i, 0, inside=0.1, drop=0.0) for i in range(2)], ["fish"])
    assert result["classes"][0]["findings"] == []
    assert "fewer than 3 pictures" in result["limits"][0]
    assert "too few pictures" in as_html(result, Gallery({}))


def test_an_object_without_any_evidence_is_a_miss_and_is_counted() -> None:
    records = [record(i, 0) for i in range(3)]
    records[0]["methods"]["gradcam"]["objects"][0].update(inside=None, hit=False)
    result = summarise(records, ["fish"], ["gradcam"])
    figures = result["totals"]["methods"]["gradcam"]
    assert figures["inside"] == pytest.approx(0.9)
    assert figures["pointing"] == pytest.approx(2 / 3)
    assert any("1 of 3 objects have no evidence" in limit for limit in result["limits"])


def test_a_method_that_ignores_the_weights_is_named() -> None:
    sanity = [{"stage": "head", "correlation": {"a": 0.9, "b": 0.1}}]
    (sentence,) = sanity_findings(sanity, ["a", "b"])
    assert sentence.startswith("a hardly changes")
    assert sanity_findings([], ["a"]) == []


def test_the_worst_class_is_the_first_and_the_pointing_game_is_a_mean_of_classes() -> None:
    records = [record(i, 0, inside=0.95) for i in range(6)]
    records += [record(6 + i, 1, inside=0.3) for i in range(3)]
    records += [record(9 + i, 2, inside=0.6, hit=False) for i in range(3)]
    result = summarise(records, ["good", "bad", "middling"], ["gradcam"])
    assert [row["label"] for row in result["classes"]] == ["bad", "middling", "good"]
    assert result["totals"]["methods"]["gradcam"]["pointing"] == pytest.approx(2 / 3)
    assert result["totals"]["methods"]["gradcam"]["inside"] == pytest.approx(8.4 / 12)


def test_the_worst_and_the_best_pictures_are_shown_once_each() -> None:
    records = [record(i, 0, inside=i / 10) for i in range(7)]
    shown = extremes(records, 0, "gradcam")
    assert [(each["picture"], good) for each, good in shown] == [
        (0, False),
        (1, False),
        (5, True),
        (6, True),
    ]
    assert [each["picture"] for each, _ in extremes(records[:3], 0, "gradcam")] == [0, 1, 2]
    assert len(extremes(records[:1], 0, "gradcam")) == 1


def test_the_tables_fit_the_terminal() -> None:
    labels = [f"a class with quite a long name, number {index}" for index in range(500)]
    result = result_of([record(i, i % 500) for i in range(1500)], labels)
    for width in (40, 80, 200):
        table = classes_table(result, width=width, height=12)
        assert table is not None
        heading, rows = table
        assert len(rows) == 12
        assert len(heading) > 3 or width == 40
        widths = [max(len(row[i]) for row in (heading, *rows)) for i in range(len(heading))]
        assert sum(widths) + 2 * len(widths) <= max(width, 48)
    heading, rows = totals_table(result)
    assert heading == ["all", "gradcam"]
    assert ["pictures", "1500"] in rows
    assert ["on object", "90.0 %"] in rows


def test_a_page_of_five_hundred_classes_with_names_from_hell() -> None:
    labels = [f"{EVIL} {index}" for index in range(500)]
    records = [record(i, i % 500, inside=0.1) for i in range(1500)]
    result = result_of(
        records,
        labels,
        notes=[EVIL],
        skipped=[{"name": EVIL, "reason": EVIL}] * 500,
        sanity=[{"stage": EVIL, "correlation": {"gradcam": 0.1}}] * 12,
        sanity_findings=[EVIL],
        source=EVIL,
    )
    result["settings"]["model"] = EVIL
    shown = Shown(EVIL, EVIL, False, {EVIL: "data:image/jpeg;base64,AAAA"})
    page = as_html(result, Gallery({0: [shown]}, left_out=499))
    found = references(page)
    assert found.found == ["data:image/jpeg;base64,AAAA"]
    assert found.scripts == 1
    assert "500 of 500 classes look suspicious" in page
    assert "499 more classes" in page
    assert len(page) < 3 << 20


def test_a_report_stops_growing(tmp_path: Path) -> None:
    network = tiny_classifier(3, labels=list(LABELS))
    data = open_dataset(str(write_folder(tmp_path, "object", 2)), lookup_of(network))
    records = [record(place, item.labels[0]) for place, item in enumerate(data.items)]
    result = result_of(records, list(LABELS))
    items = dict(enumerate(data.items))
    machine = Machine("cpu", "fp32")

    def gallery(most_bytes: int) -> Gallery:
        lookup = lookup_of(network)
        return make_gallery(
            result, items, network, Settings(), machine, lookup, most_bytes=most_bytes
        )

    whole, small = gallery(1 << 20), gallery(1)
    assert [len(shown) for shown in whole.of_class.values()] == [2, 2, 2]
    assert (len(small.of_class), small.left_out) == (1, 2)
    for item in data.items:
        assert item.path is not None
        item.path.unlink()
    assert [len(shown) for shown in gallery(1 << 20).of_class.values()] == [0, 0, 0]


def test_cells_that_a_spreadsheet_would_run_are_defused() -> None:
    odd = record(0, 0)
    odd["name"] = '=HYPERLINK("http://evil.example")'
    rows = list(csv.DictReader(io.StringIO(as_csv(result_of([odd], ["-1+2", "b"])))))
    assert rows[0]["picture"] == '\'=HYPERLINK("http://evil.example")'
    assert rows[0]["labels"] == "'-1+2"
    assert float(rows[0]["inside"]) == 0.9
    assert rows[0]["increase"] == "0"


def test_an_output_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    write_text(path, "new \udcff")
    assert path.read_text() == "new \\udcff"
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]
