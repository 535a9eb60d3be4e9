"""The page: on made-up results, large and hostile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.evaluate.gallery import Gallery, GalleryImage, StrikingImage
from live_gradcam.evaluate.report import render_report
from live_gradcam.evaluate.values import SanityStage, SkippedEntry
from tests.evaluate.support import (
    make_image_result,
    make_method_result,
    make_provenance,
    make_result,
)
from tests.helpers.html import find_references

EVIL = '</script><img src="http://evil.example/x" onerror=alert(1)>'
URI = "data:image/jpeg;base64,AAAA"
GREY = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='320' height='240'/>"


class Texts(HTMLParser):
    """Collects the texts of a page as a browser shows them, and the values of attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.values: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_of_five_hundred_classes_with_names_from_hell() -> None:
    labels = [f"{EVIL} {index}" for index in range(500)]
    result = make_result(
        [make_image_result(i, i % 500, inside=0.1) for i in range(1500)],
        labels,
        model=EVIL,
        notes=(EVIL,),
        skipped=(SkippedEntry(EVIL, EVIL),) * 500,
        sanity=[SanityStage(EVIL, {"gradcam": 0.1})] * 12,
        sanity_findings=(EVIL,),
        source=EVIL,
    )
    shown = GalleryImage(EVIL, EVIL, False, {EVIL: URI})
    page = render_report(result, Gallery({0: [shown]}, left_out=499))
    found = find_references(page)
    assert found.found == [URI]
    assert found.scripts == 1
    assert "500 of 500 classes look suspicious" in page
    assert "499 more classes" in page
    assert len(page) < 3 << 20


@pytest.mark.parametrize(
    "name", [EVIL, "{{ 7 * 7 }}{% raw %}", "a & b &lt; 'c' \"d\" \N{SNOWMAN}", "-->"]
)
def test_a_name_is_shown_as_it_is_wherever_it_stands(name: str) -> None:
    images = [make_image_result(i, 0, name=name, inside=0.1) for i in range(3)]
    result = make_result(
        images,
        [name],
        model=name,
        source=name,
        notes=(name,),
        skipped=(SkippedEntry(name, name),),
        sanity=[SanityStage(name, {"gradcam": 0.1})],
        sanity_findings=(name,),
    )
    shown = [GalleryImage(name, name, good, {"gradcam": URI}) for good in (False, True)]
    page = render_report(result, Gallery({0: shown}))
    parser = Texts()
    parser.feed(page)
    text = "\n".join(parser.texts)
    assert text.count(name) >= 14
    assert {name, f"{name}, gradcam"} <= set(parser.values)
    found = find_references(page)
    assert found.found == [URI, URI]
    assert found.scripts == 1


def test_few_images_of_each_class_are_no_verdict() -> None:
    result = make_result([make_image_result(i, 0, inside=0.1) for i in range(2)], ["fish"])
    assert "too few pictures" in render_report(result, Gallery({}))


def test_what_there_is_none_of_has_no_heading() -> None:
    images = [make_image_result(i, 0) for i in range(3)]
    page = render_report(make_result(images, ["fish"]), Gallery({}))
    assert "Nothing looks suspicious in 1 class." in page
    for heading in ("Sanity check", "The worst and the best", "Notes", "left out"):
        assert heading not in page


def striking_page(methods: int = 1, classes: int = 30) -> str:
    names = [f"method{number}" for number in range(methods)]
    images = [
        make_image_result(i, i, methods={name: make_method_result(i) for name in names})
        for i in range(classes)
    ]
    labels = [f"quite a long name of a class, number {i}" for i in range(classes)]
    result = replace(
        make_result(images, labels, methods=names),
        provenance=make_provenance(methods=("gradcam",)),
    )
    shown: dict[int | None, list[GalleryImage]] = {
        i: [GalleryImage(f"{i}.jpg", "a caption", True, dict.fromkeys(names, GREY))]
        for i in range(9)
    }
    first = [
        StrikingImage(title, "a.jpg", "says cat", GREY, GREY) for title in ("one", "two", "three")
    ]
    return render_report(result, Gallery(shown, striking=first))


def test_the_page_opens_with_the_answer_and_pictures_beside_their_heat() -> None:
    page = striking_page()
    body = page[page.index("<body>") :]
    assert body.index("30 pictures: all right") < body.index("<figure>") < body.index("<table")
    assert body[: body.index("<table")].count("<img") == 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as tools:
        opened = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


WIDE = """() => [...document.querySelectorAll("*")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1
    || (each.classList.contains("scroll") && each.scrollWidth > each.clientWidth + 1))
  .map((each) => each.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("methods", [1, 9])
@pytest.mark.parametrize(("media", "width"), [("screen", 1280), ("print", 696)])
def test_nothing_is_cut_or_scrolled_sideways_on_a_laptop_and_on_paper(
    browser: Any, tmp_path: Path, methods: int, media: str, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(striking_page(methods), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(path.as_uri())
    page.emulate_media(media=media)
    assert page.evaluate(WIDE) == []
    if media == "screen":
        last = page.locator(".striking figure").nth(2).bounding_box()
        assert last["y"] + last["height"] < 800, "on the first screen"
    page.close()


def test_without_javascript_all_is_there_and_nothing_pretends_to_sort(
    browser: Any, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(striking_page(), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("table.classes tbody tr").count() == 30
    assert page.locator("th button").count() == 0
    assert not page.get_by_text("A heading sorts").is_visible()
    context.close()
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.get_by_text("A heading sorts").is_visible()
    page.locator("th button").first.click()
    page.locator("th button").first.click()
    first = page.locator("table.classes tbody tr").first.locator("td").first
    assert first.inner_text() == "quite a long name of a class, number 9"
    page.close()
