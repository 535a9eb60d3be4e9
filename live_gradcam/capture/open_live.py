"""Cameras, devices, screens and scenes, opened with the options that were given."""

from __future__ import annotations

from live_gradcam.capture.camera import CameraSource
from live_gradcam.capture.device import DeviceSource
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.screen import ScreenSource, ScreenSpec
from live_gradcam.capture.source import Source
from live_gradcam.capture.source_options import SourceOptions


def open_camera(device: int | str, options: SourceOptions) -> Source:
    """Open a camera by number, device or name."""
    return CameraSource(
        device,
        width=options.width,
        height=options.height,
        fps=options.fps,
        input_format=options.input_format,
        max_outage_seconds=options.max_outage_seconds,
        on_notice=options.on_notice,
    ).open()


def open_device(kind: str, device: str, options: SourceOptions) -> Source:
    """Open a device by FFmpeg's name for it."""
    return DeviceSource(
        kind,
        device,
        width=options.width,
        height=options.height,
        fps=options.fps,
        input_format=options.input_format,
        max_outage_seconds=options.max_outage_seconds,
        on_notice=options.on_notice,
    ).open()


def open_screen(screen: ScreenSpec, options: SourceOptions) -> Source:
    """Open a screen, a part of the desktop, or a window."""
    return ScreenSource(
        screen,
        fps=options.fps,
        max_outage_seconds=options.max_outage_seconds,
        on_notice=options.on_notice,
    ).open()


def open_scene(seed: int, options: SourceOptions) -> Source:
    """Open generated scenes, of a size and rate that was asked for."""
    sizes = {"width": options.width, "height": options.height}
    given = {name: value for name, value in sizes.items() if value is not None}
    if options.fps is not None:
        return SceneSource(seed=seed, fps=options.fps, **given)
    return SceneSource(seed=seed, **given)
