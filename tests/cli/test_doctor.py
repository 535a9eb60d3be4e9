"""``live-gradcam doctor``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from live_gradcam.cli.doctor_checks import CHECKS

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


def test_the_report_as_json_with_the_settings_in_force(command: Command, tmp_path: Path) -> None:
    (tmp_path / "live-gradcam.toml").write_text('colormap = "magma"\n')
    secret = {"LIVE_GRADCAM_AUTH": "ann:topsecret", "LIVE_GRADCAM_COLORMAP": "hot"}
    done = command("doctor", "--json", **secret)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert set(content) == {check.title for check in CHECKS}
    assert content["versions"]["packages"]["torch"]
    assert content["encoders"]["usable"]["libx264"] is True
    found = {(e["command"], e["name"]): e for e in content["settings"]["in_force"]}
    assert found["run", "colormap"]["value"] == "hot"
    assert found["run", "colormap"]["origin"] == "LIVE_GRADCAM_COLORMAP"
    assert found["web", "auth"]["value"] == "***"
    assert "topsecret" not in done.stdout + done.stderr


def test_broken_settings_are_a_line_of_the_report(command: Command, tmp_path: Path) -> None:
    (tmp_path / "live-gradcam.toml").write_text('colormap = "nonsense"\n')
    done = command("doctor", "--json")
    assert done.returncode == 0, done.stderr
    assert "line 1: colormap" in json.loads(done.stdout)["settings"]["error"]


def test_the_quick_answers_come_before_anything_slow_is_loaded() -> None:
    """One after another, as soon as each is known."""
    slow = [bool(check.waits_for) for check in CHECKS]
    assert slow == sorted(slow)
    code = (
        "import sys\n"
        "from live_gradcam.cli.doctor_checks import CHECKS\n"
        "for check in CHECKS:\n"
        "    if not check.waits_for: check.look()\n"
        "print([n for n in ('torch', 'torchvision') if n in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=280
    )
    assert done.stdout.splitlines()[-1] == "[]"
