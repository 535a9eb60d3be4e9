"""The place of what this program has worked out for this user and machine."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path


def user_folder() -> Path:
    """Return this program's own folder among the user's caches on this system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        root = Path(base) if base else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        root = Path(base) if base else Path.home() / ".cache"
    return root / "live-gradcam"


def cache_folder() -> Path:
    """Return the folder of compiled networks, graphs and measurements."""
    return user_folder() / "compiled"


def why_not_trusted(folder: Path) -> str:
    """Return why what a folder holds cannot be trusted, in a few words; empty if it can be.

    Args:
        folder: One that is there.

    Raises:
        OSError: It cannot be looked at.
    """
    facts = folder.stat()
    if hasattr(os, "getuid"):
        if facts.st_uid != os.getuid():
            return "belongs to another user"
        if stat.S_IMODE(facts.st_mode) & 0o022:
            return "can be written by others"
    return ""
