"""OpenVINO's package, loaded without its reports to its maker.

Importing it sends an event over the network, unless its package for telemetry is missing or the
user has opted out in a file. Here that package is as good as missing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_TELEMETRY = "openvino_telemetry"
_lock = threading.RLock()  # blocks may stand in each other


def load_openvino() -> Any:  # noqa: ANN401 - the library is untyped
    """Return the module ``openvino``.

    Raises:
        ImportError: It is not installed.
    """
    with without_telemetry():
        return import_module("openvino")


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import OpenVINO's packages in this block as if there were no package for telemetry."""
    with _lock:
        known = _TELEMETRY in sys.modules
        held = sys.modules.get(_TELEMETRY)
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            del sys.modules[_TELEMETRY]
            if known:
                sys.modules[_TELEMETRY] = held  # type: ignore[assignment]
