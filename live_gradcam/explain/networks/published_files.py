"""torchvision's published files, recognised wherever a user keeps them.

Each file of torchvision's carries the beginning of its SHA-256 in its name. Several entries of one
network differ in their preprocessing, so that a file is only explained rightly as the entry that it
is. The table is torchvision's own register of weights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from live_gradcam.explain.networks.torchvision_networks import network_names, weights_entries
from live_gradcam.fetching import file_sha256

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})(?![0-9a-f])")
_DIGITS = 8
_MEBIBYTE = 1 << 20
# torchvision gives the size of a file in MiB, to three decimals.
_SIZE_TOLERANCE = 0.002


@dataclass(frozen=True, slots=True, eq=False)
class PublishedFile:
    """A file that torchvision publishes.

    Attributes:
        network: torchvision's name of the network.
        entry: Its weights entry.
    """

    network: str
    entry: Any

    @property
    def size(self) -> float:
        """Size of the file in MiB; 0 where torchvision does not say it."""
        return float(self.entry.meta.get("_file_size", 0.0))

    @property
    def title(self) -> str:
        """Name of the entry as torchvision's documentation has it."""
        return str(self.entry)


def recognise_file(path: Path, name: str) -> PublishedFile | None:
    """Return which of torchvision's files a file is, by its name, or by its size and content.

    Only a file of exactly a published size is read.

    Args:
        path: The file; it need not exist.
        name: The network that it is for; files of others are recognised by their names only.
    """
    own = _files_of(name)
    digests = [each[:_DIGITS] for each in _HASH_IN_NAME.findall(path.name)]
    if digests:
        table = own if any(each in own for each in digests) else _published_files()
        return next((table[each] for each in digests if each in table), None)
    try:
        size = path.stat().st_size / _MEBIBYTE
        if all(abs(each.size - size) > _SIZE_TOLERANCE for each in own.values()):
            return None
        return own.get(file_sha256(path)[:_DIGITS])
    except OSError:
        return None


@lru_cache(maxsize=1)
def _published_files() -> dict[str, PublishedFile]:
    table: dict[str, PublishedFile] = {}
    for name in network_names():
        table |= _files_of(name)
    return table


def _files_of(name: str) -> dict[str, PublishedFile]:
    """Return a network's files by the beginnings of their hashes."""
    table: dict[str, PublishedFile] = {}
    for entry in weights_entries(name):
        file = PurePosixPath(urlsplit(entry.url).path).name
        for digest in _HASH_IN_NAME.findall(file):
            table.setdefault(digest[:_DIGITS], PublishedFile(name, entry))
    return table
