"""``live-gradcam demo``: generated scenes and the bundled network, through the ordinary run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from live_gradcam.cli.console import Console
from live_gradcam.cli.network import NetworkOptions
from live_gradcam.cli.options import Outputs, Overwrite, Window, option
from live_gradcam.cli.run import run_command
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.errors import DeviceError

_FRAMES_PER_SECOND = 30.0
_DEFAULT_OUTPUT = "demo.mp4"
_DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoArguments:
    """Everything that can be typed after ``live-gradcam demo``."""

    outputs: Outputs = ()
    seconds: Annotated[
        float, option("Length of the video, where one is written.", min=0.1, max=_DAY_SECONDS)
    ] = 12.0
    seed: Annotated[int, option("Which scene.", min=0)] = 0
    overwrite: Overwrite = False
    window: Window = True


def demo_command(arguments: DemoArguments, console: Console) -> None:
    """Show the real thing without a camera, network or screen: bundled model, generated scenes.

    Raises:
        LiveGradcamError: See `live_gradcam.cli.run.run_command`.
    """
    outputs, overwrite = arguments.outputs, arguments.overwrite
    if not outputs and not (arguments.window and _has_display(console)):
        console.note(f"The demo is written to {_DEFAULT_OUTPUT}.")
        outputs, overwrite = (_DEFAULT_OUTPUT,), True
    run_command(
        RunArguments(
            sources=(f"scene:{arguments.seed}",),
            outputs=outputs,
            network=NetworkOptions(model="scenes"),
            max_frames=round(arguments.seconds * _FRAMES_PER_SECOND) if outputs else None,
            overwrite=overwrite,
        ),
        console,
    )


def _has_display(console: Console) -> bool:
    from live_gradcam.show.window import probe_display

    try:
        probe_display()
    except DeviceError as error:
        console.note(f"no window: {error}")
        return False
    return True
