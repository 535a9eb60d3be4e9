"""The command line: options in, exit code out.

=============  =====================================================================
``main``       runs one command line and turns errors into one line and an exit code
``parser``     the table of commands, and the parser that is made from it
``options``    dataclasses as options; the options that several commands share
``network``    the options that name a network, and loading it
``console``    notices, progress and tables on the terminal
``run``        ``live-gradcam run``; ``demo``, ``web``, ``evaluate``, ``bench`` and
               ``doctor`` likewise
``listings``   ``live-gradcam models`` and ``live-gradcam cameras``
=============  =====================================================================

A command is a row of ``parser.COMMANDS``, a frozen dataclass of its options, and a function that
takes that value and a console. A new option is one more field of the dataclass.
"""

from __future__ import annotations

from live_gradcam.cli.main import run_command_line

__all__ = ["run_command_line"]
