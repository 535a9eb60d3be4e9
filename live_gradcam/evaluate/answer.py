"""The answer of an evaluation: one sentence with its figures, however few the images."""

from __future__ import annotations

from live_gradcam.evaluate.values import EvaluationResult, GroupSummary, MethodSummary, Summary
from live_gradcam.faithfulness.verdicts import judge_several, several_sentence
from live_gradcam.wording import number, percent, points

_MOSTLY = 0.5


def answer(summary: Summary) -> str:
    """Return what was found in one sentence with its figures; of the first method."""
    totals = summary.totals
    figures = next(iter(totals.methods.values()))
    parts = [_counted(totals, figures), *_evidence(figures), *_removal(totals, figures)]
    return "; ".join(parts) + "."


def judgement(result: EvaluationResult) -> str:
    """Return the answer in a few words; no stronger than the tests were. Empty without any."""
    method, figures = next(iter(result.summary.totals.methods.items()))
    measured = [image.methods[method] for image in result.images]
    verdicts = [each.verdict for each in measured if each.telling and each.verdict is not None]
    found = several_sentence(verdicts)
    if figures.inside is None:
        return f"{found[0].upper()}{found[1:]}." if found else ""
    where = "mostly at the objects" if figures.inside >= _MOSTLY else "mostly beside the objects"
    link = "and" if judge_several(verdicts) in ("decides", "counts") else "but"
    return f"It looks {where}, {link} {found}." if found else f"It looks {where}."


def _counted(totals: GroupSummary, figures: MethodSummary) -> str:
    count = totals.images
    pictures = f"{count} picture{'' if count == 1 else 's'}"
    if totals.top1 is None:
        return pictures
    right = round(totals.top1 * totals.known)
    if totals.known < count:
        return f"{pictures}: {right} of the {totals.known} with a label right"
    if right == count:
        return f"{pictures}: {'all ' if count > 1 else ''}right"
    return f"{pictures}: {right or 'none'}{' of them' if right else ''} right"


def _evidence(figures: MethodSummary) -> list[str]:
    if figures.inside is None or figures.area is None:
        return []
    inside, area = percent(min(figures.inside, 1.0)), percent(min(figures.area, 1.0))
    return [f"{inside} of the evidence on the objects, which cover {area}"]


def _removal(totals: GroupSummary, figures: MethodSummary) -> list[str]:
    drop, control = figures.removal_drop, figures.control_drop
    if drop is None or control is None:
        return []
    if totals.has_probabilities:
        fall, elsewhere = f"{_points(drop)}", f"elsewhere {_short_points(control)}"
    else:
        fall, elsewhere = _fall(drop), f"elsewhere {_fall(control)}"
    said = f"without the hottest fifth {fall}, {elsewhere}"
    if figures.decided is not None and figures.telling:
        said = f"{said}: the hottest fifth counts most in {figures.decided} of {figures.telling}"
    return [said]


def _points(drop: float) -> str:
    return f"{points(abs(drop))} {'less' if drop >= 0 else 'more'}"


def _short_points(drop: float) -> str:
    amount = points(abs(drop)).split()[0]
    return f"{amount} more" if drop < 0 and amount != "0" else amount


def _fall(drop: float) -> str:
    return f"{number(abs(drop))} {'less' if drop >= 0 else 'more'}"
