"""The page for everybody: screen readers, phones, dark rooms, and the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from live_gradcam.values import Image
from scripts.faults.media import write_film

from .conftest import Page, encoded, scene
from .visits import PHONE, Visit, visiting

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
TABS = ("Picture", "Camera", "Teach", "Video")


def stand_still(visit: Visit) -> None:
    """Let every change be there at once: colours in the middle of a transition are nobody's."""
    still = "transition: none !important; animation: none !important"
    visit.page.add_style_tag(content=f"*, *::before, *::after {{ {still} }}")


def serious_findings(visit: Visit) -> list[str]:
    """What axe-core finds that keeps people out."""
    # What scripts animate has ended, too.
    visit.wait_until("() => document.getAnimations().every((each) => each.playState !== 'running')")
    found = axe_playwright.Axe().run(visit.page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_of_any_tab_in_any_state(
    chromium: Any, page: Page, scheme: str, tmp_path: Path
) -> None:
    size = {"width": 1280, "height": 900}
    with visiting(chromium, page.address, viewport=size, color_scheme=scheme) as visit:
        stand_still(visit)
        is_dark = "(dark) => document.body.classList.contains('dark') === dark"
        visit.wait_until(is_dark, scheme == "dark")
        visit.page.locator("#picture-controls").get_by_text("Method and colours").click()
        visit.page.locator("#picture-overlay img").click()
        visit.wait_for_text("#picture-overlay .spot", "spot")
        assert serious_findings(visit) == []

        visit.tab("Camera")
        assert serious_findings(visit) == []
        visit.page.click("#camera-button")
        visit.wait("#camera-freeze:not([disabled])")
        visit.page.click("#camera-freeze")
        visit.wait_for_text("#camera-rate", "frozen")
        assert serious_findings(visit) == []
        visit.page.click("#camera-button")

        visit.tab("Teach")
        visit.wait("#teach-classes li:nth-child(2)")
        assert serious_findings(visit) == []
        visit.page.click("#teach-button")
        nothing = "document.querySelector('#teach-classes output')?.innerText"
        visit.wait_until(f"() => Number({nothing}) >= 2")
        # As a screen reader presses it.
        visit.page.locator("#teach-classes .hold").nth(1).dispatch_event("click")
        visit.wait("#teach-classes .hold[aria-pressed=true]")
        assert serious_findings(visit) == []
        visit.wait("#teach-classes .hold[aria-pressed=true]", state="detached")
        visit.wait("#teach-save button:not([disabled])")
        visit.page.click("#teach-freeze")
        visit.wait_for_text("#teach-rate", "frozen")
        assert serious_findings(visit) == []
        visit.page.click("#teach-button")

        visit.tab("Video")
        assert serious_findings(visit) == []
        film = write_film(
            tmp_path / "film.mp4",
            frames=12,
            width=160,
            height=120,
            image=lambda *_: scene(2, 160, 120),
        )
        visit.page.set_input_files("#video-input input[type=file]", str(film))
        visit.wait("#video-input video")
        visit.page.click("#video-button")
        visit.wait("#video-result video")
        visit.wait("#video-timeline button")
        assert serious_findings(visit) == []


def wait_until_in_sight(visit: Visit, selector: str) -> None:
    """Wait until an element begins within the upper half of the screen."""
    visit.wait_until(
        """(selector) => {
          const { top } = document.querySelector(selector).getBoundingClientRect();
          return top >= -2 && top <= innerHeight / 2;
        }""",
        selector,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_goes_to_the_result(
    chromium: Any, page: Page, scheme: str, telling: Image, tmp_path: Path
) -> None:
    width = PHONE["viewport"]["width"]
    with visiting(chromium, page.address, **PHONE, color_scheme=scheme) as visit:
        path = tmp_path / "scene.png"
        path.write_bytes(encoded(telling))
        visit.page.evaluate("scrollTo(0, 0)")
        visit.choose_image(path)
        wait_until_in_sight(visit, "#picture-result")
        # The page does not bring the result up again once the visitor has moved.
        visit.page.evaluate("dispatchEvent(new Event('touchmove'))")
        visit.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        before = visit.overlay()
        visit.page.locator("#picture-examples button").nth(1).tap()
        visit.wait_for_another(before)
        wait_until_in_sight(visit, "#picture-result")
        for tab in TABS:
            visit.tab(tab)
            visit.wait_until("(most) => document.documentElement.scrollWidth <= most", width)
        is_dark = visit.page.evaluate("document.body.classList.contains('dark')")
        assert is_dark is (scheme == "dark")
        visit.page.get_by_role("button", name="Dark / light").tap()
        visit.wait_until("(was) => document.body.classList.contains('dark') !== was", is_dark)
        visit.page.reload()
        visit.wait_until("(was) => document.body.classList.contains('dark') !== was", is_dark)


def press_until(visit: Visit, key: str, holds: str, most: int = 60) -> None:
    """Press a key until the focused element is what is looked for."""
    for _ in range(most):
        if visit.page.evaluate(f"() => Boolean(document.activeElement?.matches({holds!r}))"):
            return
        visit.page.keyboard.press(key)
    pytest.fail(f"the keyboard does not reach {holds}")


def test_everything_is_reached_and_works_with_the_keyboard_alone(chromium: Any, page: Page) -> None:
    size = {"width": 1280, "height": 900}
    with visiting(chromium, page.address, viewport=size) as visit:
        keyboard = visit.page.keyboard
        press_until(visit, "Tab", "#dark-button, #dark-button *")
        press_until(visit, "Tab", "#picture-examples button:nth-of-type(2)")
        before = visit.overlay()
        keyboard.press("Enter")
        visit.wait_for_another(before)
        visit.wait_for_verdict()
        press_until(visit, "Tab", "#picture-controls input[value=stretch]")
        before = visit.overlay()
        keyboard.press("Space")
        visit.wait_for_another(before)
        visit.wait_for_verdict()
        press_until(visit, "Tab", "#picture-overlay img")
        keyboard.press("ArrowRight")
        visit.wait_for_text("#picture-overlay .spot", "spot")
        press_until(visit, "Tab", "#picture-classes li:nth-child(2) button")
        before = visit.overlay()
        keyboard.press("Enter")
        visit.wait_for_another(before)
        visit.wait_for_text("#sentence", "asked about")
        press_until(visit, "Tab", ".downloads a")

        press_until(visit, "Shift+Tab", "[role=tab]:nth-of-type(2)")
        keyboard.press("Enter")
        visit.wait("#camera-button")
        press_until(visit, "Tab", "#camera-button")
        keyboard.press("Enter")
        visit.wait("#camera-freeze:not([disabled])")
        press_until(visit, "Tab", "#camera-freeze")
        keyboard.press("Space")
        visit.wait_for_text("#camera-rate", "frozen")
        press_until(visit, "Shift+Tab", "#camera-picture")
        keyboard.press("ArrowUp")
        visit.wait_for_text("#camera-spot", "spot")
        press_until(visit, "Tab", "#camera-labels button")
        keyboard.press("Enter")
        press_until(visit, "Shift+Tab", "#camera-button")
        keyboard.press("Enter")
        visit.wait("#camera-stage[data-state=idle]")
