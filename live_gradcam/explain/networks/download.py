"""Download of published weights: once, then from torch's own cache, always verified.

The place and the names are torchvision's (`torch.hub`): ``$TORCH_HOME/hub/checkpoints``, each file
named after the beginning of its SHA-256. What torch's own downloader lacks is added here: silence
ends in an error instead of waiting for ever, a file from the cache is verified before it is used,
and an interrupted download leaves nothing behind.
"""

from __future__ import annotations

import http.client
import os
import queue
import re
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import urlsplit

import torch

from live_gradcam import fetching
from live_gradcam.errors import ModelError
from live_gradcam.fetching import file_sha256, receive, why_failed

Progress: TypeAlias = Callable[[int, "int | None"], None]
"""Called with the bytes received so far and, where known, the bytes in all."""

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")


def cached_path(url: str) -> Path:
    """Return the path at which torch's cache keeps the file of an address."""
    return Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlsplit(url).path).name


def fetch_weights(url: str, *, name: str, progress: Progress | None = None) -> Path:
    """Return the path of verified published weights, downloaded unless the cache has them.

    Args:
        url: Its address; the file's name carries the beginning of its SHA-256.
        name: The network, for messages.
        progress: Called with each part received; ``None`` shows a bar on stderr.

    Raises:
        ModelError: The cached file is not what its name says, or the download failed.
    """
    path = cached_path(url)
    if path.is_file():
        wrong = _wrong_hash(path, path.name)
        if wrong:
            step = "Delete it and start again"
            raise ModelError("cannot use cached weights", str(path), wrong, step)
        return path
    if progress is not None:
        _download(url, path, name, progress)
    else:
        with _bar(path.name) as shown:
            _download(url, path, name, shown)
    return path


def require_server(url: str, *, name: str) -> None:
    """Check that a server answers at an address within `live_gradcam.fetching.SILENCE_SECONDS`.

    Args:
        url: Address from which another library, with longer timeouts, is going to download.
        name: The network, for messages.

    Raises:
        ModelError: No server answers.
    """
    answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "live-gradcam"})
        try:
            with urllib.request.urlopen(request, timeout=fetching.SILENCE_SECONDS):
                answers.put(None)
        except urllib.error.HTTPError as exc:  # an answer, which the other library will understand
            exc.close()
            answers.put(None)
        except Exception as exc:
            answers.put(exc)

    threading.Thread(target=ask, name="weights-server", daemon=True).start()
    try:
        problem = answers.get(timeout=fetching.SILENCE_SECONDS + 0.5)
    except queue.Empty:
        problem = TimeoutError()
    if problem is not None:
        raise ModelError(
            f"cannot download the weights of {name}",
            url,
            why_failed(problem),
            "Give a file with --weights FILE, or use the bundled network with --model scenes",
        ) from problem


def _wrong_hash(path: Path, name: str) -> str:
    """Compare a file's hash with the one in a name; return the difference, or an empty string."""
    promised = _HASH_IN_NAME.search(name)
    if promised is None:
        return ""
    found = file_sha256(path)
    if found.startswith(promised[1]):
        return ""
    shown = found[: len(promised[1])]
    return f"its SHA-256 begins with {shown}, its name says {promised[1]}"


def _download(url: str, path: Path, name: str, progress: Progress) -> None:
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial_name = tempfile.mkstemp(prefix=".download-", dir=path.parent)
        partial = Path(partial_name)
        with os.fdopen(handle, "wb") as file:
            received, total = 0, None
            for chunk, total in receive(url):
                file.write(chunk)
                received += len(chunk)
                progress(received, total)
        if total is not None and received != total:
            raise ConnectionError(f"interrupted after {received} of {total} bytes")
        wrong = _wrong_hash(partial, path.name)
        if wrong:
            raise ConnectionError(f"what was received is not the file: {wrong}")
        partial.replace(path)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise ModelError(
            f"cannot download the weights of {name}",
            url,
            why_failed(exc),
            f"Give a file with --weights FILE, or put it at {path}, "
            "or use the bundled network with --model scenes",
        ) from exc
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        # Shown from the first byte on: where no server answers, the error stands alone.
        task = bar.add_task(f"downloading {name}", total=None, visible=False)
        yield lambda received, total: bar.update(
            task, completed=received, total=total, visible=received > 0
        )
