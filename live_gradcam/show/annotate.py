"""What is written on an image, most important first, as far as there is room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from live_gradcam.show import panels
from live_gradcam.show.arrange import Arrangement
from live_gradcam.show.heat import heat_table
from live_gradcam.show.options import LOW_CONFIDENCE, Hud, OverlayOptions
from live_gradcam.show.panels import ACCENT, DARK, GREY, WHITE, Line
from live_gradcam.show.text import wrap_text
from live_gradcam.show.tiles import spot
from live_gradcam.values import Explanation, Image, Region
from live_gradcam.wording import percent

_TYPE_SHARE = 0.042
_NOTE_SHARE = 0.8
_NOTE_WIDTH = 0.5


def annotate(
    rendered: Image,
    explanation: Explanation,
    options: OverlayOptions,
    hud: Hud | None,
    scale: float,
    *,
    title: str = "",
    keep_clear: Sequence[Region] = (),
) -> None:
    """Write labels, rates, notices and the legend on ``rendered`` in place.

    Args:
        rendered: The image with its heat.
        explanation: What is drawn there.
        options: What is wanted.
        hud: What the run has to say.
        scale: The evidence in logits that has the full colour.
        title: Over the legend; the explained class by default.
        keep_clear: What the notes and the legend should not lie on, as long as there is room.
    """
    height, width = rendered.shape[:2]
    size = panels.type_size(rendered, _TYPE_SHARE)
    margin = max(2, round(size * 0.5))
    room = width - 2 * margin
    column = _column_width(explanation.region, width, size, margin)
    at = Arrangement(rendered, margin, keep_clear)
    help_lines = hud.help_lines if hud else ()

    # The help stands over all the rest, which would only be seen in part.
    if options.show_labels and options.top_k and not help_lines:
        for rows, bars, share in (
            (options.top_k, True, 0.34),
            (options.top_k, False, 0.34),
            (1, True, 0.34),
            (1, False, 1.0),
        ):
            panel = panels.labels_panel(explanation, top_k=rows, size=size, width=column, bars=bars)
            if panel and panel.width * panel.height > share * width * height:
                continue
            if at.add(panel, ("top-left",)):
                break
    if hud and hud.recording_seconds is not None:
        at.add(
            panels.recording_panel(hud.recording_seconds, size=size),
            ("top-right", "bottom-right", "bottom-left"),
        )
    if hud and options.show_hud and not help_lines:
        for lines in _rate_lines(hud):
            panel = panels.text_panel(lines, size=size, max_width=room, align_right=True)
            small = panel is not None and panel.width * panel.height <= 0.2 * width * height
            if small and at.add(panel, ("top-right", "bottom-right")):
                break
    if hud and hud.banner:
        at.add(
            panels.pill(hud.banner, size=size, max_width=room, colour=DARK, ground=ACCENT),
            ("bottom", "centre"),
            over_others=True,
        )
    for notice in () if help_lines else _notices(explanation, options, scale):
        at.add(
            panels.pill(notice, size=size, max_width=room, colour=WHITE, ground=DARK),
            ("bottom", "centre"),
        )
    if hud and options.show_hud and hud.notes:
        notes = panels.text_panel(_note_lines(hud.notes, size, width), size=size, max_width=room)
        at.add(notes, ("bottom-right", "bottom-left"))
    has_heat = options.layout != "plain" and explanation.explained and scale > 0
    if options.show_legend and has_heat and not help_lines:
        table = heat_table(options.colormap, options.opacity, options.signed)
        legend = panels.legend_panel(
            title or _legend_title(explanation),
            table,
            scale,
            unit=explanation.unit,
            signed=options.signed,
            size=size,
            width=column,
        )
        if legend is not None and legend.height <= 0.22 * height:
            at.add(legend, ("bottom-left", "bottom-right") if keep_clear else ("bottom-left",))
    if help_lines:
        at.add(
            panels.help_panel(
                help_lines, size=size, max_width=room, max_height=height - 2 * margin
            ),
            ("centre",),
            over_others=True,
        )


def _note_lines(notes: Iterable[str], size: int, width: int) -> list[Line]:
    """The notes, broken into lines that leave the other half of the image alone."""
    most = max(12 * size, round(_NOTE_WIDTH * width))
    type_size = round(_NOTE_SHARE * size)
    return [Line(line, _NOTE_SHARE) for note in notes for line in wrap_text(note, type_size, most)]


def _legend_title(explanation: Explanation) -> str:
    """What the colours stand for; the method is named where it is not the usual one."""
    if not explanation.class_specific:
        return f"{explanation.method}, whatever the class"
    what = "evidence" if explanation.method == "gradcam" else explanation.method
    return f"{what} for {panels.shown_label(explanation)}"


def _rate_lines(hud: Hud) -> list[list[Line]]:
    """What lasts and the rates, in several lengths, longest first."""
    rates = [Line(word, 1.0, ACCENT) for word in hud.status]
    number = 0.8 if hud.fps is not None else 1.0
    if hud.fps is not None:
        rates.append(Line(f"{hud.fps:.1f} FPS" if hud.fps < 99.95 else f"{hud.fps:.0f} FPS"))
    if hud.latency_ms is not None:
        rates.append(Line(f"{hud.latency_ms:.0f} ms", number))
    engine = [hud.model, hud.precision, {True: "compiled", False: "eager", None: ""}[hud.compiled]]
    details = [" · ".join(word for word in engine if word), hud.capture]
    if hud.dropped:
        details.append(f"{hud.dropped} dropped")
    full = rates + [Line(text, 0.66, GREY) for text in details if text]
    short = [Line("  ".join(line.text for line in rates))]
    return [lines for lines in (full, rates, short, rates[:1]) if lines and lines[0].text]


def _notices(explanation: Explanation, options: OverlayOptions, scale: float) -> list[str]:
    notices = []
    if not explanation.finite:
        notices.append("no evidence: the network's numbers overflowed")
    elif explanation.explained and options.layout != "plain":
        shown = explanation.evidence[0]
        if not (shown > 0).any() and not (options.signed and (shown < 0).any()):
            notices.append(f"no evidence for {panels.shown_label(explanation)}")
    if explanation.predictions and explanation.predictions[0].probability < LOW_CONFIDENCE:
        notices.append("low confidence")
    return notices


def caption(rendered: Image, place: Region, explanation: Explanation, position: int) -> None:
    """Write what one of the maps is evidence for on its tile, in place."""
    index = explanation.explained[position]
    found = next((p for p in explanation.predictions if p.class_index == index), None)
    label = panels.shown_label(explanation, position)
    lines = [Line(f"{label}  {percent(found.probability)}" if found else label)]
    if not (explanation.evidence[position] > 0).any():
        lines.append(Line("no evidence", 0.8, GREY))
    size = panels.type_size(rendered, _TYPE_SHARE)
    panel = panels.text_panel(lines, size=size, max_width=place.width - size)
    Arrangement(spot(rendered, place), max(2, size // 3)).add(panel, ("top-left",))


def _column_width(region: Region, width: int, size: int, margin: int) -> int:
    """Width of the label panel: beside the region where that is wide enough, else in em."""
    beside = region.x - 2 * margin
    if 11 * size <= beside <= 14 * size:
        return beside
    return max(1, min(12 * size, width - 2 * margin))
