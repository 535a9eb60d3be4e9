"""The suite's tests of CUDA, and of the schedule of its graphs."""

from __future__ import annotations

import re
import subprocess
import sys

from scripts.gpu.report import Setting, figure

FILES = (
    "tests/explain/engine/test_cuda_graphs.py",
    "tests/explain/engine/test_devices.py",
    "tests/explain/engine/test_batching.py",
)


def run(setting: Setting) -> int:
    """Run them; fails where a test fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # In a rehearsal, the suite runs the others anyway.
    command += ["-k", "test_cuda_captures or nobody"] if setting.rehearse else []
    command += FILES[:1] if setting.rehearse else FILES
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "a pipe"
        last = ""
        for line in process.stdout:
            last = line.strip() or last
            if line.startswith(("FAILED", "ERROR", "E  ")):
                print(line.rstrip(), flush=True)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
    figure("tests passed", counts.get("passed", 0))
    figure("tests skipped", counts.get("skipped", 0), at_most=0, judged=not setting.rehearse)
    figure("tests failed", counts.get("failed", 0) + counts.get("error", 0), at_most=0)
    return process.returncode
