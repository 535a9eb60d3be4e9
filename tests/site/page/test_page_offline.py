"""The page keeps itself: offline, when it is exported anew, and bound to its own host."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.site.filling import describe_file
from tests.site.conftest import Host, replaced

from .visits import EXPLAINED, PATIENCE_MS, Visit, visiting

KEPT = "Boolean(navigator.serviceWorker.controller)"
HEADERS_OF = """async (names) => {
  const { headers } = await fetch("js/app.js");
  return names.map((name) => headers.get(name));
}"""
CACHED = """async () => {
  const kept = {};
  for (const name of await caches.keys()) {
    const requests = await (await caches.open(name)).keys();
    kept[name.split(" ").at(-1)] = requests.map((each) => new URL(each.url).pathname.slice(1));
  }
  return kept;
}"""


@dataclass
class Server:
    """A host with headers of its own.

    Attributes:
        address: Of the page.
        asked: Methods and paths that were asked for.
        headers: Sent with every answer.
    """

    address: str = ""
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, server_of: Server, **options: Any) -> None:
        self.server_of = server_of
        super().__init__(*args, **options)

    def log_message(self, format: str, *args: object) -> None:
        self.server_of.asked.append(f"{self.command} {self.path}")

    def end_headers(self) -> None:
        for name, value in self.server_of.headers.items():
            self.send_header(name, value)
        super().end_headers()


@contextmanager
def hosted(folder: Path, **headers: str) -> Iterator[Server]:
    found = Server(headers={name.replace("_", "-"): value for name, value in headers.items()})
    handler = partial(_Handler, directory=str(folder), server_of=found)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def folder(host: Host, tmp_path: Path) -> Path:
    """A copy of the page; its files are links until they are written anew."""
    folder = tmp_path / "page"
    shutil.copytree(host.folder / "site", folder, copy_function=os.link)
    return folder


def export_anew(folder: Path, title: str, other: Path) -> None:
    """Put another export there: another headline and another graph, in files of the same names."""
    content = json.loads((folder / "site.json").read_text(encoding="utf-8"))
    before, content["version"], content["title"] = content["version"], "another", title
    replaced(folder / "graph.onnx", (other / "graph.onnx").read_bytes())
    worker = (folder / "service-worker.js").read_text(encoding="utf-8")
    replaced(folder / "service-worker.js", worker.replace(before, "another").encode())
    for name in ("graph.onnx", "service-worker.js"):
        content["files"][name] = describe_file(folder / name)
    content["graph"].update(content["files"]["graph.onnx"])
    replaced(folder / "site.json", json.dumps(content).encode())


def see_again(visit: Visit) -> None:
    visit.page.reload()
    visit.wait_until(EXPLAINED)


def test_the_page_can_be_installed_and_its_words_edited_and_it_needs_no_network(
    chromium: Any, folder: Path
) -> None:
    with (
        hosted(folder, Cache_Control="max-age=600") as server,
        visiting(chromium, server.address) as visit,
    ):
        visit.wait_until(KEPT)
        debugger = visit.page.context.new_cdp_session(visit.page)
        hindered = debugger.send("Page.getInstallabilityErrors")["installabilityErrors"]
        # Browsers of tests keep nothing when they end, and so install nothing.
        assert [each["errorId"] for each in hindered] == ["in-incognito"]
        content = json.loads((folder / "site.json").read_text(encoding="utf-8"))
        content["texts"] |= {"tab.picture": "Bild", "page.language": "de"}
        replaced(folder / "site.json", json.dumps(content).encode())
        see_again(visit)
        assert visit.text("#tab-picture") == "Bild"
        assert visit.run("() => document.documentElement.lang") == "de"
        # What a network answers that wants a password first is no description.
        replaced(folder / "site.json", b"<html>Log in</html>")
        visit.page.reload()
        visit.wait_until("document.getElementById('tab-picture')?.textContent === 'Bild'")
        visit.page.context.set_offline(True)
        see_again(visit)
        assert visit.text("#tab-picture") == "Bild"
        assert visit.run("() => crossOriginIsolated")


def test_a_page_that_is_exported_anew_is_seen_whole_at_the_next_visit(
    chromium: Any, folder: Path, host: Host
) -> None:
    """The browser has kept files of the export before for ten minutes, as on GitHub Pages."""
    with (
        hosted(folder, Cache_Control="max-age=600") as server,
        visiting(chromium, server.address) as visit,
    ):
        visit.wait_until(KEPT)
        first = visit.run("() => liveGradcam.session.site.graph.sha256")
        export_anew(folder, "The second page", host.folder / "exact")
        server.asked.clear()
        visit.page.goto(server.address)
        # Scripts that Playwright runs count as something that the visitor did: only the host is
        # asked whether the page was loaded again, behind the service worker's own look.
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while server.asked.count("GET /site.json") < 3:
            assert time.monotonic() < deadline, server.asked
            visit.page.wait_for_timeout(50)
        visit.wait_until("document.title === 'The second page' && " + EXPLAINED)
        assert visit.run("() => liveGradcam.session.site.graph.sha256") != first
        assert visit.run(CACHED).keys() == {"another"}
        server.asked.clear()
        see_again(visit)
        visit.page.wait_for_load_state("networkidle")
        loaded = [each for each in server.asked if "site.json" not in each]
        assert [each for each in loaded if "service-worker.js" not in each] == []


def test_nothing_is_kept_that_is_not_what_was_exported(chromium: Any, folder: Path) -> None:
    example = folder / "examples" / "example-2.jpg"
    content = example.read_bytes()
    replaced(example, b"of another export")
    with hosted(folder) as server, visiting(chromium, server.address) as visit:
        visit.wait_until("document.querySelectorAll('#examples img').length === 4")
        failed = visit.run(
            """async () => {
              const found = await navigator.serviceWorker.getRegistration();
              const worker = found?.installing ?? found?.waiting ?? found?.active;
              if (!worker) return "redundant";
              return new Promise((done) => {
                const ends = ["redundant", "activated"];
                const look = () => ends.includes(worker.state) && done(worker.state);
                worker.addEventListener("statechange", look);
                look();
              });
            }"""
        )
        assert failed == "redundant"
        replaced(example, content)
        see_again(visit)
        visit.wait_until(KEPT)
        (kept,) = visit.run(CACHED).values()
        described = json.loads((folder / "site.json").read_text(encoding="utf-8"))["files"]
        later = {name for name in described if "jspi" in name or name.endswith(".txt")}
        assert set(kept) == described.keys() - later - {"service-worker.js"} | {"site.json"}
        visit.problems.clear()  # the console names the picture that could not be shown


def test_what_a_host_says_itself_counts(chromium: Any, folder: Path) -> None:
    """A static Space is shown inside another page, which its own headers allow."""
    names = ["Cross-Origin-Resource-Policy", "Cross-Origin-Embedder-Policy"]
    names += ["Content-Security-Policy"]
    with (
        hosted(folder, Cross_Origin_Resource_Policy="cross-origin") as server,
        visiting(chromium, server.address) as visit,
    ):
        assert visit.run(HEADERS_OF, names) == ["cross-origin", None, None]
        visit.wait_until(KEPT)
        see_again(visit)
        resource, embedder, policy = visit.run(HEADERS_OF, names)
        assert (resource, embedder) == ("cross-origin", "require-corp")
        assert policy.startswith("default-src 'none'")


def test_neither_page_nor_worker_can_ask_another_host(
    chromium: Any, folder: Path, tmp_path: Path
) -> None:
    """Neither where the host sends no policy, nor later, when the service worker adds it."""
    (tmp_path / "other").mkdir()
    with hosted(folder) as server, hosted(tmp_path / "other") as other:
        with visiting(chromium, server.address) as visit:
            ask = f"() => fetch('{other.address}x').then(() => 'answered', () => 'refused')"
            for _ in range(2):
                # Threads of the engine are workers, too.
                (worker,) = (each for each in visit.page.workers if ".mjs" not in each.url)
                assert worker.evaluate(ask) == "refused"
                assert visit.run(ask) == "refused"
                visit.wait_until(KEPT)
                see_again(visit)
            visit.problems.clear()  # the console names what was refused
        assert other.asked == []
