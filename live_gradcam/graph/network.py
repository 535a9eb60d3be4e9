"""The network that a graph was made from, and how it runs, as values."""

from __future__ import annotations

from dataclasses import dataclass

from live_gradcam.class_names import find_class
from live_gradcam.graph.metadata import GraphMetadata
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import OutputKind


@dataclass(frozen=True, slots=True)
class GraphNetwork:
    """The network that a graph was made from, as far as its file knows it.

    Attributes:
        metadata: Of the file.
    """

    metadata: GraphMetadata

    @property
    def name(self) -> str:
        """Short name of the network."""
        return self.metadata.network

    @property
    def layer(self) -> str:
        """Name of the explained layer."""
        return self.metadata.layer

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its classes, in order."""
        return self.metadata.labels

    @property
    def class_count(self) -> int:
        """Number of its classes."""
        return len(self.metadata.labels)

    @property
    def preprocessing(self) -> Preprocessing:
        """How its images are prepared."""
        return self.metadata.preprocessing

    @property
    def output(self) -> OutputKind:
        """What its scores mean."""
        return self.metadata.output

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that users should read."""
        return self.metadata.notes

    def class_index(self, label_or_index: str | int) -> int:
        """Return the index of a class.

        Raises:
            UsageError: There is no such class, or there are several.
        """
        return find_class(self.labels, label_or_index)


@dataclass(frozen=True, slots=True)
class GraphRuntime:
    """How a graph runs, and why.

    Attributes:
        engine: Name of the engine.
        device: In the engine's words.
        precision: Of the network's trunk.
        reasons: One sentence for each decision.
    """

    engine: str
    device: str
    precision: str
    reasons: tuple[str, ...] = ()
