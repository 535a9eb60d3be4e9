"""What was measured about engines on this machine, kept in the user's cache.

One small file for each network, size and precision on one machine with one set of versions: where
any of these changes, it is measured anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from live_gradcam.explain.engine.trial import COMPILED, TORCH
from live_gradcam.user_cache import cache_folder

_SUFFIX = ".engine.json"
_KEEP = 100


@dataclass(frozen=True, slots=True)
class Decision:
    """The engine that was found to be fastest for a network.

    Attributes:
        winner: Its label, such as ``OpenVINO bf16``, or ``torch``.
        milliseconds: Median for an image, by label; also for ``torch compiled``, if compared.
        network: The network, where it is explained, by which method, at which size.
        processor: Name of the processor.
        threads: Number of threads on it.
        when: Unix time.
    """

    winner: str
    milliseconds: Mapping[str, float]
    network: str
    processor: str
    threads: int
    when: float = field(default_factory=time.time)


def decision_key(*facts: object) -> str:
    """Return the name of a decision: a hash of this machine and everything else that it hangs on.

    Args:
        facts: Name of the graph, versions, precision, threads.
    """
    every = (platform.system(), processor_name(), os.cpu_count(), *facts)
    return hashlib.sha256("\n".join(map(str, every)).encode()).hexdigest()


def quickest(milliseconds: Mapping[str, float]) -> str:
    """Return the label of the fastest engine beside torch; nothing where none was measured."""
    others = {name: each for name, each in milliseconds.items() if name not in (TORCH, COMPILED)}
    return min(others, key=others.__getitem__, default="")


def read_decision(folder: Path, key: str) -> Decision | None:
    """Return a decision that was kept; ``None`` if there is none that can be read."""
    return _read(folder / f"{key}{_SUFFIX}")


def write_decision(folder: Path, key: str, decision: Decision) -> None:
    """Keep a decision; where that fails it is made again the next time."""
    path = folder / f"{key}{_SUFFIX}"
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        fresh.write_text(json.dumps(asdict(decision), indent=1), encoding="utf-8")
        fresh.replace(path)
        kept = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda each: -each.stat().st_mtime)
        for old in kept[_KEEP:]:
            old.unlink(missing_ok=True)


def list_decisions() -> list[Decision]:
    """Return all decisions that were kept, the newest first."""
    found = (_read(path) for path in cache_folder().glob(f"*{_SUFFIX}"))
    each_once = {(each.network, each.when): each for each in found if each is not None}
    return sorted(each_once.values(), key=lambda each: -each.when)


def _read(path: Path) -> Decision | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Decision(
            winner=str(record["winner"]),
            milliseconds={str(k): float(v) for k, v in record["milliseconds"].items()},
            network=str(record["network"]),
            processor=str(record["processor"]),
            threads=int(record["threads"]),
            when=float(record["when"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def processor_name() -> str:
    """Return the processor's name, as far as the system says."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
