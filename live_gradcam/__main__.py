"""The command's entry point: signal handlers first, everything else after."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its documented exit code."""
    import signal

    # Until our own handlers stand, an interruption ends this process silently, as it does others.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from live_gradcam import lifecycle
    from live_gradcam.errors import ExitCode

    code: int
    debug = "--debug" in sys.argv[1:]
    try:
        lifecycle.install_handlers()
        if not debug:
            lifecycle.silence_tracebacks()
        from live_gradcam.cli import run_command_line

        code = run_command_line(sys.argv[1:])
    except lifecycle.Interrupted as interrupted:
        code = interrupted.exit_code
    except KeyboardInterrupt:
        code = ExitCode.SIGINT
    except BaseException as error:  # the command line itself cannot be loaded
        code = lifecycle.report_bug(error, debug=debug)
    lifecycle.end_process(lifecycle.interrupted_code() or code)


if __name__ == "__main__":
    main()
