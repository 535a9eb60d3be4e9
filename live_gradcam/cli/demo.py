"""``live-gradcam demo``: generated scenes and the bundled network, through the ordinary run."""

from __future__ import annotations

from live_gradcam.cli.console import Console
from live_gradcam.cli.options import NetworkOptions
from live_gradcam.cli.run import RunRequest
from live_gradcam.cli.run import execute as execute_run
from live_gradcam.errors import DeviceError

_FRAMES_PER_SECOND = 30.0
_DEFAULT_OUTPUT = "demo.mp4"


def execute(
    console: Console,
    *,
    outputs: tuple[str, ...],
    seconds: float,
    seed: int,
    overwrite: bool,
    window: bool,
) -> None:
    """Explain moving scenes: in a window where there is a display, else into a video.

    Raises:
        LiveGradcamError: See `live_gradcam.cli.run.execute`.
    """
    from live_gradcam.show.window import probe_display

    if window and not outputs:
        try:
            probe_display()
        except DeviceError as error:
            console.note(f"no window: {error}")
            window = False
    if not window and not outputs:
        console.note(f"The demo is written to {_DEFAULT_OUTPUT}.")
        outputs = (_DEFAULT_OUTPUT,)
        overwrite = True
    to_file = bool(outputs)
    execute_run(
        RunRequest(
            source="scene",
            outputs=outputs,
            network=NetworkOptions(model="scenes"),
            max_frames=round(seconds * _FRAMES_PER_SECOND) if to_file else None,
            overwrite=overwrite,
            window=not to_file,
            seed=seed,
        ),
        console,
    )
