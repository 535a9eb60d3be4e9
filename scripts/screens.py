"""Draw every state of the window in every layout, at several sizes, to look at.

    python scripts/screens.py [FOLDER] [--picture mug.jpg] [--sizes 640x480 1920x1080] [--only help]
    python scripts/screens.py --readme .github/demo.png    # the picture on top of the README

Each is drawn by the same functions as the window itself. Beside the single screens there is a sheet
for each size. The tests measure the same states: `tests/show/test_screens.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live_gradcam.choices import COLORMAP_NAMES, DEFAULT_COLORMAP, HUD_LAYOUTS, HudLayout
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.faithfulness import removal_sentence, scramble_sentence
from live_gradcam.faithfulness.removal import Removal, hottest_area
from live_gradcam.faithfulness.verdicts import removal_figures
from live_gradcam.images import read_image
from live_gradcam.images.geometry import resize
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.session.keys import help_groups
from live_gradcam.session.teaching_words import TEACHING
from live_gradcam.show.loading import draw_loading
from live_gradcam.show.options import TeachingCell, TeachingRow
from live_gradcam.show.overlay import (
    Composition,
    Hud,
    MarkedArea,
    OverlayOptions,
    compose,
    paint,
)
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Explanation, Image, OutputKind, Prediction

SIZES = ((640, 480), (1280, 800), (1920, 1080), (3840, 2160))
_SHEET_COLUMNS = 5
_SHEET_WIDTH = 480
_SCENE = 7
_README_SIZE = (1024, 576)

_USUAL = OverlayOptions()

LIVE = Hud(
    fps=14.93,
    latency_ms=48.2,
    dropped=12,
    capture="1280x720 at 30 FPS",
    model="resnet18 layer3 scorecam",
    precision="bf16",
    compiled=True,
)


@dataclass(frozen=True, kw_only=True)
class State:
    """One state of the window.

    Attributes:
        hud: What is written.
        options: How it is drawn, apart from the layout.
        mosaic: The three best maps side by side.
        pointing: The mouse points to the middle.
        change: Which explanation is shown: the usual one, or a special one.
    """

    hud: Hud = LIVE
    options: OverlayOptions = _USUAL
    mosaic: bool = False
    pointing: bool = False
    change: str = ""


def states(explanation: Explanation) -> Mapping[str, State]:
    """Return every state by name."""
    label = explanation.predictions[0].label
    removal = Removal(0, label, 0.93, 0.04, (0.91, 0.93, 0.88), completeness_residual=4e-7)
    removal = replace(removal, named_without_hot=False, named_without_controls=3)
    tested = replace(
        LIVE,
        verdict=removal_sentence(removal),
        marked=MarkedArea(hottest_area(explanation.evidence[0])),
        figures=removal_figures(removal),
    )
    return {
        "usual": State(),
        "first": State(hud=replace(LIVE, notes=("h: help",))),
        "help": State(hud=replace(LIVE, help=help_groups())),
        "help-banner": State(
            hud=replace(LIVE, help=help_groups(), banner=_BANNER, recording_seconds=83.0)
        ),
        "truth": State(hud=tested),
        "scrambled": State(
            hud=replace(LIVE, notes=("random weights",), verdict=scramble_sentence(0.04))
        ),
        "pointing": State(pointing=True),
        "pointing-recording": State(hud=replace(tested, recording_seconds=3725.0), pointing=True),
        "held": State(hud=replace(LIVE, status=("held",), notes=(f"holding {label}",))),
        "frozen": State(hud=replace(LIVE, fps=None, latency_ms=None, status=("frozen", "held"))),
        "recording": State(hud=replace(LIVE, recording_seconds=12.0, notes=("recording",))),
        "signed": State(options=replace(_USUAL, signed=True)),
        "contrast": State(change="contrast"),
        "mosaic": State(mosaic=True),
        "mosaic-busy": State(
            hud=replace(tested, banner=_BANNER, recording_seconds=3.0, status=("frozen",)),
            mosaic=True,
        ),
        "side-by-side": State(options=replace(_USUAL, layout="side-by-side")),
        "plain": State(options=replace(_USUAL, layout="plain")),
        "banner": State(hud=replace(LIVE, banner=_BANNER)),
        "picture": State(hud=Hud(caption="IMG_20261124_0815.jpg · 2 of 40")),
        "message": State(hud=replace(LIVE, notes=("saved live-gradcam-20261127-154210.png",))),
        "kiosk": State(
            hud=replace(
                LIVE,
                title="What does the machine see?",
                invitation="Hold something up to the camera",
            )
        ),
        "teaching": State(hud=replace(LIVE, teaching=_teaching(("mug", "cup", "pen"), held=1))),
        "teaching-nine": State(
            hud=replace(
                tested,
                teaching=_teaching((*_LONG, *_CHINESE, "mug", "tea-pot", "x"), held=0),
                banner=_BANNER,
                notes=("taken back: 14 pictures of mug",),
            )
        ),
        "teaching-begins": State(
            hud=replace(
                LIVE,
                teaching=_teaching(
                    (),
                    line=TEACHING["first"],
                ),
            )
        ),
        "teaching-name": State(
            hud=replace(LIVE, teaching=_teaching(("mug",), prompt="name of class 2", typed="茶 po"))
        ),
        "no-evidence": State(change="no evidence"),
        "raw-numbers": State(change="raw"),
        "long-labels": State(change="long"),
        "chinese": State(change="chinese"),
        "everything": State(
            hud=replace(
                tested,
                banner=_BANNER,
                recording_seconds=3725.0,
                status=("frozen", "held"),
                notes=("saved live-gradcam-20261127-154210.png", "scorecam: 12 of 512 forwards"),
                caption="IMG_20261124_0815.jpg · 2 of 40",
                title="What does the machine see?",
            ),
            pointing=True,
            change="long",
        ),
    }


def _teaching(
    labels: Sequence[str],
    *,
    held: int | None = None,
    line: str = "",
    prompt: str = "",
    typed: str = "",
) -> TeachingRow:
    """Return a row of classes, with pictures of scenes."""
    cells = [
        TeachingCell(
            str(number),
            label,
            count=37 * number + 9,
            thumbnails=tuple(
                render_scene(10 * number + each, width=64, height=64).image for each in range(3)
            ),
            held=number == held,
        )
        for number, label in enumerate(("anything else", *labels))
    ]
    line = line or (
        f"It knows {labels[-1]} by what is behind it: cover the {labels[-1]} and it still says "
        f"{labels[-1]} (93 % on average)."
        if labels
        else ""
    )
    return TeachingRow(tuple(cells), line, prompt, typed)


_BANNER = "http://10.0.0.7:8080/stream: the connection was cut, trying again in 2 s"
_LONG = ("German short-haired pointer", "Chesapeake Bay retriever", "black-and-tan coonhound")
_CHINESE = ("咖啡杯", "茶壶", "意大利浓缩咖啡机")


def change(explanation: Explanation, name: str) -> Explanation:
    """Return the explanation of a state."""
    evidence = explanation.evidence
    if name == "no evidence":
        return replace(explanation, evidence=-np.abs(evidence))
    if name == "contrast":
        first, second = (p.label for p in explanation.predictions[:2])
        difference = evidence[:1] - evidence[1:2]
        rest = {
            "explained": explanation.explained[:1],
            "labels": (f"{first} rather than {second}",),
        }
        return replace(explanation, evidence=difference, **rest)  # type: ignore[arg-type]
    if name == "raw":
        numbers = tuple(replace(p, probability=None) for p in explanation.predictions)
        return replace(explanation, predictions=numbers, output=OutputKind("raw"))
    names = {"long": _LONG, "chinese": _CHINESE}.get(name)
    if names is None:
        return explanation
    renamed: tuple[Prediction, ...] = tuple(
        replace(p, label=label) for p, label in zip(explanation.predictions, names, strict=False)
    )
    return replace(explanation, predictions=renamed, labels=names[: len(explanation.labels)])


def draw_state(
    image: Image,
    explanation: Explanation,
    state: State,
    layout: HudLayout,
    size: tuple[int, int],
    *,
    colormap: str = DEFAULT_COLORMAP,
) -> Composition:
    """Draw one state as the window would.

    Args:
        image: The frame.
        explanation: Of the frame, with three maps.
        state: The state.
        layout: One of the three layouts.
        size: Width and height of the window.
        colormap: One of the colour maps.
    """
    shown = change(explanation, state.change)
    options = replace(state.options, hud_layout=layout, colormap=colormap)
    height, width = image.shape[:2]
    spot = spot_at(shown, width // 2, height // 2) if state.pointing else None
    if not state.mosaic:
        shown = shown.with_classes(shown.explained[:1])
    scene = paint(image, shown, options=options, hud=state.hud, size=size, mosaic=state.mosaic)
    return compose(scene, shown, options=options, hud=state.hud, mosaic=state.mosaic, pointing=spot)


def _screens(
    image: Image, explanation: Explanation, size: tuple[int, int], only: str, colormap: str
) -> Iterator[tuple[str, Image]]:
    for name, state in states(explanation).items():
        for layout in HUD_LAYOUTS:
            title = f"{name}-{layout}"
            if only in title:
                drawn = draw_state(image, explanation, state, layout, size, colormap=colormap)
                yield title, drawn.image
    if only in "loading":
        yield "loading", draw_loading(size, "loading the network resnet18 ...", 0.6)


def _sheet(screens: Sequence[Image]) -> Image:
    small = [
        resize(each, _SHEET_WIDTH, each.shape[0] * _SHEET_WIDTH // each.shape[1])
        for each in screens
    ]
    framed = [cv2.copyMakeBorder(each, 0, 6, 0, 6, cv2.BORDER_CONSTANT) for each in small]
    framed += [np.zeros_like(framed[0])] * (-len(framed) % _SHEET_COLUMNS)
    rows = [
        np.hstack(framed[n : n + _SHEET_COLUMNS]) for n in range(0, len(framed), _SHEET_COLUMNS)
    ]
    return np.vstack(rows)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> int:
    """Draw; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/screens"))
    parser.add_argument("--picture", type=Path, help="a picture; a generated scene without it")
    parser.add_argument("--model", default="scenes", help="explains the picture")
    parser.add_argument("--weights", help="of the model, where it needs some")
    parser.add_argument("--sizes", nargs="+", type=_size, default=SIZES, metavar="WxH")
    parser.add_argument("--readme", type=Path, metavar="PNG", help="draw this picture only")
    parser.add_argument("--only", default="", help="a part of the names, e.g. help or -stage")
    parser.add_argument("--colormap", choices=COLORMAP_NAMES, default=DEFAULT_COLORMAP)
    arguments = parser.parse_args()
    image = render_scene(_SCENE, width=1280, height=720).image
    if arguments.picture is not None:
        image = read_image(arguments.picture)
    classifier = load_classifier(arguments.model, weights=arguments.weights)
    with Explainer(classifier, device="cpu", compile="off") as explainer:
        explanation = explainer.explain(image, classes="top")
    if arguments.readme is not None:
        usual = State(hud=Hud(fps=24.6))
        shown = draw_state(image, explanation, usual, "normal", _README_SIZE)
        cv2.imwrite(str(arguments.readme), shown.image)
        return 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for size in arguments.sizes:
        drawn = []
        for name, screen in _screens(image, explanation, size, arguments.only, arguments.colormap):
            path = arguments.folder / f"{size[0]}x{size[1]}-{name}.png"
            cv2.imwrite(str(path), screen, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            drawn.append(screen)
        if not drawn:
            parser.error(f"there is no state with {arguments.only} in its name")
        sheet = arguments.folder / f"sheet-{size[0]}x{size[1]}.png"
        cv2.imwrite(str(sheet), _sheet(drawn))
        sys.stdout.write(f"{sheet}: {len(drawn)} screens\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
