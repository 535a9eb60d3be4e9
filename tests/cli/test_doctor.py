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


def test_doctor_says_what_looks_wrong_about_a_network(command: Command) -> None:
    done = command("doctor", "--model", "scenes", "--range", "0..255")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("network      scenes, 16 classes, explained at layer4")
    assert "try --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225" in done.stdout
    done = command("doctor", "--model", "scenes")
    assert "nothing looks wrong on 3 generated pictures" in done.stdout
    done = command("doctor", "--model", "resnet19")
    assert done.returncode == 5
    assert done.stderr.startswith("error: unknown model: resnet19")
