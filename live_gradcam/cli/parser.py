"""What can be typed: the commands and their options. Heavy imports wait until one needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from live_gradcam.cli.console import Console
from live_gradcam.cli.options import (
    Boxes,
    Class,
    Colormap,
    Compile,
    DataSource,
    Debug,
    Fps,
    Height,
    Kiosk,
    Loop,
    MaxFrames,
    MaxOutage,
    MaxPictures,
    Measures,
    Method,
    Methods,
    Mirror,
    NetworkOptions,
    NoSmooth,
    NoWindow,
    Opacity,
    Outputs,
    Overwrite,
    Quiet,
    ReportOutputs,
    Resume,
    Sanity,
    Scenes,
    Seed,
    Source,
    Steps,
    Strict,
    TopK,
    View,
    Width,
    grouped,
)

app = typer.Typer(
    name="live-gradcam",
    help="See live what an image classifier sees, and why: Grad-CAM on every frame.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
@grouped
def run(
    *,
    source: Source = "0",
    output: Outputs = None,
    network: NetworkOptions,
    method: Method = "gradcam",
    compile_: Compile = "auto",
    class_: Class = None,
    view: View = "crop",
    top_k: TopK = 3,
    colormap: Colormap = "turbo",
    opacity: Opacity = 0.6,
    mirror: Mirror = False,
    no_smooth: NoSmooth = False,
    width: Width = None,
    height: Height = None,
    fps: Fps = None,
    max_frames: MaxFrames = None,
    loop: Loop = False,
    max_outage: MaxOutage = None,
    strict: Strict = False,
    overwrite: Overwrite = False,
    kiosk: Kiosk = False,
    no_window: NoWindow = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Explain a camera, a stream, a video or pictures: into a window or into files."""
    from live_gradcam.cli.run import RunRequest, execute

    execute(
        RunRequest(
            source=source,
            outputs=tuple(output or ()),
            network=network,
            method=method,
            compile=compile_,
            class_name=class_,
            view=view,
            top_k=top_k,
            colormap=colormap,
            opacity=opacity,
            mirror=mirror,
            smooth=not no_smooth,
            width=width,
            height=height,
            fps=fps,
            max_frames=max_frames,
            loop=loop,
            max_outage_seconds=max_outage,
            strict=strict,
            overwrite=overwrite,
            kiosk=kiosk,
            window=not no_window and not output,
        ),
        Console(quiet=quiet),
    )


@app.command()
def demo(
    output: Outputs = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Length of the video, where one is written.")
    ] = 12.0,
    seed: Annotated[int, typer.Option(help="Which scene.")] = 0,
    overwrite: Overwrite = False,
    no_window: NoWindow = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show the real thing without a camera, network or screen: bundled model, generated scenes."""
    from live_gradcam.cli.demo import execute

    execute(
        Console(quiet=quiet),
        outputs=tuple(output or ()),
        seconds=seconds,
        seed=seed,
        overwrite=overwrite,
        window=not no_window,
    )


@app.command()
@grouped
def web(
    *,
    host: Annotated[
        str, typer.Option(help="What to listen on; more than this machine needs --auth.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Where to listen.", show_default="the first free one from 7860"
        ),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="USER:PASSWORD",
            help="Name and password that visitors need.",
            envvar="LIVE_GRADCAM_AUTH",
            show_default=False,
        ),
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="A public address through Gradio; needs --auth.")
    ] = False,
    network: NetworkOptions,
    method: Method = "gradcam",
    compile_: Compile = "auto",
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    debug: Debug = False,
) -> None:
    """Serve a page: upload a picture or a video, or switch the browser's camera on."""
    from live_gradcam.cli.web import WebRequest, execute

    execute(
        WebRequest(
            host=host,
            port=port,
            auth=auth,
            share=share,
            network=network,
            method=method,
            compile=compile_,
            open_browser=open_,
        ),
        Console(),
    )


@app.command()
@grouped
def evaluate(
    *,
    source: DataSource,
    output: ReportOutputs = None,
    network: NetworkOptions,
    method: Methods = None,
    measures: Measures = None,
    view: View = "crop",
    boxes: Boxes = None,
    scenes: Scenes = 64,
    seed: Seed = 0,
    steps: Steps = 20,
    max_pictures: MaxPictures = None,
    sanity: Sanity = True,
    resume: Resume = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Is it looking at the right thing? Measure a data set, class by class, and write a report."""
    from live_gradcam.cli.evaluate import EvaluateRequest, execute

    execute(
        EvaluateRequest(
            source=source,
            outputs=tuple(output or ()),
            network=network,
            methods=tuple(method or ("gradcam",)),
            measures=tuple(measures or ()),
            view=view,
            boxes=boxes,
            scenes=scenes,
            seed=seed,
            steps=steps,
            max_pictures=max_pictures,
            sanity=sanity,
            resume=resume,
            overwrite=overwrite,
        ),
        Console(quiet=quiet),
    )


@app.command()
def bench(
    json_: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the results.", show_default=False),
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Compare with other libraries where installed.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Few repetitions.")] = False,
    compile_: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Measure the compiled network.")
    ] = True,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Measure flicker, latency and the sanity check of live sessions instead."
        ),
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure, in one run, what explaining costs here, and print the ratios that travel."""
    from live_gradcam.cli.bench import execute, execute_live

    if live:
        execute_live(Console(quiet=quiet), json_path=json_, quick=quick)
        return
    execute(Console(quiet=quiet), json_path=json_, peers=peers, quick=quick, compiled=compile_)


@app.command()
def models(
    methods: Annotated[
        bool, typer.Option("--methods", help="List the methods instead, with their definitions.")
    ] = False,
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            metavar="MODEL",
            help="List the layers of this network instead.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """List the networks: name, explained layer, input size, and whether the weights are here."""
    from live_gradcam.cli.models import execute, list_layers, list_methods

    if layers is not None:
        list_layers(Console(), layers)
    elif methods:
        list_methods(Console())
    else:
        execute(Console())


@app.command()
def cameras(debug: Debug = False) -> None:
    """List the cameras by number and name."""
    from live_gradcam.cli.cameras import execute

    execute(Console())


@app.command()
def doctor(debug: Debug = False) -> None:
    """Say what this machine has: everything useful in a bug report."""
    from live_gradcam.cli.doctor import execute

    execute(Console())


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        Console().out(f"live-gradcam {version('live-gradcam')}")
        raise typer.Exit


@app.callback()
def _front(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
