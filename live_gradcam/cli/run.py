"""``live-gradcam run``: sources, any number of outputs, or a window."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from live_gradcam import lifecycle
from live_gradcam.choices import DEFAULT_METHOD
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import split_meaning
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.run_several import run_several
from live_gradcam.cli.run_steps import (
    Run,
    import_torch_early,
    is_live,
    open_explainer,
    open_sinks,
    open_source_of,
    refuse_endless,
    require_pictures,
    run_kiosk,
    run_live,
    run_offline_steps,
)
from live_gradcam.cli.summary import print_summary
from live_gradcam.errors import SinkError, UsageError

if TYPE_CHECKING:
    from live_gradcam.show.overlay import OverlayOptions


def run_command(arguments: RunArguments, console: Console) -> None:
    """Explain a camera, a stream, a video or pictures: into a window or into files.

    The order is that of patience: what can be refused at once is refused before anything slow is
    loaded, and no output is created before the network stands.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; files are finalised.
    """
    from live_gradcam.timing import StepProgress

    meaning, files = split_meaning(arguments.outputs)
    arguments = replace(arguments, outputs=files)
    run = Run(arguments, console, _check_arguments(arguments), StepProgress(), meaning)
    if len(arguments.sources) == 1 and not arguments.kiosk:  # which waits for its source
        from live_gradcam.capture.open import require_source

        require_source(arguments.source)
    if arguments.in_window and (arguments.slideshow is not None or len(arguments.sources) > 1):
        require_pictures(arguments.sources)
    if arguments.in_window:
        from live_gradcam.show.window import probe_display

        probe_display()
    if arguments.method != DEFAULT_METHOD:  # which exists; the table of all loads torch
        from live_gradcam.explain.methods import require_method

        require_method(arguments.method)
    import_torch_early()
    if arguments.kiosk:
        run_kiosk(run)
    elif len(arguments.sources) > 1 and not arguments.in_window:
        run_several(run)
    else:
        _run_one(run)


def _run_one(run: Run) -> None:
    arguments, console = run.arguments, run.console
    with (
        open_source_of(arguments, console) as source,
        contextlib.ExitStack() as stack,
    ):
        refuse_endless(source.info, arguments)
        explainer = stack.enter_context(open_explainer(run))
        sinks = [stack.enter_context(sink) for sink in open_sinks(arguments, source.info)]
        with lifecycle.cooperative() as stop:
            explain = run_live if arguments.in_window or is_live(source) else run_offline_steps
            try:
                summary = explain(run, source, explainer, sinks, stop)
            except SinkError as error:
                if arguments.outputs == ("-",) and isinstance(error.__cause__, BrokenPipeError):
                    return  # whoever read our records has enough of them
                raise
            print_summary(console, summary, verbose=arguments.verbose)


def _check_arguments(arguments: RunArguments) -> OverlayOptions:
    """Refuse what contradicts itself or names something unknown; returns how frames are drawn."""
    from live_gradcam.capture.open import source_files
    from live_gradcam.show.open import is_record, validate_outputs
    from live_gradcam.show.overlay import OverlayOptions

    if not arguments.outputs and not arguments.window:
        raise UsageError("nothing to do", "--no-window", "no output is given", "add -o OUTPUT")
    if arguments.kiosk and not arguments.in_window:
        raise UsageError("--kiosk needs the window", "", "", "Leave out -o and --no-window")
    if arguments.slideshow is not None and not arguments.in_window:
        step = "Leave out -o and --no-window; in a film, --seconds-per-picture"
        raise UsageError("--slideshow needs the window", "", "", step)
    if len(arguments.sources) > 1 and arguments.loop and not arguments.in_window:
        raise UsageError("--loop takes one source", "", "there are several")
    if arguments.truth and not any(map(is_record, arguments.outputs)):
        step = "Add -o OUTPUT.jsonl; in the window a key does it: see its help"
        raise UsageError("--truth needs records", "", "its figures stand in them", step)
    files = [path for source in arguments.sources for path in source_files(source)]
    validate_outputs(arguments.outputs, files, overwrite=arguments.overwrite)
    return OverlayOptions(
        colormap=arguments.colormap,
        opacity=arguments.opacity,
        show_labels=arguments.show_labels and not arguments.clean,
        show_legend=arguments.show_legend and not arguments.clean,
        show_hud=not arguments.clean,
    )
