"""``live-gradcam archive report``: what a network looks at in a whole archive, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from live_gradcam.cli.console import Console
from live_gradcam.cli.options import Overwrite, option
from live_gradcam.errors import UsageError

ARCHIVE_REPORT = "archive report"
"""Name of the command."""

_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReportArguments:
    """Everything that can be typed after ``live-gradcam archive report``."""

    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET",
            help="What 'live-gradcam archive SOURCE -o DATASET' wrote, finished or not.",
            show_default=False,
        ),
    ]
    output: Annotated[
        Path,
        option("The page: one file that needs nothing else.", "--output", "-o", metavar="FILE"),
    ] = Path("report.html")
    overwrite: Overwrite = False


def with_report_command(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which ``archive report`` is one word: the name of a command.

    A folder called report that is to be explained is ``./report``.
    """
    words = list(arguments)
    first = next((i for i, word in enumerate(words) if not word.startswith("-")), len(words))
    if words[first : first + 2] == ARCHIVE_REPORT.split():
        words[first : first + 2] = [ARCHIVE_REPORT]
    return words


def archive_report_command(arguments: ArchiveReportArguments, console: Console) -> None:
    """Show on one page what a network looks at in an archive: classes, folders, days, odd frames.

    Raises:
        SourceError: It is no archive, or a part of it is damaged.
        UsageError: The output has another ending, or exists; or pyarrow is not installed.
        SinkError: It cannot be written.
    """
    output = arguments.output
    if output.suffix.lower() not in _SUFFIXES:
        step = "Name an .html file; a folder called report that is to be explained is ./report"
        raise UsageError("unknown report", str(output), "its ending is not known", step)
    from live_gradcam.archive import schema  # where pyarrow is missing, it says so

    assert schema.FRAMES, "an archive has columns"
    from live_gradcam.archive.report.findings import find
    from live_gradcam.archive.report.page import render_archive
    from live_gradcam.os_errors import cannot_write
    from live_gradcam.show.images import check_output_file, replace_file

    check_output_file("cannot write the report", output, overwrite=arguments.overwrite)
    with console.progress("reading", unit="rows") as line:
        findings = find(arguments.dataset, lambda done, total: line.update(done, total, None))
    try:
        replace_file(output, render_archive(findings).encode("utf-8", "backslashreplace"))
    except OSError as exc:
        raise cannot_write("cannot write the report", output, exc) from exc
    console.note(f"wrote {output}")
