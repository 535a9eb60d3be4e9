"""What is on air in a real Chromium: the page, pages of others, and HLS."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.air.address import ServeAddress
from live_gradcam.air.http_sink import HttpSink
from live_gradcam.show.hls import HlsSink
from live_gradcam.values import Explanation, Frame, SourceInfo
from tests.air.test_http import Writing
from tests.web.visits import CHROMIUM, FLAGS, PATIENCE_MS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

# Says what a page of somebody else can read of a server: words, or that it is refused.
_SPY = """async (address) => {
  const said = {};
  const socket = (what) => new Promise((done) => {
    const opened = new WebSocket(address.replace("http", "ws") + "events");
    opened.onopen = () => { opened.close(); done("read"); };
    opened.onerror = () => done("refused");
  });
  said.websocket = await socket();
  said.events = await new Promise((done) => {
    const events = new EventSource(address + "events");
    events.onopen = () => { events.close(); done("read"); };
    events.onerror = () => { events.close(); done("refused"); };
  });
  said.fetched = await fetch(address + "snapshot.jpg").then(() => "read", () => "refused");
  said.shown = await new Promise((done) => {
    const image = new Image();
    image.onload = () => done("read");
    image.onerror = () => done("refused");
    image.src = address + "snapshot.jpg";
  });
  return said;
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """A plain web server of somebody."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        flags = [*FLAGS, "--host-resolver-rules=MAP evil.example 127.0.0.1"]
        opened = running.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


def test_the_page_lists_where_it_goes_and_only_pages_of_this_machine_read_it(
    browser: Any, make_explanation: Callable[..., Explanation], tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<h1>slides</h1>")
    info = SourceInfo(name="x", kind="camera", live=True, width=64, height=48, fps=10.0)
    with (
        HttpSink(ServeAddress("127.0.0.1", 0)) as sink,
        HlsSink(tmp_path / "live.m3u8", info, rolling=True) as hls,
        served(tmp_path) as port,
    ):
        sink.list_outputs([sink, hls])
        Writing(sink, make_explanation()).write()
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(sink.address, wait_until="domcontentloaded")  # the picture never ends
        page.get_by_text("1 following the records").wait_for()
        places = page.inner_text("#places").splitlines()
        assert places[0] == f"on air at {sink.address}: 1 watching"
        assert places[1] == "on air as live.m3u8"
        page.goto(f"http://evil.example:{port}/")
        spied = page.evaluate(_SPY, sink.address)
        assert spied == dict.fromkeys(("websocket", "events", "fetched", "shown"), "refused")
        page.goto(f"http://localhost:{port}/")
        spied = page.evaluate(_SPY, sink.address)
        assert spied == dict.fromkeys(("websocket", "events", "fetched", "shown"), "read")
        page.close()


def test_chromium_plays_hls(
    browser: Any, make_explanation: Callable[..., Explanation], tmp_path: Path
) -> None:
    info = SourceInfo(name="x", kind="video", live=False, width=320, height=240, fps=10.0)
    with HlsSink(tmp_path / "clip.m3u8", info, rolling=False) as sink:
        for number in range(50):
            image = np.full((240, 320, 3), 200, np.uint8)
            sink.write(Frame(image, number, number / 10), image, make_explanation())
    (tmp_path / "index.html").write_text(
        "<video id=v src=clip.m3u8 muted autoplay></video><canvas id=c width=320 height=240>"
    )
    if int(browser.version.split(".")[0]) < 142:
        pytest.skip("this Chromium has no HLS of its own")
    with served(tmp_path) as port:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://localhost:{port}/")
        page.wait_for_function("v.currentTime > 0.5")
        assert page.evaluate("[v.videoWidth, v.videoHeight]") == [320, 240]
        assert page.evaluate("v.duration") == pytest.approx(5.0, abs=0.2)
        grey = page.evaluate(
            "() => { const d = c.getContext('2d'); d.drawImage(v, 0, 0);"
            " return d.getImageData(160, 120, 1, 1).data[0]; }"
        )
        assert grey == pytest.approx(200, abs=8)
        page.close()
