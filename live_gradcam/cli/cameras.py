"""``live-gradcam cameras``: which cameras there are."""

from __future__ import annotations

from live_gradcam.cli.console import Console


def execute(console: Console) -> None:
    """List the cameras by number and name."""
    from live_gradcam.capture.camera import list_cameras

    cameras = list_cameras()
    if not cameras:
        console.note("No camera was found. Without one: live-gradcam demo")
        return
    console.table(
        ("number", "name", "device"),
        [(str(camera.index), camera.name, camera.path) for camera in cameras],
    )
