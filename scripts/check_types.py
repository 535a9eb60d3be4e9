"""Checks the types in the comments of the static page's scripts, with TypeScript's compiler.

    python scripts/check_types.py

The compiler is one program of 24 MB; it is fetched once into the user's cache, pinned, and needs no
Node. On other systems than Linux on x86 it is run by npx.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "live_gradcam" / "site" / "page"
# The page's scripts and their worker, and the service worker, which has other globals.
PROJECTS = ("jsconfig.json", "jsconfig.worker.json")

VERSION = "7.0.2"
_NAME = "typescript-linux-x64"
_ADDRESS = f"https://registry.npmjs.org/@typescript/{_NAME}/-/{_NAME}-{VERSION}.tgz"
_SHA256 = "7ecad6f67377e831856367ab062ef394f21506a611405bf8ac0ff039348637d3"
_SECONDS = 60


def main() -> int:
    """Check every project; returns the first exit code that is not zero."""
    compiler = find_compiler()
    codes = [subprocess.call([*compiler, "--project", str(PAGE / each)]) for each in PROJECTS]
    return next((code for code in codes if code), 0)


def find_compiler() -> list[str]:
    """Return the words that run the compiler.

    Raises:
        SystemExit: Nothing brings it.
    """
    reason = "it is for Linux on x86"
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        try:
            return [str(_fetched())]
        except (OSError, ValueError, tarfile.TarError) as error:
            reason = str(error)
    npx = shutil.which("npx")
    if npx is None:
        sys.exit(f"error: TypeScript's compiler cannot be had from {_ADDRESS} ({reason}), nor npx.")
    return [npx, "--yes", "--package", f"typescript@{VERSION}", "tsc"]


def _fetched() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "live-gradcam"
    folder = cache / f"typescript-{VERSION}"
    program = folder / "package" / "lib" / "tsc"
    if program.is_file():
        return program
    with urllib.request.urlopen(_ADDRESS, timeout=_SECONDS) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise ValueError("its SHA-256 is another one")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".typescript-", dir=cache) as made:
        archive = Path(made) / "package.tgz"
        archive.write_bytes(content)
        with tarfile.open(archive) as package:
            package.extractall(Path(made) / "unpacked", filter="data")
        if not folder.exists():
            (Path(made) / "unpacked").replace(folder)
    return program


if __name__ == "__main__":
    sys.exit(main())
