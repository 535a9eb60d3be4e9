"""A virtual screen with a window manager, keys and a mouse, and what can be seen on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import ImageGrab
from typing_extensions import Self

HAS_SCREEN = all(map(shutil.which, ("Xvfb", "xdotool", "openbox")))
PATIENCE_SECONDS = 150.0
"""Seconds until something counts as never happening; on a busy machine much takes long."""

_TRY_SECONDS = 20.0


class VirtualScreen:
    """Xvfb and openbox. A context manager.

    Attributes:
        environment: For programs that are to appear on it.
    """

    def __init__(self, width: int, height: int) -> None:
        reading, writing = os.pipe()
        size = f"{width}x{height}x24"
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"],
            pass_fds=[writing],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            self.name = f":{int(pipe.readline())}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "XAUTHORITY")},
            "DISPLAY": self.name,
        }
        self._manager = self._start_manager()
        try:
            # Fails until there is a window manager that says so.
            self._repeat("get_num_desktops")
        except BaseException:
            self.close()
            raise

    def _start_manager(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["openbox"],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def xdotool(self, *arguments: object, timeout_seconds: float = 120.0) -> str:
        """Run xdotool and return what it prints."""
        return subprocess.run(
            ["xdotool", *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=timeout_seconds,
        ).stdout

    def find_window(self, name: str) -> str:
        """Wait for a visible window with a name, give it the keyboard, and return its number."""
        number = self._repeat("search", "--sync", "--onlyvisible", "--name", name).split()[0]
        self._repeat("windowfocus", "--sync", number)
        return number

    def grab(self) -> NDArray[np.uint8]:
        """Take a screenshot, ``uint8`` BGR."""
        image = ImageGrab.grab(xdisplay=self.name).convert("RGB")
        return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])

    def close(self) -> None:
        """End both programs."""
        for process in (self._manager, self._server):
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _repeat(self, *arguments: str) -> str:
        """Run xdotool again where it fails or hangs.

        It fails where a window goes while it looks at it, and ``--sync`` waits for ever for what
        has happened just before.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.SubprocessError):
                return self.xdotool(*arguments, timeout_seconds=_TRY_SECONDS)
            if self._manager.poll() is not None:  # it gives up where the busy server answers late
                self._manager = self._start_manager()
        return self.xdotool(*arguments)
