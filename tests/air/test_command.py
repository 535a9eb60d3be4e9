"""``live-gradcam run ... -o http://...``: a process of its own, watched while it runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from subprocess import CompletedProcess

import cv2
import numpy as np
import pytest

from tests.air.test_push import speaks


@pytest.mark.skipif(os.name != "posix", reason="ends it as Ctrl-C does")
def test_a_run_is_watched_until_it_is_ended() -> None:
    options = ("-o", "http://:0/", "--no-window", "--auth", "ann:secret-word")
    command = [sys.executable, "-m", "live_gradcam", "run", "scene", "--model", "scenes", *options]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stderr is not None
        said = ""
        while not (found := re.search(r"on air at (http://127\.0\.0\.1:\d+/)", said)):
            line = running.stderr.readline()
            assert line, said
            said += line
        keys = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        keys.add_password(None, found[1], "ann", "secret-word")
        browser = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(keys))
        with browser.open(found[1] + "snapshot.jpg", timeout=60) as answer:
            data = np.frombuffer(answer.read(), np.uint8)
        assert np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)).shape == (480, 640, 3)
        with browser.open(found[1] + "events", timeout=60) as events:
            number, record = (events.readline().decode().rstrip() for _ in range(2))
        assert number.startswith("id: ")
        assert json.loads(record.removeprefix("data: "))["source"] == "scene"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(found[1], timeout=60)
        running.send_signal(signal.SIGINT)
        said += running.stderr.read()
    assert running.returncode == 130
    assert f"wrote {found[1]} (" in said
    assert "secret-word" not in said


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("http://localhost/", "it has no port"),
        ("ftp://server/x", "ftp:// addresses are no outputs"),
        pytest.param(
            "srt://server:9000?passphrase=secret-word",
            "-o - --format matroska | ffmpeg -i - -c copy -f mpegts 'srt://...'",
            marks=pytest.mark.skipif(speaks("srt"), reason="this PyAV speaks SRT"),
        ),
        ("rtsp://ann:secret-word@/live", "it names no server"),
        ("http://ann:secret-word@:8090/", "names and passwords do not belong into it"),
    ],
)
def test_an_address_that_cannot_be_served_is_one_line(
    command: Callable[..., CompletedProcess[str]], output: str, words: str
) -> None:
    done = command("run", "scene", "--model", "scenes", "-o", output)
    assert done.returncode == 2
    *_, error = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert "secret-word" not in done.stderr
