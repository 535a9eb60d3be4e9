"""Makes .venv with the test extras and runs all tests; arguments go to pytest."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from environment import ENVIRONMENT, ROOT, make_environment, run_or_exit, say


def main() -> int:
    """Make the environment, then test; returns pytest's exit code."""
    python = make_environment("test")
    installer = ROOT / "scripts" / "install_peers.py"
    stamp = ENVIRONMENT / ".installed-peers"
    wanted = hashlib.sha256(installer.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        say("Installing the CAM libraries that the tests compare with ...")
        run_or_exit([str(python), str(installer)])
        stamp.write_text(wanted)
    say("Running the tests ...")
    return subprocess.call([str(python), "-m", "pytest", *sys.argv[1:]], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
