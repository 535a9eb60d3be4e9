"""Nobody is kept out: by keys alone, read aloud, on a small screen, without movement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.choices import COLORMAP_NAMES, DEFAULT_OPACITY, LAYOUTS
from live_gradcam.session.keys import OPACITY_STEP

from .visits import PHONE, Visit, visiting

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

TABS = ("picture", "camera", "video")
SCHEMES = ("light", "dark")
# In the order in which a keyboard walks over them; the other tabs are reached by arrows.
STOPS = (
    *("help-open", "tab-picture", "picture-file", "canvas", "snapshot", "single"),
    *("held", "signed", "truth", "summary"),
)


@pytest.fixture
def asked(visit: Visit) -> Iterator[Visit]:
    """The page with its own choices, the first example shown, nothing in focus."""
    visit.run("() => { window.begun ??= { ...liveGradcam.session.state.choices }; }")
    visit.run(
        "() => { liveGradcam.session.state.set(window.begun); document.activeElement.blur(); }"
    )
    visit.page.click("#tab-picture")
    visit.run("() => document.activeElement.blur()")
    yield visit
    assert not visit.problems, visit.problems


def choice(visit: Visit, name: str) -> Any:
    return visit.run(f"() => liveGradcam.session.state.choices.{name}")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_tab_has_what_axe_calls_serious(asked: Visit, scheme: str) -> None:
    asked.page.emulate_media(color_scheme=scheme)
    for each in asked.page.locator("#controls summary").all():
        if not each.evaluate("(summary) => summary.parentElement.open"):
            each.click()
    for tab in (*TABS, "help"):
        if tab == "help":
            asked.page.click("#help-open")
        else:
            asked.page.click(f"#tab-{tab}")
        asked.run("() => Promise.all(document.getAnimations().map((each) => each.finished))")
        found = axe_playwright.Axe().run(asked.page).response["violations"]
        serious = [
            f"{each['id']}: {node['html'][:120]}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]
        assert serious == [], f"{tab}, {scheme}"
    asked.page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [320, 360, 390])
def test_small_screens_show_everything_without_scrolling_sideways(asked: Visit, width: int) -> None:
    size = asked.page.viewport_size
    asked.page.set_viewport_size({"width": width, "height": 700})
    asked.page.keyboard.press("a")
    for tab in TABS:
        asked.page.click(f"#tab-{tab}")
        found = asked.run(
            """() => ({
              scroll: document.documentElement.scrollWidth,
              cut: [...document.querySelectorAll("button, label, select, summary, input, p")]
                .filter((each) => each.checkVisibility() && !each.closest(".heard, .examples"))
                .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
                .map((each) => each.outerHTML),
              small: [...document.querySelectorAll("button, label.button, select, summary")]
                .filter((each) => each.checkVisibility() && each.clientHeight < 40)
                .map((each) => each.outerHTML),
            })"""
        )
        assert found == {"scroll": width, "cut": [], "small": []}, tab
    asked.page.set_viewport_size(size)


def test_a_phone_that_is_touched_hears_what_a_spot_says(chromium: Any, address: str) -> None:
    with visiting(chromium, address, **PHONE) as visit:
        assert visit.run("() => document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
        visit.page.locator("#tiles canvas").tap()
        assert visit.text("#spot").startswith("This spot")


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("e", "signed", [True, False]),
        ("t", "truth", [False, True]),
        ("m", "mirror", [True, False]),
        ("a", "mode", ["mosaic", "single"]),
        ("d", "mode", ["contrast", "single"]),
        ("b", "layout", [*LAYOUTS[1:], LAYOUTS[0]]),
        ("c", "colormap", [*COLORMAP_NAMES[1:], COLORMAP_NAMES[0]]),
        ("[", "opacity", [DEFAULT_OPACITY - OPACITY_STEP]),
        ("]", "opacity", [DEFAULT_OPACITY + OPACITY_STEP]),
        ("v", "view", ["stretch", "crop"]),
    ],
)
def test_a_key_changes_its_choice(
    asked: Visit, key: str, name: str, expected: list[object]
) -> None:
    for value in expected:
        asked.page.keyboard.press(key)
        found = choice(asked, name)
        assert found == (pytest.approx(value) if isinstance(value, float) else value)


def test_the_key_of_a_row_holds_it_and_zero_follows_the_best(asked: Visit) -> None:
    second = asked.page.locator("#classes button").nth(1)
    asked.page.keyboard.press("2")
    assert choice(asked, "held") == int(second.get_attribute("data-index") or "")
    assert second.get_attribute("aria-pressed") == "true"
    asked.page.keyboard.press("0")
    assert choice(asked, "held") is None


def test_a_key_that_is_held_down_counts_once_but_for_the_heat(asked: Visit) -> None:
    for _ in range(3):
        asked.page.keyboard.down("e")
    asked.page.keyboard.up("e")
    assert choice(asked, "signed") is True
    for _ in range(3):
        asked.page.keyboard.down("]")
    asked.page.keyboard.up("]")
    assert choice(asked, "opacity") == pytest.approx(DEFAULT_OPACITY + 3 * OPACITY_STEP)


def test_the_screen_is_filled_and_left_by_its_key(asked: Visit) -> None:
    asked.page.keyboard.press("f")
    asked.wait_until("Boolean(document.fullscreenElement)")
    asked.page.keyboard.press("f")
    asked.wait_until("!document.fullscreenElement")


def test_the_help_lies_over_everything_that_keys_could_change(asked: Visit) -> None:
    before = asked.run("() => ({ ...liveGradcam.session.state.choices })")
    asked.page.keyboard.press("?")
    assert asked.run("() => document.activeElement.id") == "help-title"
    for key in "et2avbcm][":
        asked.page.keyboard.press(key)
    assert asked.run("() => liveGradcam.session.state.choices") == before
    asked.page.keyboard.press("h")
    assert not asked.page.is_visible("#help")


def test_single_keys_can_be_turned_off_for_good(asked: Visit) -> None:
    asked.page.click("#help-open")
    asked.page.uncheck("#keys-on")
    asked.page.click("#help form button")
    for key in ("e", "h", "?", "2", "s"):
        asked.page.keyboard.press(key)
    assert (choice(asked, "signed"), choice(asked, "held")) == (False, None)
    assert not asked.page.is_visible("#help")
    assert asked.run("() => localStorage.getItem('live-gradcam.keys')") == "off"
    asked.page.click("#help-open")
    asked.page.check("#keys-on")
    asked.page.click("#help form button")
    asked.page.keyboard.press("e")
    assert choice(asked, "signed") is True


def test_keys_work_where_nothing_is_written(asked: Visit) -> None:
    """After a click on a radio or a range they do; in a field of text they write."""
    asked.page.check("input[value=mosaic]")
    asked.page.keyboard.press("e")
    assert choice(asked, "signed") is True
    asked.page.focus("#signed")
    asked.page.keyboard.press("Space")  # the box's own
    assert choice(asked, "signed") is False
    asked.page.focus("#held")
    asked.page.keyboard.press("e")
    assert choice(asked, "signed") is False
    asked.run("() => { document.getElementById('held').value = ''; }")


def test_everything_is_reached_by_the_keyboard_and_seen_to_be(asked: Visit) -> None:
    asked.page.mouse.click(1, 1)
    found: list[tuple[str, bool]] = []
    for _ in range(40):
        asked.page.keyboard.press("Tab")
        found.append(
            asked.run(
                """() => {
                  const each = document.activeElement;
                  const ring = each.closest("label.button") ?? each;
                  const name = each.id || each.value || each.tagName.toLowerCase();
                  return [name, getComputedStyle(ring).outlineStyle !== "none"];
                }"""
            )
        )
        if found[-1][0] in ("body", "html"):
            break
    names = [name for name, _ in found]
    places = [names.index(stop) for stop in STOPS]
    assert places == sorted(places), names
    assert [name for name, ring in found if not ring and name not in ("body", "html")] == []
    asked.page.focus("#tab-picture")
    for key, tab in (("ArrowRight", "camera"), ("End", "teach"), ("Home", "picture")):
        asked.page.keyboard.press(key)
        assert asked.run("() => document.activeElement.id") == f"tab-{tab}"
        assert asked.page.is_visible(f"#panel-{tab}")


def test_the_picture_is_walked_over_and_has_a_name(asked: Visit) -> None:
    canvas = asked.page.locator("#tiles canvas")
    label = asked.page.locator("#tiles figcaption").inner_text()
    assert label in (canvas.get_attribute("aria-label") or "")
    # Screen readers that browse with arrow keys leave them to an application.
    assert canvas.get_attribute("role") == "application"
    canvas.focus()
    said = set()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        asked.page.keyboard.press(key)
        # It is said when the next picture is drawn.
        asked.run(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        asked.wait_until("document.getElementById('spot').textContent.startsWith('This spot')")
        said.add(asked.text("#spot"))
    assert len(said) > 1


def test_movement_that_is_not_wanted_is_left_out(asked: Visit) -> None:
    moved = "() => getComputedStyle(document.querySelector('#classes .bar')).transitionDuration"
    asked.page.emulate_media(reduced_motion="reduce")
    assert asked.run(moved) == "0s"
    asked.page.emulate_media(reduced_motion="no-preference")
    assert asked.run(moved) != "0s"


def test_bars_are_seen_in_colours_of_the_visitor(asked: Visit) -> None:
    """A system's contrast theme replaces every background; what is drawn by one stays drawn."""
    asked.page.emulate_media(forced_colors="active")
    drawn = asked.run(
        """() => {
          const bar = getComputedStyle(document.querySelector("#classes .bar"));
          const chosen = getComputedStyle(document.querySelector("[role=tab][aria-selected=true]"));
          const other = getComputedStyle(document.querySelector("[role=tab][aria-selected=false]"));
          return [bar.borderTopWidth, bar.backgroundImage !== "none",
            chosen.borderBottomColor !== other.borderBottomColor];
        }"""
    )
    asked.page.emulate_media(forced_colors="none")
    assert drawn == ["1px", True, True]


