"""One table of words, colours, keys and figures: whole, fillable, and the same as Python's."""

from __future__ import annotations

import json
import re
import string
from dataclasses import replace

import numpy as np
import pytest

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.faithfulness.removal import (
    Removal,
    control_areas,
    hottest_mask,
)
from live_gradcam.faithfulness.verdicts import judge, removal_numbers, removal_sentence
from live_gradcam.session.keys import KEYS
from live_gradcam.show.heat import heat_table
from live_gradcam.site import tables
from live_gradcam.values import Explanation, OutputKind, Prediction, Region
from live_gradcam.web.messages import describe_answer, describe_spot
from tests.site.conftest import Host

TEXTS = tables.texts()


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_text_is_words_with_named_places() -> None:
    for key, text in TEXTS.items():
        assert text.strip(), key
        assert all(name.isidentifier() for name in places(text)), key


def test_everything_is_json() -> None:
    for table in (
        tables.texts(),
        tables.colormaps(),
        tables.keys(),
        tables.settings(),
        tables.figures(),
    ):
        assert json.loads(json.dumps(table, allow_nan=False)) == table


@pytest.mark.parametrize("name", COLORMAP_NAMES)
def test_the_colours_are_those_of_the_window(name: str) -> None:
    colours = np.array(tables.colormaps()[name])
    assert colours.shape == (256, 3)
    np.testing.assert_array_equal(colours[:, ::-1], heat_table(name, 0.6, False).colours)


def test_signed_colours_are_warm_for_and_cool_against() -> None:
    red, _, blue = np.array(tables.colormaps()["signed"]).T
    assert red[255] > blue[255]
    assert red[1] < blue[1]


def test_every_key_that_does_not_end_a_session_has_its_row() -> None:
    rows = tables.keys()
    for binding in KEYS:
        row = rows.get(binding.keys[0])
        assert (row is None) == (binding.ends or binding.group == "teaching")
        if row is not None:
            assert row == {"keys": list(binding.keys), "shown": binding.shown}
            assert TEXTS[f"key.{binding.keys[0]}"] == binding.help


def test_the_control_areas_follow_from_the_table() -> None:
    """Shifts in the table's order, those that share little with the area, as many as it says."""
    figures = tables.figures()["removal"]
    side = figures["mask_side"]
    yy, xx = np.mgrid[:side, :side]
    evidence = np.exp(-((yy - 40) ** 2 + (xx - 70) ** 2) / 800).astype(np.float32)
    mask = hottest_mask(evidence, figures["share"])
    shared = [int((mask & np.roll(mask, tuple(each), (0, 1))).sum()) for each in figures["shifts"]]
    most = max(figures["overlap"] * mask.sum(), np.quantile(shared, figures["luckiest"]))
    chosen = [
        shift for shift, common in zip(figures["shifts"], shared, strict=True) if common <= most
    ][: figures["controls"]]
    expected = control_areas(mask)
    assert len(expected) == len(chosen) == figures["controls"]
    for shift, area in zip(chosen, expected, strict=True):
        np.testing.assert_array_equal(np.roll(mask, tuple(shift), (0, 1)), area)


def said(explanation: Explanation) -> str:
    return describe_answer(explanation)


def explanation(*shares: float, asked: int = 0, output: str = "softmax") -> Explanation:
    predictions = tuple(
        Prediction(index, f"label {index}", float(share), share)
        for index, share in enumerate(shares)
    )
    return Explanation(
        predictions=predictions,
        explained=(asked,),
        evidence=np.ones((1, 2, 2), np.float32),
        region=Region(0, 0, 20, 20),
        labels=(f"label {asked}",),
        method="gradcam",
        unit="logits",
        output=OutputKind(output),  # type: ignore[arg-type]
    )


def test_sentences_are_the_tables_own() -> None:
    sees = TEXTS["answer.sees"].format(label="**label 0**")
    assert said(explanation(0.9, 0.1)) == f"{sees} {TEXTS['spot.coloured']}"
    unsure = TEXTS["answer.unsure"].format(label="**label 0**")
    assert said(explanation(0.1, 0.05)).startswith(unsure)
    asked = TEXTS["answer.asked"].format(best="**label 0**", label="**label 1**")
    assert said(explanation(0.9, 0.1, asked=1)).startswith(asked)
    none = TEXTS["answer.none"].format(label="**label 0**")
    assert said(explanation(0.4, 0.1, output="sigmoid")).startswith(none)
    assert describe_spot(None) == TEXTS["spot.unseen"]


def test_verdicts_are_the_tables_own() -> None:
    removal = Removal(0, "mug", 0.9, 0.1, (0.88, 0.9, 0.91), named_without_hot=False)
    removal = replace(removal, named_without_controls=3)
    assert judge(removal) == "decides"
    lost = TEXTS["removal.lost_noun"].format(label="mug")
    found = TEXTS["removal.decides"].format(
        area=TEXTS["removal.marked_area"], lost=lost, kept=TEXTS["removal.kept_noun"]
    )
    judgement = TEXTS["judgement.decides"].format(area=TEXTS["removal.this_area"])
    whole = TEXTS["removal.sentence"].format(found=found, judgement=judgement)
    assert removal_sentence(removal) == whole
    between = TEXTS["removal.range"].format(lowest="88\u00a0%", highest="91\u00a0%")
    assert removal_numbers(removal) == TEXTS["removal.numbers"].format(
        share="20\u00a0%", before="90\u00a0%", without="10\u00a0%", count=3, between=between
    )


def test_scripts_read_all_that_the_page_is_told(host: Host) -> None:
    """What nobody reads is a promise that nobody keeps."""
    page = host.folder / "site"
    scripts = "".join(
        path.read_text(encoding="utf-8")
        for path in (*sorted((page / "js").glob("*.js")), page / "service-worker.js")
        if path.name != "types.js"
    )
    words = set(re.findall(r"\w+", scripts))
    described = json.loads((page / "site.json").read_text(encoding="utf-8"))
    # By it the words stay when the page is written anew.
    del described["english_sha256"]
    named = {*described, *described["graph"], *described["model"], *described["preprocessing"]}
    named |= {*described["settings"], *described["runtime"], *described["figures"]}
    named |= {key for part in described["figures"].values() for key in part}
    named |= {key for row in (*described["examples"], *described["keys"].values()) for key in row}
    assert sorted(named - words) == []
