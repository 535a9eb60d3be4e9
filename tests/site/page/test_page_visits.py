"""What visitors do with the page: pictures, questions, the camera, a film, a snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Image
from live_gradcam.web.messages import describe_spot

from .visits import Visit, visiting


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory, explainer: GraphExplainer) -> Path:
    """A picture in which something speaks for the best class."""
    scenes = (render_scene(seed, width=320, height=240, objects=2).image for seed in range(60))
    telling = next(each for each in scenes if (explainer.explain(each).evidence[0] > 0).any())
    path = tmp_path_factory.mktemp("pictures") / "telling.png"
    cv2.imwrite(str(path), telling)
    return path


@pytest.fixture
def asked(visit: Visit, picture: Path) -> Iterator[Visit]:
    """A visit that shows the picture with the page's own choices."""
    visit.run("() => { window.begun ??= { ...liveGradcam.session.state.choices }; }")
    visit.run("() => liveGradcam.session.state.set(window.begun)")
    visit.choose_picture(picture)
    yield visit
    assert not visit.problems, visit.problems


def image_of(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image, np.uint8)


def tiles(visit: Visit) -> list[str]:
    found: list[str] = visit.run(
        "() => [...document.querySelectorAll('#tiles figcaption')].map((each) => each.textContent)"
    )
    return found


def painted(visit: Visit) -> str:
    """What the first canvas shows, as text that differs where the pixels do."""
    return str(visit.run("() => document.querySelector('#tiles canvas').toDataURL()"))


def labels(explainer: GraphExplainer, path: Path) -> list[str]:
    return [each.label for each in explainer.explain(path).predictions]