# Every sentence that a screen reader is told while the network loads.
_HEAR = """
window.heard = [];
new MutationObserver(() => {
  const words = document.getElementById("heard")?.textContent;
  if (words && words !== window.heard.at(-1)) window.heard.push(words);
}).observe(document, { childList: true, subtree: true, characterData: true });
"""


def test_loading_is_said_a_few_times_and_a_camera_is_steady_and_not_read_aloud(
    chromium: Any, address: str
) -> None:
    live = "() => ['answer', 'spot', 'verdict'].map((id) => document.getElementById(id).ariaLive)"
    with visiting(chromium, address, prepare=_HEAR, permissions=["camera"]) as visit:
        heard = visit.run("() => window.heard")
        assert 1 <= len(heard) <= 6, heard
        assert visit.run("() => document.getElementById('progress').labels.length") == 0
        assert visit.run("() => document.documentElement.lang") == "en"
        assert visit.run(live) == ["polite"] * 3
        visit.page.click("#tab-camera")
        visit.page.click("#camera-start")
        visit.wait_until("liveGradcam.session.shown.live")
        assert visit.run(live) == ["off"] * 3
        # What is drawn follows the network's map without its shimmer.
        visit.wait_until(
            """liveGradcam.session.tiles.some(({ map, drawn }) =>
              map && drawn.values.some((value, cell) => value !== map.values[cell]))"""
        )


