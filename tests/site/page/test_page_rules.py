"""Rules that the page shares with Python beside its numbers: class names, steady maps, words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from live_gradcam.choices import FILM_SUFFIXES
from live_gradcam.class_names import find_class
from live_gradcam.errors import UsageError
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.session.smoothing import SteadyMaps
from live_gradcam.site import tables
from live_gradcam.spelling import near_in_spelling

from .visits import Visit, visiting

LABELS = (
    *("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, white shark"),
    *("tiger shark, Galeocerdo cuvieri", "golden retriever", "Labrador retriever", "coffee mug"),
    *("espresso", "no finding", "7", "tree_frog", "Kühlschrank", "crane", "crane", "tiger"),
)
TYPED = (
    *("goldfish", "GOLDFISH ", "carassius  auratus", "retriever", "white shark", "golden"),
    *("tree frog", "Tree_Frog", "gold fish", "goldfsih", "esspreso", "coffe mug", "tigre", "9"),
    *("7", "14", "99", "crane", "zzzz", "shrak", "labrador retreiver", "kühlschrnak", "tig", "a"),
    *("my golden retreiver", "no findings", "x", "mug coffee"),
)


def meant(typed: str) -> tuple[str, list[int]]:
    """What Python makes of a name: one class, several, or those that are spelt like it."""
    try:
        return "index", [find_class(LABELS, typed)]
    except UsageError as error:
        if "match" in str(error):
            return "many", []
    folded = [" ".join(label.casefold().replace("_", " ").split()) for label in LABELS]
    names = [[label, *(part.strip() for part in label.split(","))] for label in folded]
    wanted = " ".join(typed.casefold().replace("_", " ").split())
    return "near", [] if wanted.isdecimal() else near_in_spelling(wanted, names)


def test_a_typed_name_means_the_same_class(visit: Visit) -> None:
    found = visit.run(
        """async ([labels, typed]) => {
          const { findClass } = await import("./js/class_names.js");
          return typed.map((each) => findClass(labels, each));
        }""",
        [list(LABELS), list(TYPED)],
    )

    for typed, each in zip(TYPED, found, strict=True):
        kind, expected = meant(typed)
        assert list(each) == [kind], typed
        if kind == "index":
            assert each == {"index": expected[0]}, typed
        elif kind == "near":
            assert each == {"near": expected}, typed
    assert {kind for kind, _ in map(meant, TYPED)} == {"index", "many", "near"}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("crescnet", "no class called crescnet. Did you mean crescent?"),
        ("qqqq", "no class called qqqq. Choose one from the list."),
        ("cr", "Several classes are meant by cr: cross or crescent."),
    ],
)
def test_a_class_that_is_not_known_is_answered_with_those_that_are(
    visit: Visit, typed: str, words: str
) -> None:
    message = "() => document.getElementById('held').validationMessage"
    visit.page.fill("#held", typed)
    visit.page.keyboard.press("Enter")
    assert words in visit.run(message)
    # A class that is chosen otherwise takes the reproach with it.
    visit.page.locator("#classes button").first.click()
    assert visit.run(message) == ""
    visit.run("() => liveGradcam.session.state.set({ held: null })")


def test_a_part_of_a_name_and_a_number_choose_a_class(visit: Visit) -> None:
    for typed, label in (("LIGHT", "lightning"), ("2", SCENE_CLASSES[2])):
        visit.page.fill("#held", typed)
        visit.page.keyboard.press("Enter")
        assert visit.page.input_value("#held") == label
        assert visit.text("#tiles figcaption") == label
    visit.page.fill("#held", "")
    visit.page.keyboard.press("Enter")
    assert visit.run("() => liveGradcam.session.state.choices.held") is None


def maps() -> tuple[list[list[int]], list[NDArray[np.float32]], list[str]]:
    """Maps with noise, a class that comes and goes, a cut, another view."""
    random = np.random.default_rng(6)
    steady = random.normal(0, 1, (3, 35)).astype(np.float32)
    classes, evidence, contexts = [], [], []
    for step in range(60):
        if step == 25:
            steady = random.normal(0, 2, (3, 35)).astype(np.float32)
        steady = steady + random.normal(0, 0.004, steady.shape).astype(np.float32)
        shown = [0, 1, 2] if step % 9 else [2, 0]
        noise = random.normal(0, 0.02, (len(shown), 35)).astype(np.float32)
        classes.append(shown)
        evidence.append(steady[shown] + noise)
        contexts.append("crop" if step < 45 else "stretch")
    return classes, evidence, contexts


def test_maps_are_as_steady(visit: Visit) -> None:
    classes, evidence, contexts = maps()
    steady = SteadyMaps()
    expected = [
        steady.update(shown, each.reshape(-1, 5, 7), context).reshape(len(shown), -1)
        for shown, each, context in zip(classes, evidence, contexts, strict=True)
    ]

    found = visit.run(
        """async ([classes, evidence, contexts]) => {
          const { SteadyMaps } = await import("./js/steady_maps.js");
          const steady = new SteadyMaps(liveGradcam.session.site.figures.maps);
          return classes.map((shown, step) => {
            const maps = evidence[step].map((each) => Float32Array.from(each));
            return steady.update(shown, maps, contexts[step]).map((each) => Array.from(each));
          });
        }""",
        [classes, [each.tolist() for each in evidence], contexts],
    )

    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.array(ours), theirs, atol=1e-5)
    # Noise is taken out, and the cut is seen at once.
    assert np.abs(expected[20] - evidence[20]).max() > 0.01
    np.testing.assert_allclose(expected[25], evidence[25], rtol=1e-6)


def test_what_is_said_before_the_table_has_come_is_the_tables_own(visit: Visit) -> None:
    first = visit.run("async () => (await import('./js/texts.js')).FIRST")
    assert first
    assert first == {key: tables.texts()[key] for key in first}


def test_the_controls_offer_what_the_table_has(visit: Visit) -> None:
    settings: Any = tables.settings()
    for name, expected in (("layout", settings["layouts"]), ("colormap", settings["colormaps"])):
        offered = visit.run(
            "(id) => [...document.getElementById(id).options].map((each) => each.value)", name
        )
        assert offered == expected
    step = visit.run("() => Number(document.getElementById('opacity').step)")
    assert step == settings["opacity_step"]


@pytest.mark.parametrize("suffix", FILM_SUFFIXES)
def test_a_film_is_known_by_its_name_where_the_browser_does_not_know_its_type(
    visit: Visit, tmp_path: Path, suffix: str
) -> None:
    film = tmp_path / f"film{suffix.upper()}"
    film.write_bytes(b"film")
    visit.page.set_input_files("#picture-file", str(film))
    assert f"{film.name} is a video: open it on the tab Video" in visit.failure()


_KEPT_WHEN_READY = """
const waiting = setInterval(() => {
  if (!window.liveGradcam) return;
  clearInterval(waiting);
  liveGradcam.ready.then(async () => {
    window.kept = Boolean(await caches.match(new URL("graph.onnx", location)));
  });
}, 5);
"""


def test_the_network_is_kept_before_the_service_worker_would_load_it_again(
    chromium: Any, address: str
) -> None:
    with visiting(chromium, address, prepare=_KEPT_WHEN_READY, service_workers="block") as visit:
        visit.wait_until("window.kept !== undefined")
        assert visit.run("() => window.kept")
