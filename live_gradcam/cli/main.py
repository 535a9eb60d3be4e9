"""One command line from its arguments to its exit code, with errors in one line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from live_gradcam import lifecycle
from live_gradcam.budget import wait_asleep
from live_gradcam.cli.archive_report import with_report_command
from live_gradcam.cli.completion import INSTALL, SHOW, completion_command, is_asked
from live_gradcam.cli.console import Console
from live_gradcam.cli.parser import COMMANDS, make_parser
from live_gradcam.cli.run_teaching import with_empty_teach
from live_gradcam.cli.settings import IN_FORCE, NONE
from live_gradcam.errors import ExitCode, LiveGradcamError, describe_bug, missing_torch, sentence


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: Words after the program's name.

    Returns:
        The exit code; errors are already printed, in one line on stderr.
    """
    debug = "--debug" in arguments
    hide = _secret_hider(arguments)
    _set_up_logging(hide, debug=debug)
    console = Console()
    IN_FORCE.set(NONE)
    wait_asleep()
    try:
        if arguments[:1] in ([INSTALL], [SHOW]):
            completion_command(arguments, console)
            return ExitCode.OK
        words = with_empty_teach(with_report_command(arguments))
        code = make_parser(COMMANDS)(words, prog_name="live-gradcam", standalone_mode=False)
    except LiveGradcamError as error:
        return _fail(console, hide, str(error), error.exit_code, debug=debug)
    except lifecycle.Interrupted:
        raise
    except (BrokenPipeError, SystemExit) as leaving:
        if isinstance(leaving, SystemExit) and is_asked():
            return leaving.code if isinstance(leaving.code, int) else ExitCode.OK
        # Whoever read our output has enough of it; typer turns that into an exit of its own.
        if isinstance(leaving, SystemExit) and not isinstance(leaving.__context__, OSError):
            return _fail(console, hide, describe_bug(leaving), ExitCode.BUG, debug=debug)
        return ExitCode.OK
    except Exception as error:  # the last line of defence
        interrupted = lifecycle.interrupted_code()
        if interrupted is not None:
            return interrupted
        missing = missing_torch(error)
        if missing is not None:
            return _fail(console, hide, str(missing), missing.exit_code, debug=debug)
        message = getattr(error, "format_message", None)
        if callable(message):
            place = getattr(getattr(error, "ctx", None), "command_path", "live-gradcam")
            text = f"usage: {sentence(str(message()))} See '{place} --help'."
            return _fail(console, hide, text, ExitCode.USAGE, debug=debug)
        return _fail(console, hide, describe_bug(error), ExitCode.BUG, debug=debug)
    return code if isinstance(code, int) else ExitCode.OK


class _Discreet(logging.Formatter):
    """A message without passwords.

    Args:
        hide: Takes them out of a text.
        whole: Tracebacks are kept, and lines stay lines.
    """

    def __init__(self, hide: Callable[[str], str], *, whole: bool) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._hide = hide
        self._whole = whole

    def format(self, record: logging.LogRecord) -> str:
        if self._whole:
            return self._hide(super().format(record))
        text = f"{record.levelname} {record.name}: {record.getMessage()}"
        return self._hide(" ".join(text.split()))


def _secret_hider(arguments: Sequence[str]) -> Callable[[str], str]:
    """Return a function that takes the passwords of addresses out of a text.

    They may have been typed, or stand among the settings.
    """

    def hide(text: str) -> str:
        known = (*arguments, *IN_FORCE.get().texts())
        suspects = [each for each in known if ":" in each or "@" in each]
        if not suspects:
            return text
        from live_gradcam.credentials import hide_secrets

        return hide_secrets(text, suspects)

    return hide


def _set_up_logging(hide: Callable[[str], str], *, debug: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Discreet(hide, whole=debug))
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, handlers=[handler])
    logging.captureWarnings(capture=True)
    # A message that cannot be written is no reason for a traceback either.
    logging.raiseExceptions = debug


def _fail(
    console: Console, hide: Callable[[str], str], text: str, code: ExitCode, *, debug: bool
) -> int:
    if debug:
        import traceback

        console.error(hide(traceback.format_exc().rstrip()))
    console.error(f"error: {hide(text)}")
    return code