def test_a_camera_that_is_asked_for_can_be_let_be(asked: Visit) -> None:
    """The browser asks somebody, who may take their time."""
    asked.run(
        """() => {
          const { mediaDevices } = navigator;
          mediaDevices.getUserMedia = () => new Promise((done) => (window.allow = done));
        }"""
    )
    asked.page.click("#tab-camera")
    asked.page.click("#camera-start")
    assert asked.text("#camera-start") == "Cancel"
    assert asked.text("#message") == "Waiting for the camera …"
    asked.page.click("#camera-start")
    assert asked.text("#camera-start") == "Start the camera"
    assert not asked.page.is_visible("#message")
    stopped = asked.run(
        """async () => {
          delete navigator.mediaDevices.getUserMedia;
          const stream = document.createElement("canvas").captureStream();
          allow(stream);
          await new Promise((done) => setTimeout(done));
          return stream.getTracks().every((track) => track.readyState === "ended");
        }"""
    )
    assert stopped


def test_a_camera_that_a_page_around_this_one_refuses(
    chromium: Any, copy: Callable[[str], tuple[Path, str]]
) -> None:
    folder, address = copy("framed")
    inside = address.replace("127.0.0.1", "localhost")
    (folder / "frame.html").write_text(f"<!doctype html><iframe src='{inside}'></iframe>")
    context = chromium.new_context(permissions=["camera"])
    try:
        page = context.new_page()
        page.goto(f"{address}frame.html")
        frame = page.frame_locator("iframe")
        frame.locator("body[data-state=explained]").wait_for()
        frame.locator("#tab-camera").click()
        frame.locator("#camera-start").click()
        said = frame.locator("#message[data-kind=failure]")
        said.wait_for()
        assert "inside another one" in said.inner_text()
    finally:
        context.close()


@pytest.mark.parametrize("broken", ["file", "script"])
def test_a_page_that_cannot_begin_says_what_to_do(
    chromium: Any, copy: Callable[[str], tuple[Path, str]], broken: str
) -> None:
    folder, address = copy(f"broken-{broken}")
    if broken == "script":
        (folder / "js" / "wording.js").unlink()
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(address if broken == "script" else f"file://{folder}/index.html")
        assert not page.is_visible("#first")  # it is no reproach while the page loads
        page.evaluate("document.getAnimations().forEach((each) => each.finish())")
        assert page.is_visible("#first")
        assert "Put the whole folder on a web server" in page.inner_text("#first")
    finally:
        context.close()
