"""``live-gradcam doctor``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_doctor_reports_and_ends_with_0(command: Command) -> None:
    done = command("doctor")
    assert done.returncode == 0
    titles = {line.split()[0] for line in done.stdout.splitlines() if line[:1].strip()}
    assert titles >= {"versions", "device", "threads", "compiler", "display", "cameras", "weights"}
    assert "this check failed" not in done.stdout
    assert "libx264: yes" in done.stdout
