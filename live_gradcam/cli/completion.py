"""Completion in the shell: installing it, showing it, and answering the shell's questions."""

from __future__ import annotations

import os
from collections.abc import Sequence

from live_gradcam.cli.console import Console
from live_gradcam.errors import SinkError, UsageError
from live_gradcam.wording import did_you_mean

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
"""Shells that completion is made for."""

INSTALL, SHOW = "--install-completion", "--show-completion"

PROGRAM = "live-gradcam"
VARIABLE = "_LIVE_GRADCAM_COMPLETE"
"""Environment variable by which a shell asks for completions."""


def is_asked() -> bool:
    """Return whether a shell asks for completions rather than for a command."""
    return VARIABLE in os.environ


def completion_command(arguments: Sequence[str], console: Console) -> None:
    """Install or show the completion, for the shell that is named or the one that is running.

    Args:
        arguments: `INSTALL` or `SHOW`, and perhaps the name of a shell.
        console: Where results go.

    Raises:
        UsageError: The shell is unknown, or cannot be found out.
        SinkError: Its start file cannot be written.
    """
    what, *rest = arguments
    if len(rest) > 1:
        raise UsageError("too many words", " ".join(rest), "one shell is named", "")
    shell = rest[0] if rest else _running_shell(what)
    if shell not in SHELLS:
        step = f"{did_you_mean(shell, SHELLS)}Choose from {', '.join(SHELLS)}"
        raise UsageError("unknown shell", shell, "", step)
    from typer._completion_shared import get_completion_script, install

    if what == SHOW:
        script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell)
        console.out(script)
        return
    try:
        _, path = install(shell=shell, prog_name=PROGRAM, complete_var=VARIABLE)
    except OSError as exc:
        cause = (exc.strerror or str(exc)).lower()
        where = str(exc.filename or shell)
        step = f"{PROGRAM} --show-completion {shell} prints what to put where you want it"
        raise SinkError("cannot install completion", where, cause, step) from exc
    console.out(f"{shell} completion is in {path}; it works in the next terminal.")


def _running_shell(what: str) -> str:
    import shellingham

    try:
        name, _ = shellingham.detect_shell()
    except (shellingham.ShellDetectionFailure, OSError):
        cause, step = "it cannot be found out", f"Name it: {PROGRAM} {what} bash"
        raise UsageError("which shell is this", "", cause, step) from None
    return str(name)
