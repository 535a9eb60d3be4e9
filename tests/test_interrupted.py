"""Whatever ends a run, everything that it wrote ends with the same frame."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from live_gradcam.native import av

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

_RUN = """
import sys, time
from pathlib import Path
import numpy as np
import live_gradcam as lg
from live_gradcam import lifecycle
from live_gradcam.show.images import FolderSink
from live_gradcam.show.records import RecordSink
from live_gradcam.show.recorder import VideoSink
from live_gradcam.values import Explanation, Prediction, Region

folder, slow_write, slow_explain = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
lifecycle.install_handlers()
nothing = Explanation((), (), np.zeros((0, 1, 1), np.float32), Region(0, 0, 64, 48))

class Explainer:
    done = 0
    def explain_batch(self, images, *, classes=None, view=None, **others):
        Explainer.done += len(images)
        if Explainer.done > 20:
            time.sleep(slow_explain)
        return [nothing] * len(images)

class SlowDisk(VideoSink):
    def write(self, *args, **others):
        time.sleep(slow_write)
        super().write(*args, **others)
        print("frame", flush=True)

try:
    with lg.SceneSource(seed=1, width=64, height=48) as source:
        info = source.info
        sinks = [
            RecordSink(folder / "out.jsonl"), FolderSink(folder / "out", info),
            SlowDisk(folder / "out.mp4", info),
        ]
        with lifecycle.cooperative() as stop:
            lg.run_offline(source, Explainer(), sinks, stop=stop,
                           painter=lg.Painter(lg.OverlayOptions(), moving=True))
except lifecycle.Interrupted as interrupted:
    lifecycle.end_process(interrupted.exit_code)
"""


@pytest.mark.parametrize(
    ("number", "code", "slow_write", "slow_explain"),
    [
        (signal.SIGTERM, 143, 0.0, 0.0),
        (signal.SIGINT, 130, 0.6, 0.0),
        (signal.SIGTERM, 143, 2.5, 0.0),
        (signal.SIGTERM, 143, 0.0, 60.0),
    ],
)
def test_outputs_agree_however_slow_the_machine(
    tmp_path: Path, number: int, code: int, slow_write: float, slow_explain: float
) -> None:
    command = [sys.executable, "-c", _RUN, str(tmp_path), str(slow_write), str(slow_explain)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        wanted = 2 if slow_write else 16
        for _ in range(wanted):
            assert process.stdout.readline() == b"frame\n"
        time.sleep(0.7)
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == code
    with av.open(str(tmp_path / "out.mp4")) as film:
        frames = sum(1 for _ in film.decode(video=0))
        assert film.streams.video[0].frames == frames, "it was finished"
    records = (tmp_path / "out.jsonl").read_text().splitlines()
    pictures = list((tmp_path / "out").iterdir())
    assert frames == len(records) == len(pictures)
    assert frames >= wanted
