"""Text on an image: the pieces, most important first, as far as there is room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from live_gradcam.show.arrange import Anchor, Arrangement, tile_view
from live_gradcam.show.heat import heat_table
from live_gradcam.show.options import Hud, OverlayOptions, is_unsure
from live_gradcam.show.panel import ACCENT, DARK, GREY, WHITE, Line, Panel, Space, pill, text_panel
from live_gradcam.show.panels import (
    help_panel,
    labels_panel,
    legend_panel,
    recording_panel,
    shown_label,
    shown_strength,
)
from live_gradcam.show.text import wrap_text
from live_gradcam.values import Explanation, Image, Region

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
        explanation: The explanation whose heat it is.
        options: How it is drawn.
        hud: Figures and messages of the run.
        scale: The evidence in logits that has the full colour.
        title: Over the legend; the explained class by default.
        keep_clear: Regions that the notes and the legend avoid as long as there is room.
    """
    hud = hud or Hud()
    space = Space.on(rendered, _TYPE_SHARE)
    column = _column_width(explanation.region, space)
    arrangement = Arrangement(rendered, space.margin, keep_clear)
    # The help stands over all the rest, which would only be seen in part.
    plain = not hud.help_lines

    if options.show_labels and options.top_k and plain:
        arrangement.add(_labels(explanation, options.top_k, space, column), ("top-left",))
    if hud.recording_seconds is not None:
        clock = recording_panel(hud.recording_seconds, space)
        arrangement.add([clock], ("top-right", "bottom-right", "bottom-left"))
    if options.show_hud and plain:
        arrangement.add(_rates(hud, space), ("top-right", "bottom-right"))
    if hud.banner:
        banner = pill(hud.banner, space, colour=DARK, ground=ACCENT)
        arrangement.add([banner], ("bottom", "centre"), over_others=True)
    for notice in _notices(explanation, options, scale) if plain else ():
        warning = pill(notice, space, colour=WHITE, ground=DARK)
        arrangement.add([warning], ("bottom", "centre"))
    if options.show_hud and hud.notes:
        notes = text_panel(_note_lines(hud.notes, space), space)
        arrangement.add([notes], ("bottom-right", "bottom-left"))
    has_heat = options.layout != "plain" and explanation.explained and scale > 0
    if options.show_legend and has_heat and plain:
        table = heat_table(options.colormap, options.opacity, options.signed)
        title = title or _legend_title(explanation)
        legend = legend_panel(
            title, table, scale, space, column, unit=explanation.unit, signed=options.signed
        )
        if legend is not None and legend.height <= 0.22 * space.height:
            corners: tuple[Anchor, ...] = ("bottom-left", "bottom-right")
            arrangement.add([legend], corners if keep_clear else corners[:1])
    if hud.help_lines:
        arrangement.add([help_panel(hud.help_lines, space)], ("centre",), over_others=True)


def _labels(
    explanation: Explanation, top_k: int, space: Space, column: int
) -> Iterator[Panel | None]:
    """Lay out the labels in several sizes, largest first; each only if it is asked for."""
    for rows, bars in ((top_k, True), (top_k, False), (1, True)):
        panel = labels_panel(explanation, space, column, top_k=rows, bars=bars)
        if space.share(panel) <= 0.34:
            yield panel
    yield labels_panel(explanation, space, column, top_k=1, bars=False)


def _rates(hud: Hud, space: Space) -> Iterator[Panel | None]:
    """Lay out the rates in several lengths, longest first; each only if it is asked for."""
    for lines in _rate_lines(hud):
        panel = text_panel(lines, space, align_right=True)
        if space.share(panel) <= 0.2:
            yield panel


def _note_lines(notes: Iterable[str], space: Space) -> list[Line]:
    """Break the notes into lines that leave the other half of the image alone."""
    most = max(12 * space.size, round(_NOTE_WIDTH * space.width))
    size = round(_NOTE_SHARE * space.size)
    return [Line(line, _NOTE_SHARE) for note in notes for line in wrap_text(note, size, most)]


def _legend_title(explanation: Explanation) -> str:
    """Name what the colours stand for, with the method where it is not the usual one."""
    if not explanation.class_specific:
        return f"{explanation.method}, whatever the class"
    what = "evidence" if explanation.method == "gradcam" else explanation.method
    return f"{what} for {shown_label(explanation)}"


def _rate_lines(hud: Hud) -> list[list[Line]]:
    """Write status and rates in several lengths, longest first."""
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
            notices.append(f"no evidence for {shown_label(explanation)}")
    if is_unsure(explanation):
        notices.append("low confidence")
    return notices


def caption(rendered: Image, place: Region, explanation: Explanation, position: int) -> None:
    """Write on its tile, in place, what one of the maps is evidence for."""
    index = explanation.explained[position]
    found = next((p for p in explanation.predictions if p.class_index == index), None)
    label = shown_label(explanation, position)
    lines = [Line(f"{label}  {shown_strength(found)}" if found else label)]
    if not (explanation.evidence[position] > 0).any():
        lines.append(Line("no evidence", 0.8, GREY))
    space = Space.on(rendered, _TYPE_SHARE)
    panel = text_panel(lines, space, max_width=place.width - space.size)
    tile = tile_view(rendered, place)
    Arrangement(tile, max(2, space.size // 3)).add([panel], ("top-left",))


def _column_width(region: Region, space: Space) -> int:
    """Width of labels and legend: beside the region where that is wide enough, else in em."""
    beside = region.x - 2 * space.margin
    if 11 * space.size <= beside <= 14 * space.size:
        return beside
    return max(1, min(12 * space.size, space.room))
