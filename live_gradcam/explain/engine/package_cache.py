"""The user's cache of compiled networks and graphs: its folder, the names in it, what is kept.

Loading a package runs the code in it. Packages therefore live in a folder that belongs to the user
alone, under names that hash everything they were made from; so do graphs.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import fx

from live_gradcam.explain.engine import compile_worker
from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.explain.engine.runtime import cpu_flags
from live_gradcam.explain.engine.source_versions import source_versions
from live_gradcam.user_cache import cache_folder, why_not_trusted

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
    return _name_of(
        network,
        [compile_worker.__name__],
        platform.system(),
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        sorted(cpu_flags()),
        shape,
        depth,
        threads,
    )


def graph_key(
    network: FusedNetwork, *facts: object, modules: Sequence[str], versions: Sequence[str]
) -> str:
    """Return the name of a network's graph: a hash of the network and the code that made it.

    Args:
        network: The eager network, on the CPU.
        facts: What else makes the graph what it is: sizes, classes.
        modules: Names of the modules that export it.
        versions: Versions of the libraries that take part.
    """
    return _name_of(network, modules, *versions, *facts)


def _name_of(network: FusedNetwork, modules: Sequence[str], *facts: object) -> str:
    digest = hashlib.sha256()
    every = (
        torch.__version__,
        platform.python_version(),
        source_versions(network, also=modules),
        network,
        *(part.code for part in network.modules() if isinstance(part, fx.GraphModule)),
        *facts,
    )
    digest.update("\n".join(map(str, every)).encode())
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
        untrusted = why_not_trusted(folder)
    except OSError as exc:
        raise CacheError(f"its cache {folder} cannot be used: {exc.strerror}") from exc
    if untrusted:
        raise CacheError(f"its cache {folder} {untrusted}")
    return folder


def prune_cache(folder: Path, *, keep: Path) -> None:
    """Delete the files of one kind that were not used for longest, and what killed processes left.

    Args:
        folder: The cache.
        keep: A file that stays, of the kind that is looked at: ``.pt2``, ``.onnx``, or ``.xml``
            with a ``.bin`` beside it.
    """
    now = time.time()
    with suppress(OSError):
        for left in folder.glob("work-*"):
            if now - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        packages = sorted(folder.glob(f"*{keep.suffix}"), key=lambda path: -path.stat().st_mtime)
        total = 0
        for position, package in enumerate(packages):
            total += package.stat().st_size
            if package != keep and (position >= _KEEP_PACKAGES or total > _KEEP_BYTES):
                package.unlink(missing_ok=True)
                package.with_suffix(".bin").unlink(missing_ok=True)
