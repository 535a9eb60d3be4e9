"""What the next run of a network can begin with: its graph, kept in the user's cache by this one.

One small file for everything that was typed about a network, on one machine, with one set of
versions; it names the graph, the engine that runs it fastest here, and the files that the network
was made of. Where any of these is not what it was, there is no start, and the network is loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from live_gradcam.errors import LiveGradcamError
from live_gradcam.fetching import file_sha256
from live_gradcam.graph.engine import ComputePrecision, EngineName
from live_gradcam.graph.late import NetworkFacts
from live_gradcam.graph.metadata import GraphMetadata
from live_gradcam.protocol import MethodFacts
from live_gradcam.user_cache import cache_folder, why_not_trusted

_SUFFIX = ".start.json"
_KEEP = 50


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was.

    Attributes:
        path: Where.
        size: In bytes.
        modified: Time of its last change, in nanoseconds.
        changed: Time of the last change to its entry in the folder, which nobody sets at will.
        sha256: Of its content.
    """

    path: str
    size: int
    modified: int
    changed: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Return the state of a file now.

        Raises:
            OSError: It cannot be read.
        """
        facts = path.stat()
        return cls(
            str(path.absolute()),
            facts.st_size,
            facts.st_mtime_ns,
            facts.st_ctime_ns,
            file_sha256(path),
        )

    def stands(self) -> bool:
        """Return whether the file has the same content: read again only where it was touched."""
        try:
            facts = Path(self.path).stat()
            times = (facts.st_mtime_ns, facts.st_ctime_ns)
            if facts.st_size != self.size:
                return False
            return times == (self.modified, self.changed) or self.holds()
        except OSError:
            return False

    def newer_than(self, when: float) -> bool:
        """Return whether the file may have been changed after a Unix time."""
        return max(self.modified, self.changed) / 1e9 >= when

    def holds(self) -> bool:
        """Return whether the file has the same content, which is read.

        Raises:
            OSError: It cannot be read.
        """
        return file_sha256(Path(self.path)) == self.sha256


@dataclass(frozen=True, slots=True)
class GraphStart:
    """What a run begins with instead of loading the network.

    Attributes:
        graph: The file of the graph, whose classes are asked for.
        metadata: Of the network; the file's own says less.
        engine: Runs the graph.
        precision: Number format that it computes in.
        torch_is_faster: The network itself explains faster than the graph, once it is loaded.
        files: All that the network was made of.
        facts: What else is known of the network.
    """

    graph: FileState
    metadata: GraphMetadata
    engine: EngineName
    precision: ComputePrecision
    torch_is_faster: bool
    files: tuple[FileState, ...]
    facts: NetworkFacts

    def stands(self) -> bool:
        """Return whether the graph is whole, and the network's files are what they were."""
        try:  # using a graph touches it, so that its times say nothing
            return all(each.stands() for each in self.files) and self.graph.holds()
        except OSError:
            return False


def read_start(key: str) -> GraphStart | None:
    """Return what a run can begin with; ``None`` if there is nothing, or it does not stand."""
    folder = cache_folder()
    try:
        record = json.loads((folder / f"{key}{_SUFFIX}").read_text(encoding="utf-8"))
        if why_not_trusted(folder):
            return None
        facts = record["facts"]
        start = GraphStart(
            graph=FileState(**record["graph"]),
            metadata=GraphMetadata.from_json(record["metadata"], "the kept graph"),
            engine=record["engine"],
            precision=record["precision"],
            torch_is_faster=bool(record["torch_is_faster"]),
            files=tuple(FileState(**each) for each in record["files"]),
            facts=NetworkFacts(
                tuple(facts["layer_names"]),
                tuple(MethodFacts(*each) for each in facts["methods"]),
                bool(facts["all_maps_are_cheap"]),
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, LiveGradcamError):
        return None
    if not start.stands():
        return None
    with suppress(OSError):  # it was used: what was not goes first
        os.utime(start.graph.path)
    return start


def write_start(key: str, start: GraphStart) -> None:
    """Keep what the next run can begin with.

    Raises:
        OSError: It cannot be written.
    """
    folder = cache_folder()
    path = folder / f"{key}{_SUFFIX}"
    record = asdict(start) | {
        "metadata": start.metadata.to_json(),
        "facts": start.facts._asdict(),
    }
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(record), encoding="utf-8")
    fresh.replace(path)
    _prune(folder.glob(f"*{_SUFFIX}"))


def _prune(paths: Iterable[Path]) -> None:
    with suppress(OSError):
        for old in sorted(paths, key=lambda each: -each.stat().st_mtime)[_KEEP:]:
            old.unlink(missing_ok=True)
