"""Small labels at several parts of a frame that are explained by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from live_gradcam.show.layout import Picture, Placed, Space
from live_gradcam.show.panel import ACCENT, DARK, WHITE, Panel, pill
from live_gradcam.show.panels import find_prediction, shown_label, shown_strength
from live_gradcam.values import Explanation, Region

_SHARE = 0.85


def part_tags(
    explanations: Sequence[Explanation], picture: Picture, space: Space
) -> Iterator[Placed[Panel]]:
    """Lay out a label for each part: its number, its explained class, and how sure that is.

    The label stands in the part's upper left corner; that of the first part, of which the panels
    speak, is a bright one.

    Args:
        explanations: Of the parts, in order.
        picture: Shows the frame.
        space: Measures of the canvas.
    """
    for number, explanation in enumerate(explanations, 1):
        part = explanation.roi
        if part is None or not explanation.explained:
            continue
        found = find_prediction(explanation)
        sure = f" {shown_strength(found)}" if found is not None else ""
        place = picture.to_canvas(part)
        panel = pill(
            f"{number}  {shown_label(explanation)}{sure}",
            space,
            colour=DARK if number == 1 else WHITE,
            ground=ACCENT if number == 1 else DARK,
            share=_SHARE,
            max_width=max(place.width, 6 * space.size),
        )
        if panel is not None:
            x = min(place.x, space.width - panel.width)
            y = min(place.y, space.height - panel.height)
            where = Region(max(0, x), max(0, y), panel.width, panel.height)
            yield Placed(f"part {number}", where, panel)
