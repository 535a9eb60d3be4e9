"""What is computed once leaves no team of threads that would slow down those who compute on."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from live_gradcam.explain.omp import aside, short_lived_thread, single_threaded
from tests.explain import support

SCRIPT = """
import os, sys, threading, time
import numpy as np
import torch

def threads():
    time.sleep(0.3)  # the kernel takes its time to forget one
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads(2)  # starts a pool of torch's own, which does not count
before = threads()
import live_gradcam as lg
classifier = lg.load_classifier("resnet18", weights=sys.argv[1])
loaded = threads()
from torchvision.models import resnet18
from live_gradcam.explain.omp import aside
lg.Classifier.from_module(aside(resnet18), layer="layer4")
cut = threads()
explainer = lg.Explainer(classifier, device="cpu", precision="fp32", compile="off")
opened = threads()
picture = np.zeros((224, 224, 3), np.uint8)
thread = threading.Thread(target=explainer.explain, args=(picture,))
thread.start()
thread.join()
explained = threads()
explainer.explain(picture)
print(loaded - before, cut - before, opened - before, explained - before, threads() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux lists them")
def test_loading_and_opening_leave_no_team_behind(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(support.network("resnet18", 5).state_dict(), path)
    command = [sys.executable, "-c", SCRIPT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Only the thread that goes on to explain has one, which has one thread besides it.
    assert done.stdout.split() == ["0", "0", "0", "0", "1"]


def test_results_and_errors_come_back() -> None:
    def where() -> str:
        return threading.current_thread().name

    assert aside(where) == "aside"
    assert aside(lambda: aside(where)) == "aside"
    assert where() != "aside"
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 // 0)

    @short_lived_thread
    def add(first: int, *, second: int) -> int:
        """Adds."""
        return first + second

    assert add(1, second=2) == 3
    assert add.__doc__ == "Adds."


def test_without_a_team_the_number_of_threads_comes_back() -> None:
    before = torch.get_num_threads()
    with single_threaded():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
