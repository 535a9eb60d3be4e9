"""The table of commands, and the parser that is made from it. Heavy imports wait for a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any, Generic

import typer

from live_gradcam.cli.bench import BenchArguments, bench_command
from live_gradcam.cli.console import Console
from live_gradcam.cli.demo import DemoArguments, demo_command
from live_gradcam.cli.doctor import DoctorArguments, doctor_command
from live_gradcam.cli.evaluate import EvaluateArguments, evaluate_command
from live_gradcam.cli.inspect import InspectArguments, inspect_command
from live_gradcam.cli.listings import ModelsArguments, cameras_command, models_command
from live_gradcam.cli.options import ArgumentsT, Debug, NoArguments, Quiet, assemble, parameters_of
from live_gradcam.cli.run import run_command
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.web import WebArguments, web_command


@dataclass(frozen=True, slots=True)
class Command(Generic[ArgumentsT]):
    """One command of the command line.

    Attributes:
        name: The word that is typed.
        arguments: Dataclass whose fields are its options; see `live_gradcam.cli.options`.
        run: Function that does it; the first line of its docstring is the command's help.
        can_be_quiet: It has ``--quiet``; every command has ``--debug``.
    """

    name: str
    arguments: type[ArgumentsT]
    run: Callable[[ArgumentsT, Console], None]
    can_be_quiet: bool = False

    @property
    def help(self) -> str:
        """One sentence."""
        return (self.run.__doc__ or "").partition("\n")[0]


COMMANDS: tuple[Command[Any], ...] = (
    Command("run", RunArguments, run_command, can_be_quiet=True),
    Command("demo", DemoArguments, demo_command, can_be_quiet=True),
    Command("web", WebArguments, web_command),
    Command("evaluate", EvaluateArguments, evaluate_command, can_be_quiet=True),
    Command("bench", BenchArguments, bench_command, can_be_quiet=True),
    Command("inspect", InspectArguments, inspect_command),
    Command("models", ModelsArguments, models_command),
    Command("cameras", NoArguments, cameras_command),
    Command("doctor", DoctorArguments, doctor_command),
)


def make_parser(commands: Sequence[Command[Any]]) -> typer.Typer:
    """Return the parser of a command line with these commands."""
    parser = typer.Typer(
        name="live-gradcam",
        help="See live what an image classifier sees, and why: Grad-CAM on every frame.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    parser.callback()(_top_level)
    for command in commands:
        parser.command(command.name, help=command.help)(_entry(command))
    return parser


def _entry(command: Command[Any]) -> Callable[..., None]:
    """Return the command as typer wants it: a function with a parameter for each option."""

    def enter(*, quiet: bool = False, debug: bool = False, **given: Any) -> None:  # noqa: ANN401
        del debug  # it must be known before anything is parsed: see `run_command_line`
        command.run(assemble(command.arguments, given), Console(quiet=quiet))

    parameters = parameters_of(command.arguments)
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


def _top_level(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
