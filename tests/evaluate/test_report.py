"""The page: on made-up results, large and hostile."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from live_gradcam.evaluate.gallery import Gallery, GalleryImage
from live_gradcam.evaluate.report import render_report
from live_gradcam.evaluate.values import SanityStage, SkippedEntry
from tests.evaluate.support import make_image_result, make_result
from tests.helpers.html import find_references

EVIL = '</script><img src="http://evil.example/x" onerror=alert(1)>'
URI = "data:image/jpeg;base64,AAAA"


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
