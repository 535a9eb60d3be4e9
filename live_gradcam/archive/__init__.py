"""Runs over many files that can be interrupted at any time: a file in, rows out, nothing twice.

- `files` finds the films and pictures of folders, patterns and lists
- `ledger` remembers which of them are done, with which options, and where their rows stand
- `sinks` write where a run over many files writes: folders that mirror the sources, records that
  are appended to
- `run` explains what is not done yet

Archives, many files explained into tables that can be asked:

- `ray_runner` shares the parts of an archive out among `ray_worker` actors, on a cluster that
  `ray_connection` starts or joins
- `explain_files` is for pipelines of other people
"""

from typing import TYPE_CHECKING

from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.archive.explain_files import ExplainFiles

__all__ = ["ExplainFiles"]

__getattr__ = lazy_names(__name__, {"explain_files": "ExplainFiles"})
