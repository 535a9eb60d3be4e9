"""``live-gradcam demo``: without a screen it makes a video."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from scripts.faults.runs import playable_times

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_without_a_window_the_demo_is_a_video(command: Command, tmp_path: Path) -> None:
    for seed in ("0", "3"):  # the same command again replaces it
        done = command("demo", "--no-window", "--seconds", "0.2", "--seed", seed)
        assert done.returncode == 0, done.stderr
        assert "The demo is written to demo.mp4." in done.stderr
        assert len(playable_times(tmp_path / "demo.mp4")) == 6


def test_a_named_output_is_not_replaced_unasked(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.mp4").write_bytes(b"precious")
    done = command("demo", "-o", "mine.mp4", "--seconds", "0.2")
    assert done.returncode == 2
    assert "--overwrite" in done.stderr
    assert (tmp_path / "mine.mp4").read_bytes() == b"precious"
