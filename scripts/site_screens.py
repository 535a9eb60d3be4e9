"""Photograph every state of the page without a server, at several sizes, light and dark.

    python scripts/site_screens.py [FOLDER] [--only example help] [--page EXPORTED_FOLDER]

Each size and scheme has its pictures and one sheet of all of them, to look at.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

from live_gradcam.explain.load import load_classifier
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.site.folder import write_site
from live_gradcam.site.runtime import obtain_runtime
from live_gradcam.values import Image
from scripts.faults.media import write_film
from scripts.site_visit import Host, Visits, opened, start_camera, wait_until, write_camera

SIZES = {"wide": (1280, 900), "phone": (390, 844), "narrow": (320, 640)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_SHEET_COLUMNS = 5
_SHEET_SIDE = 420
_IDLE = "!liveGradcam.session.busy && !liveGradcam.session.waiting"
_TESTED = "Boolean(liveGradcam.session.reading)"

Act: TypeAlias = Callable[[Page, Path], None]
"""Brings the page, which shows the first example, into a state; films are in the folder."""


def _pressed(*keys: str) -> Act:
    def act(page: Page, _folder: Path) -> None:
        wait_until(page, _TESTED)
        for key in keys:
            page.keyboard.press(key)
        wait_until(page, f"{_IDLE} && {_TESTED}")

    return act


def _pointing(page: Page, _folder: Path) -> None:
    wait_until(page, _TESTED)
    page.locator("#tiles canvas").hover()
    page.wait_for_timeout(100)


def _opened_details(page: Page, folder: Path) -> None:
    _pressed()(page, folder)
    for summary in page.locator("#controls summary").all():
        summary.click()
    page.wait_for_selector("#engine[data-compared]")


def _no_picture(page: Page, folder: Path) -> None:
    path = folder / "text.jpg"
    path.write_text("hello", encoding="utf-8")
    page.set_input_files("#picture-file", str(path))
    page.wait_for_selector("#message[data-kind=failure]:not([hidden])")


def _camera(page: Page, _folder: Path) -> None:
    start_camera(page)
    page.wait_for_timeout(2000)


def _frozen(page: Page, folder: Path) -> None:
    _camera(page, folder)
    page.click("#camera-freeze")
    wait_until(page, f"{_IDLE} && {_TESTED}")


def _film(page: Page, folder: Path) -> None:
    film = write_film(folder / "film.mp4", frames=24, width=320, height=240, rate=12)
    page.click("#tab-video")
    page.set_input_files("#video-file", str(film))
    wait_until(page, f"liveGradcam.session.shown?.name === 'film.mp4' && {_IDLE}")


STATES: Mapping[str, Act] = {
    "example": _pressed(),
    "mosaic": _pressed("a"),
    "contrast": _pressed("d"),
    "signed": _pressed("e"),
    "signed-contrast": _pressed("d", "e"),
    "held": _pressed("2"),
    "side-by-side": _pressed("b"),
    "plain": _pressed("b", "b"),
    "untested": lambda page, _: page.keyboard.press("t"),
    "pointing": _pointing,
    "details": _opened_details,
    "help": _pressed("h"),
    "no-picture": _no_picture,
    "film": _film,
    "camera": _camera,
    "frozen": _frozen,
}
"""Every state that an explained page can be in."""


def photograph_loading(context: BrowserContext, address: str, folder: Path) -> None:
    """The page before its network is there, and where the network never comes."""

    def wait(route: Route) -> None:
        page.screenshot(path=folder / "loading.png")
        route.continue_()

    # First what fails: a page that works keeps the network for the next one.
    page = context.new_page()
    page.route("**/graph.onnx", lambda route: route.fulfill(status=404))
    page.goto(address)
    page.locator("body[data-state=failed]").wait_for()
    page.screenshot(path=folder / "failed.png")
    page.close()
    page = context.new_page()
    page.route("**/graph.onnx", wait)
    page.goto(address)
    page.locator("body[data-state=explained]").wait_for()
    page.close()


def photograph(page: Page, name: str, media: Path, folder: Path) -> None:
    """Bring the page into a state, photograph all of it, and put it back."""
    page.evaluate("() => { window.begun ??= { ...liveGradcam.session.state.choices }; }")
    STATES[name](page, media)
    # What lies over the page is as high as the window.
    page.screenshot(path=folder / f"{name}.png", full_page=name != "help")
    page.keyboard.press("Escape")
    page.evaluate("() => liveGradcam.session.state.set(window.begun)")
    page.evaluate(
        "() => document.querySelectorAll('details').forEach((each) => (each.open = false))"
    )
    page.mouse.move(0, 0)
    page.click("#tab-picture")
    before = page.evaluate("liveGradcam.session.shown.number")
    page.locator("#examples button").first.click()
    wait_until(page, f"liveGradcam.session.shown.number > {before} && {_IDLE}")
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")


def sheet(folder: Path) -> Image:
    """All pictures of a folder, small, by name."""
    cells = []
    for path in sorted(folder.glob("*.png")):
        image = cv2.imread(str(path))
        if image is None:
            continue
        factor = _SHEET_SIDE / max(image.shape[:2])
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        cell = np.full((_SHEET_SIDE + 24, _SHEET_SIDE, 3), 96, np.uint8)
        cell[24 : 24 + small.shape[0], : small.shape[1]] = small
        place = (4, 17)
        cv2.putText(cell, path.stem, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
        cells.append(cell)
    cells += [np.full_like(cells[0], 96)] * (-len(cells) % _SHEET_COLUMNS)
    rows = [
        np.hstack(cells[start : start + _SHEET_COLUMNS])
        for start in range(0, len(cells), _SHEET_COLUMNS)
    ]
    return np.vstack(rows)


def main() -> None:
    """Export the page, photograph it, and write the sheets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/site-screens"))
    parser.add_argument("--only", nargs="+", choices=STATES, default=list(STATES))
    parser.add_argument("--page", type=Path, help="a page that is exported already")
    parser.add_argument("--size", choices=SIZES, action="append")
    options = parser.parse_args()
    visits = Visits()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        media = Path(place)
        page_folder = options.page or media / "page"
        if options.page is None:
            classifier = load_classifier("scenes")
            write_site(page_folder, classifier, runtime=obtain_runtime(), precision="fp16")
        scenes = [render_scene(seed, width=640, height=480).image for seed in range(8)]
        camera = write_camera(media / "camera.y4m", scenes, rate=10, each=20)
        for size in options.size or SIZES:
            host = Host(page_folder, threads=True)
            with host, visits.browser(playwright, host.address, camera) as context:
                _photograph_size(context, host.address, size, media, options)
    for line in visits.errors:
        print(f"the console says: {line}", file=sys.stderr)


def _photograph_size(
    context: BrowserContext,
    address: str,
    size: str,
    media: Path,
    options: argparse.Namespace,
) -> None:
    width, height = SIZES[size]
    context.on("page", lambda page: page.set_viewport_size({"width": width, "height": height}))
    page = None
    for scheme in SCHEMES:
        folder = options.folder / f"{size}-{scheme}"
        folder.mkdir(parents=True, exist_ok=True)
        if page is None:
            photograph_loading(context, address, folder)
            page = opened(context, address)
        page.emulate_media(color_scheme=scheme)
        for name in options.only:
            photograph(page, name, media, folder)
        path = options.folder / f"sheet-{size}-{scheme}.png"
        cv2.imwrite(str(path), sheet(folder))
        print(f"{path}: {len(options.only)} states", flush=True)


if __name__ == "__main__":
    main()
