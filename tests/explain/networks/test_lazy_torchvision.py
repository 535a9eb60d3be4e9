"""The start does not load torch's compiler, and code that needs it gets it."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_image_loads_no_compiler_and_later_all_of_it_is_there() -> None:
    said = run("""
import sys
import numpy as np
import live_gradcam as lg

explainer = lg.Explainer(lg.load_classifier("scenes"), compile="off")
explainer.explain(np.zeros((64, 64, 3), np.uint8))
unwanted = ("torch._dynamo", "torch._inductor", "sympy", "onnx")
print([name for name in sys.modules if name.startswith(unwanted)])

import torch, torchvision  # a user's own script goes on as it likes
boxes = torch.tensor([[0.0, 0, 0, 4, 4]])
print(tuple(torchvision.ops.roi_align(torch.rand(1, 3, 8, 8), boxes, 2).shape))
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item())
print(type(sys.modules["torch._dynamo"]).__name__)
""")
    assert said.split("\n") == ["[]", "(1, 3, 2, 2)", "2.0", "module", ""]


def test_whoever_asks_for_the_compiler_meanwhile_gets_it() -> None:
    said = run("""
import sys
from live_gradcam.explain.networks.lazy_torchvision import torchvision_models

class Curious:  # asks for the compiler while torchvision is imported
    def find_spec(self, name, path, target=None):
        if name == "torchvision.models":
            sys.meta_path.remove(self)
            found = sys.modules["torch._dynamo"]
            print(found.is_compiling())
            print(sys.modules["torch._dynamo"] is found)

sys.meta_path.insert(0, Curious())
torchvision_models()
print(type(sys.modules["torch._dynamo"]).__name__)
""")
    assert said.split() == ["False", "False", "module"]


def test_after_the_compiler_torchvision_is_imported_plainly() -> None:
    said = run("""
import sys, torch._dynamo
from live_gradcam.explain.networks.lazy_torchvision import torchvision_models
print(torchvision_models() is sys.modules["torchvision.models"])
print(sys.modules["torchvision.ops.roi_align"].is_compile_supported.__module__)
""")
    assert said.split() == ["True", "torch._dynamo.utils"]
