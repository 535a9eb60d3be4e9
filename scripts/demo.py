"""From a fresh machine to an explained picture in one command.

``python scripts/demo.py`` makes .venv, installs the project and shows the demo; with arguments it
runs ``live-gradcam run`` with them instead: ``python scripts/demo.py 0 --model scenes``.
"""

from __future__ import annotations

import subprocess
import sys

from environment import make_environment, say


def main() -> int:
    """Make the environment, then run; returns the exit code."""
    python = make_environment()
    arguments = ["run", *sys.argv[1:]] if sys.argv[1:] else ["demo"]
    say(f"live-gradcam {' '.join(arguments)}")
    try:
        return subprocess.call([str(python), "-m", "live_gradcam", *arguments])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
