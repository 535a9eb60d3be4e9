"""torchvision's networks, without the compiler's frontend that importing torchvision brings along.

`torchvision.ops.roi_align` imports one function of `torch._dynamo`, and with it a thousand modules:
most of the time that importing torchvision takes, and a delay at every start of the program. While
torchvision is imported, a lazy module therefore stands in for `torch._dynamo`; its first use
imports the real one.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

_FRONTEND = "torch._dynamo"
_lock = threading.Lock()


class _LazyModule(ModuleType):
    """Placeholder for a module that is imported as soon as one of its attributes is used."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the real module has
        if name.startswith("__"):  # the import system looks at these before any use
            raise AttributeError(name)
        _withdraw()
        return getattr(importlib.import_module(self.__name__), name)


def torchvision_models() -> Any:  # noqa: ANN401 - torchvision is untyped
    """Import and return the module `torchvision.models`."""
    with _lock:
        if "torchvision" in sys.modules or _FRONTEND in sys.modules:
            return importlib.import_module("torchvision.models")
        import torch  # noqa: F401 - first, because it looks at its own parts

        for name in (_FRONTEND, f"{_FRONTEND}.utils"):
            sys.modules.setdefault(name, _LazyModule(name))
        utilities = sys.modules[f"{_FRONTEND}.utils"]
        if isinstance(utilities, _LazyModule):
            utilities.__dict__["is_compile_supported"] = _is_compile_supported
        try:
            return importlib.import_module("torchvision.models")
        finally:
            _withdraw()


def _withdraw() -> None:
    """Remove the placeholders from `sys.modules`, so that the next import is the real one."""
    for name in (_FRONTEND, f"{_FRONTEND}.utils"):
        if isinstance(sys.modules.get(name), _LazyModule):
            del sys.modules[name]


def _is_compile_supported(device_type: str) -> bool:
    """Stand in for the function of this name, which torchvision keeps."""
    real = importlib.import_module(f"{_FRONTEND}.utils")
    return bool(real.is_compile_supported(device_type))