def test_a_picture_is_answered_with_the_best_classes(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    best = labels(explainer, picture)
    rows = asked.page.locator("#classes .name").all_inner_texts()
    assert rows == best[:3]
    assert tiles(asked) == [best[0]]
    assert best[0] in asked.text("#answer")
    assert asked.page.locator("#classes button[aria-pressed=true] .name").inner_text() == best[0]


def test_the_truth_meter_marks_the_area_and_says_what_it_means(asked: Visit) -> None:
    verdict = asked.wait_for_verdict()
    marked = painted(asked)
    assert "area" in verdict
    asked.page.uncheck("#truth")
    assert asked.text("#verdict") == ""
    assert painted(asked) != marked


def test_another_class_is_explained_when_it_is_pressed_or_named(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    best = labels(explainer, picture)
    asked.page.locator("#classes button").nth(1).click()
    assert tiles(asked) == [best[1]]
    assert f"you asked about {best[1]}" in asked.text("#answer")
    asked.page.click("#follow")
    assert tiles(asked) == [best[0]]
    last = explainer.classifier.labels[-1]
    asked.page.fill("#held", last)
    asked.page.keyboard.press("Enter")
    assert tiles(asked) == [last]
    asked.page.fill("#held", "no such class")
    asked.page.keyboard.press("Enter")
    wrong = asked.run("() => document.getElementById('held').validationMessage")
    assert "no class called no such class" in wrong
    assert tiles(asked) == [last]


def test_three_maps_a_contrast_and_evidence_against(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    best = labels(explainer, picture)
    plain = painted(asked)
    asked.page.check("input[value=mosaic]")
    assert tiles(asked) == best[:3]
    asked.page.check("input[value=contrast]")
    assert tiles(asked) == [f"{best[0]} rather than {best[1]}"]
    asked.page.fill("#against", best[2])
    asked.page.keyboard.press("Enter")
    assert tiles(asked) == [f"{best[0]} rather than {best[2]}"]
    assert best[2] in asked.text("#answer")
    asked.page.check("input[value=single]")
    asked.page.check("#signed")
    assert painted(asked) != plain
    assert asked.text("#legend span:first-child").startswith("\N{MINUS SIGN}")


def test_a_spot_says_what_it_speaks_for(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    explanation = explainer.explain(picture)
    every = explainer.explain(picture, classes="all")
    shown = explanation.explained[0]
    canvas = asked.page.locator("#tiles canvas")
    for x, y in ((160, 120), (60, 200)):
        box = canvas.bounding_box()
        canvas.hover(
            position={"x": (x + 0.5) / 320 * box["width"], "y": (y + 0.5) / 240 * box["height"]}
        )
        expected = describe_spot(spot_at(every, x, y, shown=shown))
        asked.wait_until(f"document.getElementById('spot').textContent === {expected!r}")
    asked.page.mouse.move(0, 0)
    asked.wait_until("document.getElementById('spot').textContent === ''")
    canvas.focus()
    asked.page.keyboard.press("ArrowRight")
    assert asked.text("#spot").startswith("This spot")


def test_a_spot_speaks_of_the_map_that_it_is_on(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    every = explainer.explain(picture, classes="all")
    best = labels(explainer, picture)
    point = {"x": 160, "y": 120}
    asked.page.check("input[value=mosaic]")
    for place in range(3):
        canvas = asked.page.locator("#tiles canvas").nth(place)
        box = canvas.bounding_box()
        middle = {"x": 160.5 / 320 * box["width"], "y": 120.5 / 240 * box["height"]}
        canvas.hover(position=middle)
        shown = explainer.classifier.labels.index(best[place])
        expected = describe_spot(spot_at(every, point["x"], point["y"], shown=shown))
        asked.wait_until(f"document.getElementById('spot').textContent === {expected!r}")
    asked.page.check("input[value=contrast]")
    canvas = asked.page.locator("#tiles canvas")
    box = canvas.bounding_box()
    canvas.hover(position={"x": 160.5 / 320 * box["width"], "y": 120.5 / 240 * box["height"]})
    asked.wait_for_text("#spot", f"{best[0]} rather than {best[1]}")
    asked.page.mouse.move(0, 0)


def test_a_class_that_has_no_map_is_said_and_not_replaced(
    chromium: Any, small: str, tmp_path: Path
) -> None:
    """The graph has maps of the three best classes of each picture."""
    cv2.imwrite(str(tmp_path / "scene.png"), render_scene(3, width=96, height=96).image)
    with visiting(chromium, small) as visit:
        visit.choose_picture(tmp_path / "scene.png")
        mapped = visit.run("() => [...liveGradcam.session.shown.explanation.evidence.classes]")
        ranked = visit.run("() => liveGradcam.session.site.model.labels")
        missing = next(index for index in range(len(ranked)) if index not in mapped)
        visit.page.fill("#held", ranked[missing])
        visit.page.keyboard.press("Enter")
        assert tiles(visit) == [ranked[missing]]
        said = visit.text("#answer")
        assert f"has maps of the 3 best classes of each picture, and {ranked[missing]} is" in said
        assert "Nothing is coloured." in said
        assert visit.page.is_hidden("#truth-box")
        assert visit.page.is_hidden("#legend")

        visit.page.click("#follow")
        visit.page.check("input[value=contrast]")
        visit.page.fill("#against", ranked[missing])
        visit.page.keyboard.press("Enter")
        best = ranked[visit.run("() => liveGradcam.session.index")]
        assert tiles(visit) == [f"{best} rather than {ranked[missing]}"]
        assert f"{best} and {ranked[missing]} cannot be compared here" in visit.text("#answer")
        visit.page.fill("#against", best)
        visit.page.keyboard.press("Enter")
        assert f"{best} cannot be compared with itself" in visit.text("#answer")


def test_a_best_class_without_a_map_is_not_what_somebody_asked_about(asked: Visit) -> None:
    said = asked.run(
        """() => {
          const { session } = liveGradcam;
          const { evidence, predictions } = session.shown.explanation;
          const [best, second] = predictions;
          const place = evidence.classes.indexOf(best.index);
          evidence.classes[place] = -1; // a graph of the other classes only
          session.choose(false);
          session.show();
          evidence.classes[place] = best.index;
          const said = document.getElementById("answer").textContent;
          return [said, best.label, second.label, session.tiles.map((tile) => tile.title)];
        }"""
    )
    answer, best, second, shown = said
    assert answer.startswith(f"The network sees {best}")
    assert f"The exported file has no map of {best}." in answer
    assert f"The colours speak of {second}." in answer
    assert "you asked" not in answer
    assert shown == [second]


def test_keys_do_what_the_table_says(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    best = labels(explainer, picture)
    asked.page.locator("h1").click()
    for key, expected in (("2", [best[1]]), ("0", [best[0]]), ("a", best[:3]), ("a", [best[0]])):
        asked.page.keyboard.press(key)
        assert tiles(asked) == expected
    asked.page.keyboard.press("b")
    assert tiles(asked) == ["The picture", best[0]]
    asked.page.keyboard.press("b")
    assert tiles(asked) == [best[0]]
    assert "coloured" not in asked.text("#answer")
    asked.page.keyboard.press("h")
    assert "truth meter" in asked.text("#help")
    asked.page.keyboard.press("Escape")


def test_another_view_is_explained_anew(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    asked.run("() => liveGradcam.session.state.set({ view: 'stretch' })")
    asked.wait_until("liveGradcam.session.shown.explanation.region.width === 320")
    rows = asked.page.locator("#classes .name").all_inner_texts()
    expected = explainer.explain(picture, view="stretch")
    assert rows == [each.label for each in expected.predictions]


def test_a_snapshot_is_a_picture_and_its_record(
    asked: Visit, explainer: GraphExplainer, picture: Path
) -> None:
    asked.wait_for_verdict()
    saved: dict[str, Path] = {}
    downloads: list[Any] = []
    asked.page.on("download", lambda download: downloads.append(download))
    asked.page.click("#snapshot")
    while len(downloads) < 2:
        asked.page.wait_for_event("download")
    for download in downloads:
        saved[Path(download.suggested_filename).suffix] = Path(download.path())
    record = json.loads(saved[".json"].read_text(encoding="utf-8"))
    expected = explainer.explain(picture)
    assert record["source"] == "telling.png"
    assert record["explained"] == expected.explained[0]
    assert record["region"] == expected.region.as_list()
    assert np.allclose(record["evidence"][0], expected.evidence[0], atol=1e-3)
    assert record["removal"]["without_controls"]
    assert expected.int8 is not None
    assert record["int8"] == expected.int8._asdict()
    rendered = image_of(saved[".png"])
    assert rendered.shape[1] == 320
    assert rendered.shape[0] > 240


def test_pictures_are_pasted_and_dropped(asked: Visit, picture: Path) -> None:
    for name, event, field in (
        ("pasted.png", "paste", "clipboardData"),
        ("dropped.png", "drop", "dataTransfer"),
    ):
        asked.run(
            """([name, event, field, bytes]) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([Uint8Array.from(bytes)], name, { type: "image/png" }));
              const kind = event === "paste" ? ClipboardEvent : DragEvent;
              document.body.dispatchEvent(new kind(event, { [field]: transfer, bubbles: true }));
            }""",
            [name, event, field, list(picture.read_bytes())],
        )
        asked.wait_for_picture(name)
