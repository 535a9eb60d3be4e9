"""From a fresh machine to an explained picture in one command.

``python scripts/demo.py`` makes .venv, installs the project and shows the demo; with arguments it
runs ``live-gradcam run`` with them instead: ``python scripts/demo.py 0 --model scenes``. What is
installed suits the machine; the first argument can say it: ``--cpu`` (PyTorch without NVIDIA's
libraries), ``--gpu`` (with them) or ``--lite`` (no PyTorch, for exported files alone).
"""

from __future__ import annotations

import subprocess
import sys

from environment import make_environment, say, split_kind


def main() -> int:
    """Make the environment, then run; returns the exit code."""
    kind, given = split_kind(sys.argv[1:])
    python = make_environment(kind=kind)
    if kind == "lite" and not given:
        say("Ready: python scripts/demo.py --lite clip.mp4 --model OUT.onnx")
        return 0
    arguments = ["run", *given] if given else ["demo"]
    say(f"live-gradcam {' '.join(arguments)}")
    try:
        return subprocess.call([str(python), "-m", "live_gradcam", *arguments])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
