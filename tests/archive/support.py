"""What the tests of runs over many files share."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

NETWORK = ["--model", "scenes", "--compile", "off"]
PICTURE = np.full((48, 64, 3), 120, np.uint8)


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stderr: str


class Run(Protocol):
    """Runs ``run --resume`` in the archive's folder."""

    def __call__(self, *arguments: str, sources: tuple[str, ...] = ...) -> Done: ...


def rows(path: Path) -> list[str]:
    """Source and index of each record."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [f"{row['source']} {row['index']}" for row in csv.DictReader(file)]
    records = map(json.loads, path.read_text().splitlines())
    return [f"{record['source']} {record['index']}" for record in records]
