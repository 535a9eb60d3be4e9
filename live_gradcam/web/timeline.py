"""What a video showed and when: a sink that watches, and its findings as a timeline."""

from __future__ import annotations

import base64
import html
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from live_gradcam.images.geometry import resize
from live_gradcam.show.options import is_unsure
from live_gradcam.show.sink import Sink
from live_gradcam.values import Explanation, Frame, Image
from live_gradcam.web.images import encode_image
from live_gradcam.wording import strength

NOTHING_SURE = "nothing for sure"
"""What is seen while no class is likely."""

_THUMBNAIL_WIDTH = 240
_THUMBNAIL_EVERY_SECONDS = 0.5
_SHORTEST_SECONDS = 0.5
_SHORTEST_SHARE = 0.02
_MOST_STRETCHES = 24


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer to one frame.

    Attributes:
        seconds: Time of the frame.
        label: The most likely class; `NOTHING_SURE` where none is likely.
        strength: Its probability, or its number where the output is plain numbers.
        is_share: ``True`` for a probability.
    """

    seconds: float
    label: str
    strength: float
    is_share: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which the same was seen.

    Attributes:
        label: What was seen.
        begin_seconds: Its beginning.
        end_seconds: Its end.
        best: The frame where it was most likely.
    """

    label: str
    begin_seconds: float
    end_seconds: float
    best: Seen


class TimelineSink(Sink):
    """Remembers what was seen in each frame, and a small picture of it now and then."""

    needs_rendered = False

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._thumbnails: list[tuple[float, bytes]] = []

    @override
    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        now = frame.pts_seconds
        if explanation.predictions:
            best = explanation.predictions[0]
            label = NOTHING_SURE if is_unsure(explanation) else best.label
            self._seen.append(Seen(now, label, best.strength, best.probability is not None))
        due = not self._thumbnails or now - self._thumbnails[-1][0] >= _THUMBNAIL_EVERY_SECONDS
        changed = len(self._seen) > 1 and self._seen[-1].label != self._seen[-2].label
        if due or changed:
            height, width = frame.image.shape[:2]
            small = resize(
                frame.image, _THUMBNAIL_WIDTH, max(1, round(height * _THUMBNAIL_WIDTH / width))
            )
            self._thumbnails.append((now, encode_image(small, ".jpg", quality=80)))

    @override
    def close(self) -> None:
        pass  # everything is in memory

    @property
    @override
    def description(self) -> str:
        return f"{len(self._seen)} frames seen"

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """What was seen when, in order."""
        return find_stretches(self._seen)

    def thumbnail(self, stretch: Stretch) -> bytes:
        """A small picture of a stretch as a JPEG file, from where it was most likely."""
        times = [seconds for seconds, _ in self._thumbnails]
        place = bisect_right(times, stretch.best.seconds) - 1
        if times[max(place, 0)] < stretch.begin_seconds and place + 1 < len(times):
            place += 1
        return self._thumbnails[max(place, 0)][1]


def find_stretches(seen: Sequence[Seen]) -> tuple[Stretch, ...]:
    """Join frames of the same answer into stretches; short interruptions do not count.

    Args:
        seen: The answers to all frames, in order.
    """
    if not seen:
        return ()
    step = (seen[-1].seconds - seen[0].seconds) / max(1, len(seen) - 1)
    end = seen[-1].seconds + step
    runs: list[list[Seen]] = []
    for each in seen:
        if runs and runs[-1][0].label == each.label:
            runs[-1].append(each)
        else:
            runs.append([each])
    shortest = max(_SHORTEST_SECONDS, _SHORTEST_SHARE * (end - seen[0].seconds))
    while len(runs) > 1:
        ends = [run[0].seconds for run in runs[1:]] + [end]
        lengths = [after - run[0].seconds for run, after in zip(runs, ends, strict=True)]
        place = min(range(len(runs)), key=lengths.__getitem__)
        if lengths[place] >= shortest and len(runs) <= _MOST_STRETCHES:
            break
        _dissolve(runs, place, lengths)
    ends = [run[0].seconds for run in runs[1:]] + [end]
    return tuple(
        Stretch(label, run[0].seconds, after, max(_of(run, label), key=lambda one: one.strength))
        for run, after in zip(runs, ends, strict=True)
        for label in (_label(run),)
    )


def _dissolve(runs: list[list[Seen]], place: int, lengths: Sequence[float]) -> None:
    """Give a run that is too short to its longer neighbour, and join what then is the same."""
    before = place - 1 if place > 0 else None
    after = place + 1 if place + 1 < len(runs) else None
    if after is None or (before is not None and lengths[before] >= lengths[after]):
        assert before is not None, "there are two runs"
        runs[before] += runs.pop(place)
        joined = before
    else:
        short = runs.pop(place)
        runs[place] = short + runs[place]
        joined = place
    if joined + 1 < len(runs) and _label(runs[joined]) == _label(runs[joined + 1]):
        runs[joined] += runs.pop(joined + 1)
    if joined > 0 and _label(runs[joined - 1]) == _label(runs[joined]):
        runs[joined - 1] += runs.pop(joined)


def _label(run: Sequence[Seen]) -> str:
    """What is seen in most frames of a run."""
    counts: dict[str, int] = {}
    for each in run:
        counts[each.label] = counts.get(each.label, 0) + 1
    return max(counts, key=counts.__getitem__)


def _of(run: Sequence[Seen], label: str) -> list[Seen]:
    return [each for each in run if each.label == label]


def timeline(sink: TimelineSink) -> str:
    """The timeline as HTML: a button for each stretch, which the page's script seeks with."""
    stretches = sink.stretches
    if not stretches:
        return ""
    first, last = stretches[0].begin_seconds, stretches[-1].end_seconds
    length = max(last - first, 1e-9)
    tenths = any(each.end_seconds - each.begin_seconds < 2 for each in stretches)
    items = []
    for each in stretches:
        picture = base64.b64encode(sink.thumbnail(each)).decode()
        begin, end = (clock(each.begin_seconds, tenths), clock(each.end_seconds, tenths))
        sure = ""
        if each.label != NOTHING_SURE:
            given = strength(each.best.strength, is_share=each.best.is_share)
            sure = f'<span class="figure">{html.escape(given)} at best</span>'
        left = (each.begin_seconds - first) / length
        wide = (each.end_seconds - each.begin_seconds) / length
        items.append(
            f'<li><button type="button" data-seconds="{each.begin_seconds:.3f}" '
            f'data-end="{each.end_seconds:.3f}">'
            f'<img src="data:image/jpeg;base64,{picture}" alt="">'
            f'<span class="name">{html.escape(each.label)}</span> {sure}'
            f'<span class="when">{begin}\N{EN DASH}{end}</span>'
            f'<i class="place" style="--left: {left:.4f}; --wide: {wide:.4f}"></i></button></li>'
        )
    return (
        '<h2 id="timeline-heading">What was seen when</h2>'
        f'<ol class="timeline" aria-labelledby="timeline-heading">{"".join(items)}</ol>'
    )


def clock(seconds: float, tenths: bool) -> str:
    """A time in a video as players write it: ``1:02``, or ``1:02.5`` with tenths."""
    if not tenths:
        whole = round(max(0.0, seconds))
        return f"{whole // 60}:{whole % 60:02}"
    count = round(max(0.0, seconds) * 10)
    return f"{count // 600}:{count // 10 % 60:02}.{count % 10}"
