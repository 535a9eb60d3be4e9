"""``live-gradcam doctor``: a report about this machine, one fact a line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from live_gradcam.choices import DEFAULT_MODEL
from live_gradcam.cli.console import Console
from live_gradcam.cli.doctor_checks import CHECKS, Check, Finding
from live_gradcam.cli.known_names import model_names
from live_gradcam.cli.network import NetworkOptions, open_classifier
from live_gradcam.cli.options import MODEL, matching, option
from live_gradcam.errors import missing_torch

# Generated pictures that a network is tried on.
_PICTURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorArguments(NetworkOptions):
    """Everything that can be typed after ``live-gradcam doctor``."""

    model: Annotated[
        str,
        option(
            "Look at this network, too: does it do what it should?",
            panel=MODEL,
            autocompletion=matching(model_names),
        ),
    ] = ""
    as_json: Annotated[bool, option("Print one JSON object, at the end.", "--json")] = False


def doctor_command(arguments: DoctorArguments, console: Console) -> None:
    """Say what this machine has, and what looks wrong about a network: for a bug report.

    Every answer is printed as soon as it is known, the quick ones first.

    Raises:
        LiveGradcamError: A network is named that cannot be used.
    """
    facts: dict[str, Any] = {}
    if arguments.model or arguments.weights is not None:
        with console.waiting("network: loading it, and explaining pictures"):
            found = _network(arguments)
        facts["network"] = found.facts
        if not arguments.as_json:
            _print("network", found.lines, console)
    else:
        for check in CHECKS:
            found = _look(check, console)
            facts[check.title] = found.facts
            if not arguments.as_json:
                _print(check.title, found.lines, console)
    if arguments.as_json:
        console.out(json.dumps(facts, ensure_ascii=False))


def _look(check: Check, console: Console) -> Finding:
    try:
        if not check.waits_for:
            return check.look()
        with console.waiting(f"{check.title}: {check.waits_for}"):
            return check.look()
    except Exception as error:  # the report is most useful where things break
        missing = missing_torch(error)
        if missing is not None:
            return Finding([str(missing)], {"failed": str(missing)})
        failed = f"{type(error).__name__}: {error}"
        return Finding([f"this check failed: {failed}"], {"failed": failed})


def _print(title: str, lines: Iterable[str], console: Console) -> None:
    for number, line in enumerate(lines):
        console.out(f"{title if number == 0 else '':<12} {line}".rstrip())


def _network(arguments: DoctorArguments) -> Finding:
    """Explain three generated pictures, and say what looks wrong."""
    from live_gradcam.explain.doubts import find_doubts
    from live_gradcam.explain.engine.runtime import choose_runtime
    from live_gradcam.scenes import render_scene

    choose_runtime(arguments.device, arguments.precision)  # refuses what is not there
    notes = io.StringIO()
    named = replace(arguments, model=arguments.model or DEFAULT_MODEL)
    classifier = open_classifier(named, Console(stream=notes))
    pictures = [render_scene(seed).image for seed in range(_PICTURES)]
    doubts = [str(doubt) for doubt in find_doubts(classifier, pictures)]
    said = notes.getvalue().splitlines()
    lines = [
        f"{classifier.name}, {classifier.class_count} classes, explained at {classifier.layer}",
        f"given {classifier.preprocessing.describe()}",
        *said,
        *(f"doubt: {doubt}" for doubt in doubts),
    ]
    if not doubts:
        lines.append(f"nothing looks wrong on {_PICTURES} generated pictures")
    facts = {
        "name": classifier.name,
        "classes": classifier.class_count,
        "layer": classifier.layer,
        "preprocessing": classifier.preprocessing.describe(),
        "notices": said,
        "doubts": doubts,
    }
    return Finding(lines, facts)
