"""Runs one part: ``python -m scripts.gpu NAME --seconds S [--rehearse]``."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from scripts.gpu.report import Setting


def main() -> int:
    """Run the part that is named; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    setting = Setting(options.seconds, options.media, rehearse=options.rehearse)
    module = importlib.import_module(f"scripts.gpu.{options.part}")
    return int(module.run(setting) or 0)


if __name__ == "__main__":
    sys.exit(main())
