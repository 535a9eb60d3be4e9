"""The table of commands, and the parser that is made from it. Heavy imports wait for a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Generic

import typer

from live_gradcam.cli.archive import ArchiveArguments, archive_command
from live_gradcam.cli.bench import BenchArguments, bench_command
from live_gradcam.cli.completion import INSTALL, SHOW, is_asked
from live_gradcam.cli.console import Console
from live_gradcam.cli.demo import DemoArguments, demo_command
from live_gradcam.cli.doctor import DoctorArguments, doctor_command
from live_gradcam.cli.evaluate import EvaluateArguments, evaluate_command
from live_gradcam.cli.export import ExportArguments, export_command
from live_gradcam.cli.inspect import InspectArguments, inspect_command
from live_gradcam.cli.listings import (
    CamerasArguments,
    ModelsArguments,
    cameras_command,
    models_command,
)
from live_gradcam.cli.options import (
    ArgumentsT,
    Debug,
    Quiet,
    assemble,
    opposites_of,
    parameters_of,
    take_back,
)
from live_gradcam.cli.run import run_command
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.settings import IN_FORCE, NONE, load_settings
from live_gradcam.cli.site import SiteArguments, site_command
from live_gradcam.cli.teach import TeachArguments, teach_command
from live_gradcam.cli.web import WebArguments, web_command


@dataclass(frozen=True, slots=True)
class Command(Generic[ArgumentsT]):
    """One command of the command line.

    Attributes:
        name: The word that is typed.
        arguments: Dataclass whose fields are its options; see `live_gradcam.cli.options`.
        run: Function that does it; the first line of its docstring is the command's help.
        can_be_quiet: It has ``--quiet``; every command has ``--debug``.
        shares_settings: Settings for all commands are for this one, too; not for those that only
            answer a question.
        needs_settings: It does not run where settings cannot be used.
    """

    name: str
    arguments: type[ArgumentsT]
    run: Callable[[ArgumentsT, Console], None]
    can_be_quiet: bool = False
    shares_settings: bool = True
    needs_settings: bool = True

    @property
    def help(self) -> str:
        """One sentence."""
        return (self.run.__doc__ or "").partition("\n")[0]


COMMANDS: tuple[Command[Any], ...] = (
    Command("run", RunArguments, run_command, can_be_quiet=True),
    Command("demo", DemoArguments, demo_command, can_be_quiet=True),
    Command("web", WebArguments, web_command),
    Command("evaluate", EvaluateArguments, evaluate_command, can_be_quiet=True),
    Command("archive", ArchiveArguments, archive_command, can_be_quiet=True),
    Command("bench", BenchArguments, bench_command, can_be_quiet=True),
    Command("teach", TeachArguments, teach_command, can_be_quiet=True),
    Command("export", ExportArguments, export_command, can_be_quiet=True),
    Command("site", SiteArguments, site_command),
    Command("inspect", InspectArguments, inspect_command, shares_settings=False),
    Command("models", ModelsArguments, models_command, shares_settings=False),
    Command("cameras", CamerasArguments, cameras_command, shares_settings=False),
    Command("doctor", DoctorArguments, doctor_command, shares_settings=False, needs_settings=False),
)


def make_parser(commands: Sequence[Command[Any]]) -> typer.Typer:
    """Return the parser of a command line with these commands."""
    parser = typer.Typer(
        name="live-gradcam",
        help="See live what an image classifier sees, and why: Grad-CAM on every frame.",
        no_args_is_help=True,
        add_completion=is_asked(),
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    parser.callback()(_top_level(commands))
    for command in commands:
        parser.command(command.name, help=command.help)(_entry(command))
    return parser


def _entry(command: Command[Any]) -> Callable[..., None]:
    """Return the command as typer wants it: a function with a parameter for each option."""

    def enter(*, quiet: bool = False, debug: bool = False, **given: Any) -> None:  # noqa: ANN401
        del debug  # it must be known before anything is parsed: see `run_command_line`
        error = IN_FORCE.get().error
        if error is not None and command.needs_settings:
            raise error
        command.run(assemble(command.arguments, take_back(given)), Console(quiet=quiet))

    parameters = parameters_of(command.arguments)
    parameters += opposites_of(parameters)
    shared = {"quiet": Quiet, "debug": Debug} if command.can_be_quiet else {"debug": Debug}
    for name, annotation in shared.items():
        parameters.append(
            Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        )
    enter.__annotations__ = {each.name: each.annotation for each in parameters}
    enter.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return enter


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        Console().out(f"live-gradcam {version('live-gradcam')}")
        raise typer.Exit


def _top_level(commands: Sequence[Command[Any]]) -> Callable[..., None]:
    """Return what is done before a command: its settings are read."""

    def enter(
        context: typer.Context,
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_print_version, is_eager=True, help="Show the version."
            ),
        ] = False,
        settings: Annotated[
            bool,
            typer.Option("--no-settings", help="Leave out live-gradcam.toml and LIVE_GRADCAM_*."),
        ] = False,
        install: Annotated[
            bool,
            typer.Option(
                INSTALL, help="Make the shell complete commands, options and names; or name it."
            ),
        ] = False,
        show: Annotated[
            bool, typer.Option(SHOW, help="Print what that would install; or name a shell.")
        ] = False,
    ) -> None:
        del version, install, show  # they end before a command begins
        IN_FORCE.set(NONE)
        if settings or context.resilient_parsing:
            return
        found = load_settings(
            {each.name: each.arguments for each in commands},
            frozenset(each.name for each in commands if each.shares_settings),
            folder=Path(),
            environment=os.environ,
        )
        IN_FORCE.set(found)
        context.default_map = found.defaults()

    return enter
