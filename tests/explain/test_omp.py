"""What is computed once leaves no team of threads that would slow down those who compute on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from live_gradcam.explain.omp import (
    in_short_lived_thread,
    keep_to_one_thread,
    short_lived_thread,
    torch_threads,
    use_threads,
)
from tests.explain import support

SCRIPT = """
import os, sys, threading, time
from pathlib import Path
import numpy as np
import torch

def clock():
    return f"{time.clock_gettime(time.CLOCK_BOOTTIME) - start:.2f} s"

def more_threads(expected):
    # The kernel takes its time to forget a thread that has ended: only more than that is a team.
    deadline = time.monotonic() + 30
    while (more := len(os.listdir("/proc/self/task")) - before) > expected:
        if time.monotonic() > deadline:
            print(expected, "more than", before, "expected; now", clock(), file=sys.stderr)
            for each in sorted(Path("/proc/self/task").glob("*/stat")):
                name, _, facts = each.read_text().partition(" (")[2].rpartition(") ")
                state, began = facts.split()[0], int(facts.split()[19]) / os.sysconf("SC_CLK_TCK")
                print(name, state, f"began at {began - start:.2f} s", file=sys.stderr)
            break
        time.sleep(0.01)
    print("counted at", clock(), file=sys.stderr)
    return more

start = time.clock_gettime(time.CLOCK_BOOTTIME)

# Pools of torch's own and of OpenCV's, which do not count.
torch.set_num_threads(2)
import live_gradcam.native
before = len(os.listdir("/proc/self/task"))
import live_gradcam as lg
classifier = lg.load_classifier("resnet18", weights=sys.argv[1])
loaded = more_threads(0)
from torchvision.models import resnet18
from live_gradcam.explain.omp import in_short_lived_thread
lg.Classifier.from_module(in_short_lived_thread(resnet18), layer="layer4")
cut = more_threads(0)
explainer = lg.Explainer(classifier, device="cpu", precision="fp32", compile="off")
opened = more_threads(0)
image = np.zeros((224, 224, 3), np.uint8)
thread = threading.Thread(target=explainer.explain, args=(image,))
thread.start()
thread.join()
explained = more_threads(0)
explainer.explain(image)
print(loaded, cut, opened, explained, more_threads(1))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux lists them")
def test_loading_and_opening_leave_no_team_behind(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(support.network("resnet18", 5).state_dict(), path)
    command = [sys.executable, "-c", SCRIPT, str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}  # a team, on any machine
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    # Only the thread that goes on to explain has one, which has one thread besides it.
    assert done.stdout.split() == ["0", "0", "0", "0", "1"], done.stderr


def test_results_and_errors_come_back() -> None:
    here = threading.current_thread()
    outer, inner = in_short_lived_thread(
        lambda: (
            threading.current_thread(),
            in_short_lived_thread(threading.current_thread),
        )
    )
    assert outer is not here
    assert inner is outer, "nested calls share one"
    assert not outer.is_alive()
    with pytest.raises(ZeroDivisionError):
        in_short_lived_thread(lambda: 1 // 0)

    @short_lived_thread
    def add(first: int, *, second: int) -> int:
        """Adds."""
        return first + second

    assert add(1, second=2) == 3
    assert add.__doc__ == "Adds."


def test_each_call_has_a_thread_of_its_own_and_its_own_modes() -> None:
    with torch.no_grad():
        assert in_short_lived_thread(torch.is_grad_enabled)
    first, second = (in_short_lived_thread(threading.current_thread) for _ in range(2))
    assert first is not second


def test_the_number_of_threads_is_given_back() -> None:
    before = torch.get_num_threads()
    for number in (1, 2):
        with torch_threads(number):
            assert torch.get_num_threads() == number
    assert torch.get_num_threads() == before


def test_a_thread_that_keeps_to_one_never_uses_more() -> None:
    def numbers() -> list[int]:
        used = []
        for number in (1, 2):
            use_threads(number)
            used.append(torch.get_num_threads())
        return used

    def kept() -> list[int]:
        keep_to_one_thread()
        return numbers()

    assert in_short_lived_thread(kept) == [1, 1]
    assert in_short_lived_thread(numbers) == [1, 2]
