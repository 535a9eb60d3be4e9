"""``live-gradcam run``: sources, any number of outputs, or a window."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace

from live_gradcam import lifecycle
from live_gradcam.cli.console import Console
from live_gradcam.cli.graph_network import exported_metadata
from live_gradcam.cli.kept_graph import keeping_graph
from live_gradcam.cli.network import split_meaning
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.run_files import check_resumable, run_files_command
from live_gradcam.cli.run_int8 import check_int8
from live_gradcam.cli.run_opening import (
    check_parts,
    load_all,
    network_name,
    open_window,
    refuse_missing,
    require_pictures,
    say_what_is_loaded,
)
from live_gradcam.cli.run_several import run_several
from live_gradcam.cli.run_steps import (
    is_live,
    nobody_reads_on,
    open_sinks,
    run_kiosk,
    run_live,
    run_offline_steps,
)
from live_gradcam.cli.run_teaching import check_teaching
from live_gradcam.cli.run_values import Run
from live_gradcam.cli.summary import print_summary
from live_gradcam.errors import SinkError, UsageError

_FORMAT = re.compile(r"[A-Za-z0-9_]{3,24}")


def run_command(arguments: RunArguments, console: Console) -> None:
    """Explain a camera, a stream, a video or pictures: into a window or into files.

    The order is that of patience: what can be refused at once is refused before anything slow is
    loaded, and no output is created before the network stands.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; files are finalised.
    """
    meaning, files = split_meaning(arguments.outputs)
    arguments = replace(arguments, outputs=files, sources=_listed(arguments)).with_size()
    goes_on = arguments.resume and arguments.teach is None  # with a run over many files
    if goes_on:
        check_resumable(arguments)
        check_parts(arguments)
    else:
        _check_arguments(arguments)
    if len(arguments.sources) == 1 and not arguments.kiosk:  # which waits for its source
        refuse_missing(arguments.source)
    if not goes_on:  # where nothing may be left to do
        say_what_is_loaded(arguments, console)  # before anything is loaded that takes a while
    from live_gradcam.show.options import OverlayOptions
    from live_gradcam.timing import StepProgress

    if not goes_on:
        _check_outputs(arguments)
    if arguments.in_window and (arguments.slideshow is not None or len(arguments.sources) > 1):
        require_pictures(arguments.sources)
    exported = exported_metadata(arguments.network)
    if exported is not None and arguments.teach is not None:
        cause = "a file that was exported has no features to learn by"
        step = "Run the network itself: --model"
        raise UsageError("cannot teach an exported file", network_name(arguments), cause, step)
    if arguments.in_window:
        from live_gradcam.show.display import probe_display

        probe_display()
    labels = arguments.show_labels and not arguments.clean
    legend = arguments.show_legend and not arguments.clean
    overlay = OverlayOptions(
        colormap=arguments.colormap,
        opacity=arguments.opacity,
        hud_layout=arguments.hud,
        show_labels=labels,
        show_legend=legend,
        show_hud=labels or legend or arguments.shows_rate,
    )
    run = Run(arguments, console, overlay, StepProgress(), meaning, exported)
    check_int8(run)
    if goes_on:
        run_files_command(run)
    elif arguments.kiosk:
        run_kiosk(run)
    elif len(arguments.sources) > 1 and not arguments.in_window:
        run_several(run)
    else:
        _run_one(run)


def _run_one(run: Run) -> None:
    arguments, console = run.arguments, run.console
    with contextlib.ExitStack() as stack:
        window = stack.enter_context(open_window(arguments)) if arguments.in_window else None
        opened = load_all(run, window)
        if opened is None:
            return  # the person has left meanwhile
        source = stack.enter_context(opened.source)
        explainer = opened.explainer
        stack.push(explainer)
        stack.enter_context(keeping_graph(run, explainer))
        sinks = [stack.enter_context(sink) for sink in open_sinks(run, source.info)]
        with lifecycle.cooperative() as stop:
            try:
                if window is not None or is_live(source):
                    summary = run_live(run, source, explainer, sinks, stop, window)
                else:
                    summary = run_offline_steps(run, source, explainer, sinks, stop)
            except SinkError as error:
                if not nobody_reads_on(run, error):
                    raise
                return
            print_summary(console, summary, verbose=arguments.verbose)


def _listed(arguments: RunArguments) -> tuple[str, ...]:
    """Return the sources, with the files that lists among them name in place of the lists."""
    if (arguments.resume and arguments.teach is None) or not any(
        each.lower().endswith((".txt", ".csv")) for each in arguments.sources
    ):
        return arguments.sources
    from live_gradcam.archive.files import expand_lists

    return expand_lists(arguments.sources)


def _check_arguments(arguments: RunArguments) -> None:
    """Refuse what contradicts itself or names something unknown."""
    if not arguments.outputs and not arguments.window:
        raise UsageError("nothing to do", "--no-window", "no output is given", "add -o OUTPUT")
    check_teaching(arguments)
    check_parts(arguments)
    if arguments.kiosk and not arguments.in_window:
        raise UsageError("--kiosk needs the window", "", "", "Leave out -o and --no-window")
    for value, name in (
        (arguments.kiosk_title, "--kiosk-title"),
        (arguments.kiosk_invitation, "--kiosk-invitation"),
        (arguments.kiosk_demonstration, "--kiosk-demonstration"),
    ):
        if value is not None and not arguments.kiosk:
            raise UsageError(f"{name} needs --kiosk", value, "", "Add --kiosk, or leave it out")
    if arguments.kiosk_demonstration is not None:
        refuse_missing(arguments.kiosk_demonstration)
    if arguments.slideshow is not None and not arguments.in_window:
        step = "Leave out -o and --no-window; in a film, --seconds-per-picture"
        raise UsageError("--slideshow needs the window", "", "", step)
    if len(arguments.sources) > 1 and arguments.loop and not arguments.in_window:
        raise UsageError("--loop takes one source", "", "there are several")
    if arguments.input_format is not None and not _FORMAT.fullmatch(arguments.input_format):
        step = "Write mjpeg, yuyv422, or another name that the camera's list of formats has"
        raise UsageError("--input-format names no format", arguments.input_format, "", step)
    raw = arguments.input_format == "rawvideo"
    if raw and (arguments.width is None or arguments.height is None):
        step = "Add --size WIDTHxHEIGHT, e.g. --size 640x480"
        raise UsageError("--input-format rawvideo needs --size", "", "", step)
    if arguments.pixel_format is not None and not raw:
        step = "Add --input-format rawvideo, or leave it out"
        what = "--pixel-format is for raw video"
        raise UsageError(what, arguments.pixel_format, "", step)
    _ = arguments.origins  # refused before anything is loaded
    if arguments.format is not None and "-" not in arguments.outputs:
        step = "Add -o -; files get their format from their ending"
        raise UsageError("--format needs standard output", arguments.format, "", step)
    if arguments.truth and not _writes_records(arguments):
        step = "Add -o OUTPUT.jsonl; in the window a key does it: see its help"
        raise UsageError("--truth needs records", "", "its figures stand in them", step)


def _check_outputs(arguments: RunArguments) -> None:
    """Refuse outputs that would replace something."""
    if not arguments.outputs:
        return  # nothing that opens outputs needs to be loaded
    from live_gradcam.air.open import validate_outputs
    from live_gradcam.capture.open import source_files

    files = [path for source in arguments.sources for path in source_files(source)]
    validate_outputs(arguments.outputs, files, overwrite=arguments.overwrite)


def _writes_records(arguments: RunArguments) -> bool:
    if not arguments.outputs:
        return False
    from live_gradcam.show.open import is_record

    pictures = arguments.format not in (None, "jsonl")
    return any(is_record(each) for each in arguments.outputs if not (pictures and each == "-"))
