"""A visitor of the page in a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Generous, because a busy machine is slow; waiting ends as soon as it is there.
PATIENCE_MS = 60_000
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}


@dataclass
class Visit:
    """An open page and what it did.

    Attributes:
        page: Playwright's page.
        requests: Every address that the browser asked for.
        problems: Errors of scripts, and answers that refuse.
    """

    page: Any
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def check(self, answer: Any) -> None:
        """Note an answer that refuses."""
        if answer.status >= 400:
            self.problems.append(f"{answer.status} {answer.url}")

    def tab(self, name: str) -> None:
        """Open a tab, and wait until what is in it is there: it is made when it is opened."""
        self.page.get_by_role("tab", name=name).click()
        self.wait({"Picture": "#picture-overlay"}.get(name, f"#{name.lower()}-button"))

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector)).replace("\N{NO-BREAK SPACE}", " ")

    def wait(self, selector: str, state: str = "visible") -> None:
        self.page.wait_for_selector(selector, timeout=PATIENCE_MS, state=state)

    def wait_until(self, script: str, argument: object = None) -> Any:
        """Wait until a script returns something, and return it."""
        return self.page.wait_for_function(script, arg=argument, timeout=PATIENCE_MS).json_value()

    def wait_for_text(self, selector: str, text: str) -> str:
        """Wait until an element shows a text: parts of one answer need not appear together.

        Returns:
            All that the element showed then; what is read afterwards may be another answer.
        """
        script = """([selector, text]) => {
          const shown = document.querySelector(selector)?.innerText.replaceAll("\u00a0", " ");
          return shown?.includes(text) && shown;
        }"""
        return str(self.wait_until(script, [selector, text]))

    def choose_image(self, path: Path) -> None:
        """Choose a file and wait until it is explained and tested."""
        before = self.overlay()
        self.page.set_input_files("#picture-input input[type=file]", str(path))
        self.wait_for_another(before)
        self.wait_for_verdict()

    def overlay(self) -> str:
        """What the explained picture shows: which picture, explained how."""
        address = str(self.page.get_attribute("#picture-overlay img", "data-live"))
        return address.removesuffix("&mark=1")

    def wait_for_another(self, overlay: str) -> None:
        """Wait until the explained picture is another one, and there."""
        self.wait_until(
            """(old) => {
              const image = document.querySelector("#picture-overlay img");
              const shows = image && image.dataset.live.replace("&mark=1", "");
              return shows && shows !== old && image.src.includes(shows) && image.naturalWidth;
            }""",
            overlay,
        )

    def wait_for_verdict(self) -> None:
        """Wait until the explained picture is tested: its area is marked."""
        self.wait("#picture-overlay img[data-live$='mark=1'][src*='mark=1']")
        from live_gradcam.web.handlers import MEASURING  # needs gradio

        testing = MEASURING.strip("*")
        shown = "document.querySelector('#trust')?.innerText"
        self.wait_until(f"(testing) => {shown} && !{shown}.includes(testing)", testing)


@contextmanager
def visiting(chromium: Any, address: str, **options: Any) -> Iterator[Visit]:
    """Open the page as a visitor; whatever goes wrong meanwhile fails the test."""
    context = chromium.new_context(**options)
    try:
        visit = Visit(context.new_page())
        visit.page.set_default_timeout(PATIENCE_MS)
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        visit.page.on("response", visit.check)
        visit.page.goto(address)
        visit.wait("#picture-overlay img[src]")
        yield visit
    finally:
        context.close()
    assert not visit.problems, visit.problems
    outside = [each for each in visit.requests if not each.startswith((address, "data:", "blob:"))]
    assert not outside, outside
