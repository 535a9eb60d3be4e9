"""The command's entry point: signal handlers first, everything else after."""

from __future__ import annotations

import sys
from typing import NoReturn

from live_gradcam import lifecycle
from live_gradcam.errors import ExitCode


def main() -> NoReturn:
    """Run the command line and end the process with its documented exit code."""
    code: int
    try:
        lifecycle.install()
        from live_gradcam.cli import run_command_line

        code = run_command_line(sys.argv[1:])
    except lifecycle.Interrupted as interrupted:
        code = interrupted.exit_code
    except KeyboardInterrupt:
        code = ExitCode.SIGINT
    lifecycle.leave(lifecycle.interrupted_code() or code)


if __name__ == "__main__":
    main()
