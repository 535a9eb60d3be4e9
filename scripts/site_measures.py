"""What the page without a server costs, how fast it is, and whether it stays so.

    python scripts/site_measures.py                         # everything, a table, into build/
    python scripts/site_measures.py --only memory --minutes 10
    python scripts/site_measures.py --only scenes clip

The bundled network, a ResNet-18, is exported and visited in Chromium. ``bytes``: what a host sends
for the first visit and for the second. ``load``: from opening to the first explained example, with
everything kept. ``rate``: explained pictures a second with a thread for each core, of a camera and
of one picture over and over. ``memory``: growth over minutes of a camera, after everything unused
was collected. ``scenes``: how many of the shown labels are right while a camera shows generated
scenes. ``clip``: how often the page's best class of a real film's frame is Python's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# The service worker's requests are listed, too; Playwright's driver reads this when it starts.
os.environ.setdefault("PW_EXPERIMENTAL_SERVICE_WORKER_NETWORK_EVENTS", "1")

import psutil
from playwright.sync_api import Page, Playwright, sync_playwright

from live_gradcam.choices import ExportPrecision
from live_gradcam.explain.load import load_classifier
from live_gradcam.graph.open import open_graph
from live_gradcam.scenes import render_scene
from live_gradcam.site.folder import write_site
from live_gradcam.site.runtime import obtain_runtime
from live_gradcam.values import Image
from scripts.site_visit import (
    BITS,
    BLOCK,
    Host,
    Visits,
    heap_bytes,
    numbered,
    opened,
    read_clip,
    start_camera,
    wait_until,
    write_camera,
)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
RESULTS = ROOT / "build" / "site_measures.json"

_MEGA = 1e6
_SIZE = (640, 480)
_WIDE = (640, 360)
_FRAME_RATE = 10
_WEBCAM_RATE = 30
_SMALL: tuple[ExportPrecision, ...] = ("int8", "fp16")
_LOADS = 5
_STILLS = 30
_KEPT = "Boolean(navigator.serviceWorker.controller)"

_RATE = """(seconds) => new Promise((done) => {
  const { session } = liveGradcam;
  let count = 0;
  const began = performance.now();
  session.addEventListener("explained", function counted() {
    count += 1;
    const passed = (performance.now() - began) / 1000;
    if (passed < seconds) return;
    session.removeEventListener("explained", counted);
    done(count / passed);
  });
})"""
_STILL = """async (count) => {
  const bitmap = await createImageBitmap(liveGradcam.session.shown.bitmap);
  for (let warm = 0; warm < 3; warm++) await liveGradcam.explainImage(bitmap);
  const began = performance.now();
  for (let each = 0; each < count; each++) await liveGradcam.explainImage(bitmap);
  return count / ((performance.now() - began) / 1000);
}"""
# Of each explained frame: the number that is written into it, the label that is shown first, and
# the class with the highest score.
_READ = f"""(seconds) => new Promise((done) => {{
  const {{ session }} = liveGradcam;
  const strip = new OffscreenCanvas({BLOCK}, {BLOCK * BITS});
  const brush = strip.getContext("2d", {{ willReadFrequently: true }});
  const seen = [];
  let last = -1;
  const began = performance.now();
  session.addEventListener("shown", function read() {{
    const {{ bitmap, explanation, live, number }} = session.shown;
    if (!live || last === number) return;
    brush.drawImage(bitmap, 0, 0);
    const {{ data }} = brush.getImageData({BLOCK // 2}, 0, 1, {BLOCK * BITS});
    let frame = 0;
    for (let bit = 0; bit < {BITS}; bit++) {{
      if (data[4 * (bit * {BLOCK} + {BLOCK // 2})] > 128) frame |= 1 << bit;
    }}
    const best = explanation.scores.indexOf(Math.max(...explanation.scores));
    const shown = document.querySelector("#classes .name")?.textContent;
    seen.push({{ frame, shown, best }});
    last = number;
    if (performance.now() - began < seconds * 1000) return;
    session.removeEventListener("shown", read);
    done(seen);
  }});
}})"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        value: In its unit.
        unit: For people.
        bar: What it must reach; empty where there is nothing to reach.
        reached: Whether it does.
    """

    name: str
    value: float
    unit: str
    bar: str = ""
    reached: bool = True

    def __str__(self) -> str:
        mark = "" if not self.bar else f"  {'yes' if self.reached else 'NO ':<3}  {self.bar}"
        return f"{self.name:<58} {self.value:>9.4g} {self.unit:<12}{mark}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One explained frame of a camera.

    Attributes:
        frame: The number that is written into it.
        shown: The label that is shown first.
        best: Index of the class with the highest score.
    """

    frame: int
    shown: str
    best: int


@dataclass
class Bench:
    """What all measurements share: the exported folders, the browser, and what went wrong."""

    playwright: Playwright
    place: Path
    visits: Visits
    options: argparse.Namespace

    def folder(self, precision: ExportPrecision, model: str = "scenes", weights: str = "") -> Path:
        """The page of a network in a precision, exported once."""
        folder = self.place / f"{model}-{precision}"
        if not folder.exists():
            write_site(
                folder,
                load_classifier(model, weights=weights or None),
                runtime=obtain_runtime(),
                precision=precision,
                force=True,
                on_notice=lambda text: print(text, file=sys.stderr),
            )
        return folder

    def camera(
        self, name: str, images: Sequence[Image], each: int = 1, rate: int = _FRAME_RATE
    ) -> Path:
        """A film for a camera."""
        return write_camera(self.place / name, images, rate=rate, each=each)


def measure_bytes(bench: Bench) -> list[Figure]:
    """Bytes that hosts send for the first and the second visit."""
    figures = []
    for precision in _SMALL:
        folder = bench.folder(precision)
        for compresses in (True, False):
            host = Host(folder, compresses=compresses)
            with host, bench.visits.browser(bench.playwright, host.address) as context:
                page = opened(context, host.address)
                wait_until(page, _KEPT)
                page.close()
                kind = "compresses" if compresses else "compresses nothing"
                first = sum(host.sent.values()) / _MEGA
                small = compresses and precision == "int8"
                bar = ("<= 20", first <= 20) if small else ("", True)
                name = f"first visit, {precision}, a host that {kind}"
                figures.append(Figure(name, first, "MB", *bar))
                host.sent.clear()
                opened(context, host.address).close()
                second = sum(host.sent.values())
                name = f"second visit, {precision}, the same host"
                figures.append(Figure(name, second, "bytes", "0", second == 0))
    return figures


def measure_load(bench: Bench) -> list[Figure]:
    """From opening to the first explained example, everything kept."""
    figures = []
    for precision in _SMALL:
        host = Host(bench.folder(precision))
        with host, bench.visits.browser(bench.playwright, host.address) as context:
            page = opened(context, host.address)
            wait_until(page, _KEPT)
            page.close()
            times = []
            for _ in range(_LOADS):
                page = opened(context, host.address)
                times.append(page.evaluate("firstExplained") / 1000)
                page.close()
        median = statistics.median(times)
        name = f"opening to first explained example, {precision}"
        figures.append(Figure(name, median, "s", "<= 3", median <= 3))
    return figures


def measure_rate(bench: Bench) -> list[Figure]:
    """Explained pictures a second with as many threads as there are cores, four at most."""
    scenes = [render_scene(seed, width=640, height=480).image for seed in range(6)]
    # As webcams give them: the camera is not what the rate waits for, and things stay for a while.
    film = bench.camera("rate.y4m", scenes, each=2 * _WEBCAM_RATE, rate=_WEBCAM_RATE)
    figures = []
    bars: dict[ExportPrecision, float] = {"int8": 12.0, "fp32": 4.0}
    for precision, least in bars.items():
        host = Host(bench.folder(precision), threads=True)
        with host, bench.visits.browser(bench.playwright, host.address, film) as context:
            page = opened(context, host.address)
            threads = int(page.evaluate("liveGradcam.ready.then((report) => report.used.threads)"))
            still = float(page.evaluate(_STILL, _STILLS))
            start_camera(page)
            page.evaluate(_RATE, 3)
            tested = float(page.evaluate(_RATE, bench.options.seconds))
            page.uncheck("#truth")
            page.evaluate(_RATE, 3)
            camera = float(page.evaluate(_RATE, bench.options.seconds))
        bar = f">= {least:g}"
        for what, rate in (("one picture", still), ("camera", camera)):
            name = f"{precision}, {what}, {threads} threads"
            figures.append(Figure(name, rate, "a second", bar, rate >= least))
        name = f"{precision}, camera with the truth meter, {threads} threads"
        figures.append(Figure(name, tested, "a second"))
    return figures


def measure_memory(bench: Bench) -> list[Figure]:
    """Growth over minutes of a camera, after a first one in which everything comes to its size."""
    scenes = [render_scene(seed, width=640, height=480).image for seed in range(20)]
    film = bench.camera("memory.y4m", scenes, each=5)
    host = Host(bench.folder("int8"), threads=True)
    heaps, residents = [], []
    with host, bench.visits.browser(bench.playwright, host.address, film) as context:
        page = opened(context, host.address)
        client = context.new_cdp_session(page)
        client.send("HeapProfiler.enable")
        start_camera(page)
        end = time.monotonic() + 60 * (bench.options.minutes + 1)
        while True:
            page.wait_for_timeout(min(60.0, max(1.0, end - time.monotonic())) * 1000)
            heaps.append(heap_bytes(client) / _MEGA)
            residents.append(_renderer_bytes() / _MEGA)
            print(f"heap {heaps[-1]:.1f} MB, process {residents[-1]:.0f} MB", file=sys.stderr)
            if time.monotonic() >= end:
                break
        explained = int(page.evaluate("liveGradcam.session.numbers"))
    minutes = f"{bench.options.minutes:g} minutes of camera"
    growth = heaps[-1] - heaps[0]
    return [
        Figure(f"heap growth, {minutes}", growth, "MB", "< 30", growth < 30),
        Figure(f"growth of the browser's process, {minutes}", residents[-1] - residents[0], "MB"),
        Figure(f"explained pictures, {minutes}", explained, ""),
    ]


def _renderer_bytes() -> int:
    """Bytes in memory of the largest process of our browser that shows pages."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "--type=renderer" in process.cmdline():
                sizes.append(process.memory_info().rss)
        except psutil.Error:
            continue  # it has just ended
    return max(sizes, default=0)


def measure_scenes(bench: Bench) -> list[Figure]:
    """Right labels while a camera shows scenes of one object, each for a second."""
    seconds = int(bench.options.seconds)
    scenes = [render_scene(seed, width=640, height=480, objects=1) for seed in range(seconds)]
    images = [numbered(scene.image, number) for number, scene in enumerate(scenes)]
    film = bench.camera("scenes.y4m", images, each=_FRAME_RATE)
    seen = _watch(bench, bench.folder("int8"), film, seconds)
    right = [each.shown == scenes[each.frame].objects[0].label for each in seen]
    share = 100 * statistics.mean(right)
    name = f"right labels, {len(seen)} frames of {seconds} s of scenes"
    return [Figure(name, share, "%", ">= 90", share >= 90)]


def measure_clip(bench: Bench) -> list[Figure]:
    """Best classes of a real film's frames that are Python's."""
    clips = sorted((bench.options.shared / "media" / "video").glob("*.mp4"))
    weights = bench.options.shared / "weights" / "squeezenet1_1-imagenet.pth"
    if not clips or not weights.is_file():
        print(f"no film or weights in {bench.options.shared}", file=sys.stderr)
        return []
    folder = bench.folder("fp16", "squeezenet1_1", str(weights))
    figures = []
    for clip in clips:
        count = int(bench.options.seconds) * _FRAME_RATE
        images = [
            numbered(image, number) for number, image in enumerate(read_clip(clip, count, _WIDE))
        ]
        seen = _watch(bench, folder, bench.camera(f"{clip.stem}.y4m", images), len(images) / 10)
        with open_graph(folder / "graph.onnx", engine="onnxruntime") as explainer:
            best = {
                frame: explainer.explain(images[frame]).predictions[0].class_index
                for frame in {each.frame for each in seen}
            }
        same = 100 * statistics.mean(each.best == best[each.frame] for each in seen)
        name = f"best class as Python's, {len(seen)} frames of {clip.stem}"
        figures.append(Figure(name[:58], same, "%"))
    return figures


def _watch(bench: Bench, folder: Path, film: Path, seconds: float) -> list[Seen]:
    host = Host(folder, threads=True)
    with host, bench.visits.browser(bench.playwright, host.address, film) as context:
        page: Page = opened(context, host.address)
        start_camera(page)
        return [Seen(**each) for each in page.evaluate(_READ, seconds)]


MEASURES: Mapping[str, Callable[[Bench], list[Figure]]] = {
    "bytes": measure_bytes,
    "load": measure_load,
    "rate": measure_rate,
    "memory": measure_memory,
    "scenes": measure_scenes,
    "clip": measure_clip,
}


def main() -> None:
    """Measure, print a table, and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--minutes", type=float, default=10.0, help="of camera, for memory")
    parser.add_argument("--seconds", type=float, default=30.0, help="of rates, scenes and the clip")
    parser.add_argument("--shared", type=Path, default=SHARED)
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    visits = Visits()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        bench = Bench(playwright, Path(place), visits, options)
        for name in options.only:
            figures = MEASURES[name](bench)
            results[name] = [asdict(each) for each in figures]
            for each in figures:
                print(each, flush=True)
    totals = [
        Figure("errors in the console", len(visits.errors), "", "0", not visits.errors),
        Figure("requests to other hosts", len(visits.elsewhere), "", "0", not visits.elsewhere),
    ]
    for each in totals:
        print(each)
    for line in [*visits.errors[:5], *visits.elsewhere[:5]]:
        print(f"  {line}")
    results["visits"] = [asdict(each) for each in totals]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
