"""Builds the API pages from the docstrings, into `build/docs`; a warning is an error.

``python scripts/docs.py [FOLDER]`` in an environment with the ``test`` extra.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from pathlib import Path

import live_gradcam

ROOT = Path(__file__).resolve().parent.parent


def public_modules() -> list[str]:
    """The package, and the modules that define what it offers."""
    public = (getattr(live_gradcam, name) for name in live_gradcam.__all__)
    homes = {str(getattr(each, "__module__", "")) for each in public}
    return ["live_gradcam", *sorted(home for home in homes if home.startswith("live_gradcam."))]


def main() -> int:
    """Build the pages; 1 where pdoc warns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "docs")
    folder = parser.parse_args().folder
    import pdoc  # in the test extra only

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names = public_modules()
        for name in names:
            importlib.import_module(name)
        pdoc.render.configure(docformat="google", show_source=False)
        pdoc.pdoc(*names, output_directory=folder)
    for each in caught:
        print(f"{each.filename}:{each.lineno}: {each.message}", file=sys.stderr)
    print(f"{len(names)} modules in {folder}")
    return 1 if caught else 0


if __name__ == "__main__":
    sys.exit(main())
