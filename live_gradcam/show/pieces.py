"""What is written on a picture: which pieces there are in each layout, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from live_gradcam.predictions import lead_of
from live_gradcam.show.heat import heat_table
from live_gradcam.show.help import help_panel
from live_gradcam.show.labels import LABELS_EM, NARROW_EM, labels_panel
from live_gradcam.show.layout import Anchor, Picture, Piece, Space
from live_gradcam.show.options import Hud, OverlayOptions, is_unsure
from live_gradcam.show.panel import (
    ACCENT,
    DARK,
    GREY,
    WHITE,
    Line,
    Panel,
    largest_share,
    pill,
    text_panel,
)
from live_gradcam.show.panels import (
    legend_panel,
    recording_panel,
    shown_label,
)
from live_gradcam.show.teaching_row import teaching_panels
from live_gradcam.show.text import wrap_text
from live_gradcam.show.votes import Spot, votes_panel
from live_gradcam.show.words import answer_sentence, evidence_unit
from live_gradcam.values import Explanation

IMPORTANCE = (
    "banner",
    "recording",
    "help",
    "title",
    "invitation",
    "teaching",
    "sentence",
    "labels",
    "notice",
    "votes",
    "notes",
    "legend",
    "picture",
    "rates",
    "figures",
)
"""Every piece, the most important first: where there is not room for all, the last ones go."""

_NOTE_SHARE = 0.85
_TEACHING_SHARE = 0.4
_DETAIL_SHARE = 0.72
_NOTE_WIDTH = 0.5
_SENTENCE_WIDTH = 30.0  # in em: longer lines are hard to read
_STAGE_SHARES = (1.7, 1.5, 1.35, 1.2, 1.0)
_WIDEST_EM = 15.0
_RAW_LABELS_EM = 14.0

# The corners in the order in which a piece tries them: the next one lies on the same side.
_FROM_TOP_LEFT: tuple[Anchor, ...] = ("top-left", "bottom-left", "top-right", "bottom-right")
_FROM_TOP_RIGHT: tuple[Anchor, ...] = ("top-right", "bottom-right", "top-left", "bottom-left")
_FROM_BOTTOM_LEFT: tuple[Anchor, ...] = ("bottom-left", "top-left", "bottom-right", "top-right")
_FROM_BOTTOM_RIGHT: tuple[Anchor, ...] = ("bottom-right", "top-right", "bottom-left", "top-left")

_Piece: TypeAlias = Piece[Panel]


@dataclass(frozen=True, slots=True)
class Written:
    """Everything that pieces are made from.

    Attributes:
        explanation: The explanation whose heat is drawn.
        options: How it is drawn.
        hud: Figures and messages of the run.
        scale: The evidence in logits that has the full colour.
        space: Measures of the canvas.
        pictures: Where the pictures stand.
        captioned: Each picture has a caption, so that no labels are listed.
        pointing: The spot that the mouse points to, and its votes.
    """

    explanation: Explanation
    options: OverlayOptions
    hud: Hud
    scale: float
    space: Space
    pictures: Sequence[Picture]
    captioned: bool = False
    pointing: Spot | None = None


def make_pieces(written: Written) -> list[_Piece]:
    """Make the pieces of the layout that the options ask for, most important first."""
    hud, stage = written.hud, written.options.hud_layout == "stage"
    pieces = list(_always(written))
    if hud.help:
        pieces += _help(written, pieces)
    elif stage:
        pieces += _stage(written)
    else:
        pieces += _desk(written)
    return sorted(pieces, key=lambda piece: IMPORTANCE.index(piece.name))


def _always(written: Written) -> Iterator[_Piece]:
    """Make what must be seen whatever else is."""
    hud, space = written.hud, written.space
    if hud.banner:
        banner = pill(hud.banner, space, colour=DARK, ground=ACCENT, max_width=_sentence(space))
        yield Piece("banner", [banner], ("bottom", "top"))
    if hud.recording_seconds is not None:
        clock = recording_panel(hud.recording_seconds, space)
        yield Piece("recording", [clock], _FROM_TOP_RIGHT)
    if hud.teaching is not None and not hud.help:
        usual, *reduced = teaching_panels(hud.teaching, space)
        yield Piece("teaching", [usual], ("bottom",), reduced=reduced, most=_TEACHING_SHARE)


def _help(written: Written, others: Iterable[_Piece]) -> Iterator[_Piece]:
    """Make the help, between what else must be seen; all the rest waits until it is gone."""
    space, options, hud = written.space, written.options, written.hud
    notes = _notes(written) if options.show_hud and hud.notes else None
    above = below = space.margin
    for piece in (*others, *([notes] if notes is not None else [])):
        heights = [panel.height for panel in piece.versions if panel is not None]
        needed = max(heights, default=0) + 2 * space.margin
        if piece.anchors[0].startswith("top"):
            above = max(above, needed)
        else:
            below = max(below, needed)
    if notes is not None:
        yield notes
    edge = max(above, below)
    yield Piece("help", [help_panel(hud.help, space.room, space.height - 2 * edge)], ("centre",))


def _stage(written: Written) -> Iterator[_Piece]:
    """Make what an audience reads: one sentence, and the rate."""
    options, hud, space = written.options, written.hud, written.space
    if hud.title:
        yield _title(written)
    if hud.invitation:
        yield _invitation(written)
    words = hud.verdict
    blank = options.layout != "plain" and _is_blank(written.explanation, signed=options.signed)
    # Who is invited to show something has shown nothing: that it is not recognised is no news.
    nothing = bool(hud.invitation) and (blank or is_unsure(written.explanation))
    if not words and options.show_labels and not nothing:
        words = answer_sentence(_best_first(written))
        if blank:
            words = f"{words} There is no evidence for it."
    if words:
        share = largest_share(words, space, _STAGE_SHARES)
        sentence = pill(words, space, colour=WHITE, ground=DARK, share=share)
        yield Piece("sentence", [sentence], ("bottom", "top"))
    if written.pointing is not None:
        yield _votes(written, written.pointing)
    if options.show_hud:
        if hud.notes:
            yield _notes(written)
        yield from _rates(written)


def _best_first(written: Written) -> Explanation:
    """Return the explanation, its predictions best first: a list that is held keeps its order."""
    explanation = written.explanation
    if "held" not in written.hud.status:
        return explanation  # its order is the steady one, which is told
    output = explanation.output
    ranked = sorted(explanation.predictions, key=lambda each: -lead_of(each, output))
    return replace(explanation, predictions=tuple(ranked))


def _desk(written: Written) -> Iterator[_Piece]:
    """Make what somebody in front of the screen reads."""
    options, hud, space = written.options, written.hud, written.space
    if hud.title:
        yield _title(written)
    if hud.invitation:
        yield _invitation(written)
    if hud.verdict:
        sentence = pill(hud.verdict, space, colour=WHITE, ground=DARK, max_width=_sentence(space))
        yield Piece("sentence", [sentence], ("bottom", "top"), most=0.4)
    if options.show_labels and options.top_k and not written.captioned:
        yield Piece(
            "labels",
            list(_labels(written)),
            _FROM_TOP_LEFT,
            reduced=_fewer_labels(written),
            most=0.34,
        )
    notices = _notices(written)
    bare = not (options.show_labels or options.show_legend or options.show_hud)
    if notices and not bare:
        notice = pill(" · ".join(notices), space, colour=WHITE, ground=DARK, share=0.9)
        yield Piece("notice", [notice], ("bottom", "top"), most=0.2)
    if written.pointing is not None:
        yield _votes(written, written.pointing)
    if options.show_hud and hud.notes:
        yield _notes(written)
    if options.show_legend:
        yield from _legend(written)
    if options.show_hud:
        if hud.caption:
            which = text_panel([Line(hud.caption, _NOTE_SHARE, GREY)], space)
            yield Piece("picture", [which], _FROM_BOTTOM_RIGHT, most=0.2)
        yield from _rates(written)
        if options.hud_layout == "expert" and hud.figures:
            lines = [Line(text, _DETAIL_SHARE, GREY) for text in hud.figures]
            yield Piece("figures", [text_panel(lines, space)], _FROM_BOTTOM_RIGHT, most=0.25)


def _sentence(space: Space) -> int:
    return round(_SENTENCE_WIDTH * space.size)


def _invitation(written: Written) -> _Piece:
    """Lay out what visitors are asked to do: large, and in the colour of what must be seen."""
    words, space = written.hud.invitation, written.space
    share = largest_share(words, space, _STAGE_SHARES)
    invitation = pill(words, space, colour=DARK, ground=ACCENT, share=share)
    return Piece("invitation", [invitation], ("bottom", "top"))


def _title(written: Written) -> _Piece:
    space, stage = written.space, written.options.hud_layout == "stage"
    title = pill(written.hud.title, space, colour=WHITE, ground=DARK, share=1.0 if stage else 1.4)
    return Piece("title", [title], ("top", "bottom"), most=0.3)


def _widths(written: Written) -> list[int]:
    """Return widths for labels and legend: that of the room beside the picture, and the usual one.

    The room is a bar that the picture leaves, or where that is narrow, the bar together with what
    the network did not see; nothing where not even that is wide enough.
    """
    space = written.space
    wide = _RAW_LABELS_EM if written.options.hud_layout == "expert" else LABELS_EM
    usual = max(1, min(round(wide * space.size), space.room))
    bar, unseen = (
        (min(edges) - 2 * space.margin) / space.size
        for edges in (
            [picture.place.x for picture in written.pictures],
            [picture.seen.x for picture in written.pictures],
        )
    )
    for room, least in ((bar, 0.75 * wide), (unseen, 0.8 * wide), (bar, NARROW_EM)):
        if room >= least:
            return list(dict.fromkeys([int(min(room, _WIDEST_EM) * space.size), usual]))
    return [usual]


def _labels(written: Written) -> Iterator[Panel | None]:
    options = written.options
    raw = options.hud_layout == "expert"
    for width in _widths(written):
        yield labels_panel(
            written.explanation, written.space, width, top_k=options.top_k, bars=True, raw=raw
        )


def _fewer_labels(written: Written) -> Iterator[Panel | None]:
    """Lay out the labels in less room, the most of them first; each only if it is asked for."""
    width = _widths(written)[-1]
    for rows, bars in ((written.options.top_k, False), (1, True), (1, False)):
        yield labels_panel(written.explanation, written.space, width, top_k=rows, bars=bars)


def _notices(written: Written) -> list[str]:
    explanation, options = written.explanation, written.options
    notices = []
    if not explanation.finite:
        notices.append("no evidence: the network's numbers overflowed")
    elif (
        options.layout != "plain"
        and not written.captioned
        and _is_blank(explanation, signed=options.signed)
    ):
        notices.append(f"no evidence for {shown_label(explanation)}")
    if is_unsure(explanation):
        notices.append("low confidence")
    return notices


def _is_blank(explanation: Explanation, *, signed: bool) -> bool:
    """``True`` if the map has good numbers, but nothing that is drawn."""
    if not explanation.explained or not explanation.finite:
        return False
    shown = explanation.evidence[0]
    return not (shown > 0).any() and not (signed and (shown < 0).any())


def _votes(written: Written, spot: Spot) -> _Piece:
    beside = written.pictures[0].to_canvas(spot.cell)
    return Piece("votes", [votes_panel(spot, written.space)], _FROM_TOP_RIGHT, beside=beside)


def _notes(written: Written) -> _Piece:
    """Lay out the notes, in lines that leave the other half of the image alone."""
    space = written.space
    most = max(12 * space.size, round(_NOTE_WIDTH * space.width))
    lines = [
        Line(line, _NOTE_SHARE)
        for note in written.hud.notes
        for line in wrap_text(note, space.type(_NOTE_SHARE), most)
    ]
    return Piece("notes", [text_panel(lines, space)], _FROM_BOTTOM_RIGHT, most=0.4)


def _legend(written: Written) -> Iterator[_Piece]:
    explanation, options, scale = written.explanation, written.options, written.scale
    if options.layout == "plain" or not explanation.explained or not scale > 0:
        return
    space, raw = written.space, options.hud_layout == "expert"
    table = heat_table(options.colormap, options.opacity, options.signed)
    unit = evidence_unit(explanation)
    panels = [
        legend_panel(
            _legend_title(written),
            table,
            space,
            width,
            signed=options.signed,
            scale=scale if raw else None,
            unit=unit,
        )
        for width in _widths(written)
    ]
    low = [panel for panel in panels if panel is None or panel.height <= 0.3 * space.height]
    yield Piece("legend", low, ("bottom-left", "bottom-right", "top-left", "top-right"), most=0.22)


def _legend_title(written: Written) -> str:
    """Name what the colours stand for, with the method where it is not the usual one."""
    explanation = written.explanation
    if not explanation.class_specific:
        return f"{explanation.method}, whatever the class"
    what = "evidence" if explanation.method == "gradcam" else explanation.method
    return what if written.captioned else f"{what} for {shown_label(explanation)}"


def _rates(written: Written) -> Iterator[_Piece]:
    """Lay out status and rates in several lengths, longest first."""
    versions = [
        text_panel(lines, written.space, align_right=True) for lines in _rate_lines(written)
    ]
    if versions:
        yield Piece("rates", versions[:1], _FROM_TOP_RIGHT, reduced=versions[1:], most=0.2)


def _rate_lines(written: Written) -> list[list[Line]]:
    hud, expert = written.hud, written.options.hud_layout == "expert"
    rates = [Line(" · ".join(hud.status), 1.0, ACCENT)] if hud.status else []
    if hud.fps is not None:
        rates.append(Line(f"{hud.fps:.1f} FPS" if hud.fps < 99.95 else f"{hud.fps:.0f} FPS"))
    details = [Line(text, _DETAIL_SHARE) for text in hud.on_air]
    if expert:
        if hud.latency_ms is not None:
            rates.append(Line(f"{hud.latency_ms:.0f} ms", 0.85))
        compiled = {True: "compiled", False: "eager", None: ""}[hud.compiled]
        engine = " · ".join(word for word in (hud.model, hud.precision, compiled) if word)
        dropped = f"{hud.dropped} dropped" if hud.dropped else ""
        details += [
            Line(text, _DETAIL_SHARE, GREY) for text in (engine, hud.capture, dropped) if text
        ]
    short = [Line("  ".join(line.text for line in rates))]
    found: list[list[Line]] = []
    for lines in (rates + details, rates, short, rates[:1]):
        if lines and lines[0].text and lines not in found:
            found.append(lines)
    return found
