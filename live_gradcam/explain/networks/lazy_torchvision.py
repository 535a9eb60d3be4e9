"""torchvision's networks, without the compiler's frontend that importing torchvision brings along.

`torchvision.ops.roi_align` imports one function of `torch._dynamo`, and with it a thousand modules:
most of the time that importing torchvision takes, which everybody who starts the program waits for.
While torchvision is imported, a promise therefore stands in for `torch._dynamo`; whoever really
uses it gets the real one at that moment.
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
    """Stands in for a module that is imported as soon as anything of it is used."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the real module has
        if name.startswith("__"):  # the import system looks at a module before anybody uses it
            raise AttributeError(name)
        _withdraw()
        return getattr(importlib.import_module(self.__name__), name)


def torchvision_models() -> Any:  # noqa: ANN401 - torchvision is untyped
    """The module `torchvision.models`."""
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
    for name in (_FRONTEND, f"{_FRONTEND}.utils"):
        if isinstance(sys.modules.get(name), _LazyModule):
            del sys.modules[name]


def _is_compile_supported(device_type: str) -> bool:
    """What torchvision took for the function of this name."""
    real = importlib.import_module(f"{_FRONTEND}.utils")
    return bool(real.is_compile_supported(device_type))
