"""A run over several sources: one result for each in a folder, all of them in a film or records."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from live_gradcam import lifecycle
from live_gradcam.cli.kept_graph import keeping_graph
from live_gradcam.cli.run_opening import open_source_of, opening_network
from live_gradcam.cli.run_steps import nobody_reads_on, run_offline_steps
from live_gradcam.cli.run_values import Run
from live_gradcam.cli.summary import print_summary
from live_gradcam.errors import SinkError, SourceError

if TYPE_CHECKING:
    from live_gradcam.capture.several import Part
    from live_gradcam.capture.source import Source
    from live_gradcam.pipeline import Summary
    from live_gradcam.protocol import LiveExplainer
    from live_gradcam.show.joined import JoinedClock
    from live_gradcam.show.sink import Sink
    from live_gradcam.values import SourceInfo


@dataclass(slots=True)
class _Several:
    """The state of a run over several sources.

    Attributes:
        run: What was typed.
        still: All parts are pictures.
        targets: For each part, its file or folder in each output that is a folder.
        shared: Outputs that all parts go to, once the first part is open.
        folders: Folders of loose pictures, by their paths.
        clock: Of the shared outputs.
        summaries: Of the parts that are done.
        written: A description for each output of a single part.
        failed: Errors of the sources that could not be read, or not to their end.
    """

    run: Run
    clock: JoinedClock
    still: bool
    targets: list[list[Path]]
    shared: list[Sink] = field(default_factory=list)
    folders: dict[Path, Sink] = field(default_factory=dict)
    summaries: list[Summary] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    failed: list[SourceError] = field(default_factory=list)


def run_several(run: Run) -> None:
    """Explain several sources one after another, with one network.

    Each folder among the outputs gets a result for each source: a film for a film, a picture for a
    picture, a folder for a folder. Every other output gets the frames of all sources, in order.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`; a `SourceError` at the end
            where a source was missing or damaged and the others were explained.
        Interrupted: A signal came; files are finalised.
    """
    from live_gradcam.capture.several import split_sources
    from live_gradcam.show.joined import JoinedClock
    from live_gradcam.workers import wait_for

    arguments, console = run.arguments, run.console
    missing: list[SourceError] = []
    with contextlib.ExitStack() as stack:
        with opening_network(run) as network:
            parts = split_sources(
                arguments.sources, strict=arguments.strict, on_missing=missing.append
            )
            targets = _plan_targets(run, parts)
            for error in missing:
                console.error(f"left out: {error}")
            explainer = wait_for(network)
        stack.push(explainer)
        stack.enter_context(keeping_graph(run, explainer))
        still = all(part.kind != "film" for part in parts)
        several = _Several(run, JoinedClock(), still, targets, failed=missing)
        with lifecycle.cooperative() as stop, contextlib.ExitStack() as outputs:
            try:
                for number, part in enumerate(parts):
                    if stop.requested or _is_enough(several):
                        break
                    _run_part(several, number, part, explainer, stop, outputs)
            except SinkError as error:
                if not nobody_reads_on(run, error):
                    raise
                return
            stop.be_patient()
            outputs.close()
            stop.be_patient(0)
            print_summary(console, _sum_up(several), verbose=arguments.verbose)
    if several.failed:
        names = ", ".join(dict.fromkeys(each.where for each in several.failed))
        raise SourceError(
            f"{len(several.failed)} of {len(arguments.sources)} sources could not be read", names
        )


def _run_part(
    several: _Several,
    number: int,
    part: Part,
    explainer: LiveExplainer,
    stop: lifecycle.StopToken,
    outputs: contextlib.ExitStack,
) -> None:
    run, arguments = several.run, several.run.arguments
    try:
        source = part.open(
            lambda spec: open_source_of(replace(arguments, sources=(spec,)), run.console),
            fps=arguments.pictures_per_second,
            strict=arguments.strict,
            on_notice=run.console.note,
        )
    except SourceError as error:
        _fail(several, error)
        return
    with source:
        sinks = _open_part(several, number, part, source, outputs)
        limit = arguments.max_frames
        done = sum(summary.frames for summary in several.summaries)
        left = replace(arguments, max_frames=None if limit is None else limit - done)
        part_run = replace(run, arguments=left)
        try:
            several.summaries.append(run_offline_steps(part_run, source, explainer, sinks, stop))
        except SourceError as error:
            _fail(several, error)
        if part.kind != "picture":
            own = sinks[: len(several.targets[number])]
            several.written += [sink.description for sink in own]


def _fail(several: _Several, error: SourceError) -> None:
    if several.run.arguments.strict:
        raise error
    several.failed.append(error)
    several.run.console.error(f"left out: {error}")


def _open_part(
    several: _Several, number: int, part: Part, source: Source, outputs: contextlib.ExitStack
) -> list[Sink]:
    """Open the outputs of one source: its own ones first, then those of all."""
    from live_gradcam.os_errors import cannot_write
    from live_gradcam.show.joined import JoinedSink
    from live_gradcam.show.open import open_sink

    arguments, info = several.run.arguments, source.info
    own: list[Sink] = []
    for target in several.targets[number]:
        if part.kind == "picture":
            if target not in several.folders:
                opened = open_sink(f"{target}/", info, overwrite=arguments.overwrite)
                several.folders[target] = outputs.enter_context(opened)
            own.append(JoinedSink(several.folders[target], None))
            continue
        try:
            target.parent.mkdir(exist_ok=True)
        except OSError as exc:
            raise cannot_write("cannot create folder", target.parent, exc) from exc
        spec = target if part.kind == "film" else f"{target}/"
        own.append(open_sink(spec, info, overwrite=arguments.overwrite))
    if not several.shared:
        _open_shared(several, info, outputs)
    rate = info.fps or (1.0 if info.kind == "pictures" else None)
    several.clock.next_source(rate)
    for sink in several.shared:
        sink.begin_source(rate)
    return own + [JoinedSink(sink, several.clock, part.rename) for sink in several.shared]


def _open_shared(several: _Several, info: SourceInfo, outputs: contextlib.ExitStack) -> None:
    from live_gradcam.air.open import introduce, open_sink
    from live_gradcam.show.film_formats import FORMATS

    arguments, console = several.run.arguments, several.run.console
    whole = replace(
        info,
        name=f"{len(arguments.sources)} sources",
        kind="pictures" if several.still else "video",
        frame_count=None,
        time_base=None,
        path=None,
        start_seconds=0.0,
        several_files=True,
    )
    for spec in _shared_outputs(arguments.outputs):
        sink = open_sink(
            spec,
            whole,
            overwrite=arguments.overwrite,
            max_frames=arguments.max_frames,
            auth=arguments.credentials,
            origins=arguments.origins,
            format=arguments.format,
            on_notice=console.note,
        )
        several.shared.append(outputs.enter_context(sink))
        if Path(spec).suffix.lower() in FORMATS and info.path is not None:
            console.note(f"{spec}: no sound: it is made of several sources")
    introduce(several.shared)


def _shared_outputs(outputs: Sequence[str]) -> list[str]:
    from live_gradcam.show.open import is_folder, is_maps

    return [spec for spec in outputs if spec == "-" or not is_folder(spec) or is_maps(spec)]


def _plan_targets(run: Run, parts: Sequence[Part]) -> list[list[Path]]:
    """Name each part's own outputs, and refuse those that would replace something.

    Raises:
        UsageError: One exists, or is read at the same time.
    """
    from live_gradcam.show.open import is_folder, is_maps, validate_outputs

    arguments = run.arguments
    specs = [spec for spec in arguments.outputs if spec != "-" and not is_maps(spec)]
    folders = [Path(spec) for spec in specs if is_folder(spec)]
    files = [path for part in parts for path in part.files]
    targets: list[list[Path]] = []
    used: set[str] = set()
    for part in parts:
        targets.append([folder / _target_name(part, used) for folder in folders])
        for target in targets[-1]:
            if target.parent.exists():
                read = files if part.kind == "film" else part.files
                validate_outputs([target], read, overwrite=arguments.overwrite)
    return targets


def _target_name(part: Part, used: set[str]) -> str:
    """Return a part's name in a folder: that of its file; nothing for loose pictures."""
    from live_gradcam.show.animation import ANIMATIONS
    from live_gradcam.show.film_formats import FORMATS

    if part.kind == "picture":
        return ""
    path = Path(part.specs[0].rstrip("/"))
    suffix = ""
    if part.kind == "film":
        known = path.suffix.lower() in FORMATS or path.suffix.lower() in ANIMATIONS
        suffix = path.suffix if known else ".mp4"
        stem = path.stem
    else:
        stem = path.resolve().name if path.is_dir() else "pictures"
    name, number = f"{stem}{suffix}", 1
    while name.lower() in used:
        number += 1
        name = f"{stem}-{number}{suffix}"
    used.add(name.lower())
    return name


def _is_enough(several: _Several) -> bool:
    limit = several.run.arguments.max_frames
    return limit is not None and sum(each.frames for each in several.summaries) >= limit


def _sum_up(several: _Several) -> Summary:
    from live_gradcam.pipeline import Summary

    done = several.summaries
    shared = [*several.folders.values(), *several.shared]
    joined = [sink.description for sink in shared]
    notes = [note for summary in done for note in summary.notes]
    notes += [note for sink in shared for note in sink.notes]
    return Summary(
        frames=sum(summary.frames for summary in done),
        seconds=sum(summary.seconds for summary in done),
        stages=done[0].stages if len(done) == 1 else {},
        skipped=sum(summary.skipped for summary in done),
        outputs=(*several.written, *joined),
        notes=tuple(dict.fromkeys(notes)),
        pictures=bool(done) and all(summary.pictures for summary in done),
    )
