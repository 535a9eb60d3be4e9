"""The user's cache of compiled networks: its folder, the names in it, and what is kept.

Loading a package runs the code in it. Packages therefore live in a folder that belongs to the user
alone, under names that hash everything they were made from.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch
from torch import fx

from live_gradcam.explain.engine import compile_worker
from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.explain.engine.runtime import cpu_flags
from live_gradcam.explain.engine.source_versions import source_versions

_KEEP_PACKAGES = 12
_KEEP_BYTES = 3 << 30
_STALE_SECONDS = 24 * 3600.0


class CacheError(Exception):
    """The cache cannot be used; the message is what the user is told."""


def package_key(network: FusedNetwork, shape: Shape, *, depth: int, threads: int) -> str:
    """Return the name of a compiled network: a hash of the network, its code and the machine.

    Args:
        network: The eager network, on the CPU.
        shape: Of its input.
        depth: Length of the selection that the compiled network takes.
        threads: Threads that it uses.
    """
    digest = hashlib.sha256()
    facts = (
        torch.__version__,
        platform.python_version(),
        platform.system(),
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        sorted(cpu_flags()),
        source_versions(network, also=[compile_worker.__name__]),
        network,
        *(part.code for part in network.modules() if isinstance(part, fx.GraphModule)),
        shape,
        depth,
        threads,
    )
    digest.update("\n".join(map(str, facts)).encode())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()


def open_cache() -> Path:
    """Return the folder of compiled packages, made if need be.

    Raises:
        CacheError: It is writable by others, so that what it holds cannot be trusted.
    """
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError as exc:
        raise CacheError(f"its cache {folder} cannot be used: {exc.strerror}") from exc
    if hasattr(os, "getuid"):
        if facts.st_uid != os.getuid():
            raise CacheError(f"its cache {folder} belongs to another user")
        if stat.S_IMODE(facts.st_mode) & 0o022:
            raise CacheError(f"its cache {folder} can be written by others")
    return folder


def cache_folder() -> Path:
    """Return the place of compiled packages on this system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        root = Path(base) if base else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        root = Path(base) if base else Path.home() / ".cache"
    return root / "live-gradcam" / "compiled"


def prune_cache(folder: Path, *, keep: Path) -> None:
    """Delete the packages that were not used for longest, and what killed processes left."""
    now = time.time()
    with suppress(OSError):
        for left in folder.glob("work-*"):
            if now - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        packages = sorted(folder.glob("*.pt2"), key=lambda path: -path.stat().st_mtime)
        total = 0
        for position, package in enumerate(packages):
            total += package.stat().st_size
            if package != keep and (position >= _KEEP_PACKAGES or total > _KEEP_BYTES):
                package.unlink(missing_ok=True)
