"""Options as typed dataclasses: a field is an option, with its type, its default and its help.

A command's arguments are one frozen dataclass, whose fields carry an `option` or a
``typer.Argument``. The command line, the help and the value that the command receives are made from
it. A field may be such a dataclass itself; a field of several values is a tuple; a flag that is
false has its name alone in the help, without a ``--no-...``; one that is true unless ``--no-...``
is typed declares that name alone. What files, variables and presets switch on is switched off by
the other name, which the help leaves out: see `opposites_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.models import OptionInfo, ParameterInfo

from live_gradcam.wording import did_you_mean

MODEL = "The network"
INPUT = "The network's pictures"


def option(help: str, *names: str, panel: str | None = None, **details: Any) -> OptionInfo:  # noqa: ANN401
    """Declare an option, for ``Annotated``.

    Args:
        help: One or two sentences.
        names: How it is typed, where the field's name does not say it.
        panel: Heading that it stands under in the help.
        details: Further arguments of ``typer.Option``.
    """
    declared: OptionInfo = typer.Option(*names, help=help, rich_help_panel=panel, **details)
    return declared


_OUTPUTS_HELP = (
    "Where results go; may be repeated: .mp4 .mov .mkv .webm film, .gif .webp .apng animation, "
    ".png .jpg picture, a folder, "
    ".jsonl .csv records, '-' for JSON lines on stdout, or what --format says; the maps "
    "themselves: .npz for NumPy, a folder called maps or ...-maps for 16-bit grey PNG; .m3u8 for "
    "HLS, which browsers play; http://:8090/ to serve the live picture, "
    "rtsp:// rtmp:// udp:// to send it, "
    "camera for a virtual camera. "
    "Without a file, a window opens. The words "
    "softmax, sigmoid, probabilities and raw name no files: they say what the output means."
)
Outputs = Annotated[tuple[str, ...], option(_OUTPUTS_HELP, "--output", "-o", metavar="OUTPUT")]
Overwrite = Annotated[bool, option("Replace outputs that exist.")]
Window = Annotated[bool, option("Never open a window.", "--no-window")]
Quiet = Annotated[bool, option("Only errors.", "--quiet", "-q")]
Debug = Annotated[bool, option("Show tracebacks and log messages.", "--debug")]


ArgumentsT = TypeVar("ArgumentsT")


def parameters_of(kind: type[Any]) -> list[Parameter]:
    """Parameters that typer makes a command line of, one for each option of a dataclass."""
    types = get_type_hints(kind, include_extras=True)
    parameters = []
    for field in fields(kind):
        annotation = types[field.name]
        if is_dataclass(annotation):
            assert isinstance(annotation, type), "a field's type is no value"
            parameters += parameters_of(annotation)
        else:
            parameters.append(_parameter(field, *get_args(annotation)))
    return parameters


def assemble(kind: type[ArgumentsT], given: Mapping[str, Any]) -> ArgumentsT:
    """Make the value of what was typed.

    Args:
        kind: The dataclass that ``parameters_of`` spread.
        given: Every option under its field's name.
    """
    types = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        annotation = types[field.name]
        if is_dataclass(annotation):
            assert isinstance(annotation, type), "a field's type is no value"
            values[field.name] = assemble(annotation, given)
            continue
        value, (value_type, option) = given[field.name], get_args(annotation)
        if get_origin(value_type) is tuple:
            value = tuple(value) if value else field.default
        values[field.name] = not value if _switches_off(field, option) else value
    return kind(**values)


def _parameter(field: Field[Any], kind: Any, option: ParameterInfo) -> Parameter:  # noqa: ANN401
    """One field as typer wants it: several values as a list, a choice as a checked text."""
    default = Parameter.empty if field.default is MISSING else field.default
    if get_origin(kind) is tuple:
        kind, default = list[get_args(kind)[0]] | None, None  # type: ignore[misc]
    elif values := _literals(kind):
        kind = str if default is not None else str | None
        option = _choice(option, values)
    elif _switches_off(field, option):
        default = False
    elif kind is bool and not default and option.default is ...:
        option = copy(option)
        option.default = f"--{field.name.replace('_', '-')}"  # else typer adds a --no-...
    annotation = Annotated[kind, option]
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _literals(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - an annotation
    """Return the values of a choice, which may be optional; nothing for another type."""
    found = [each for each in (kind, *get_args(kind)) if get_origin(each) is Literal]
    return get_args(found[0]) if found else ()


OPPOSITE = "not_"
"""What the name of a hidden parameter begins with that takes back another one."""


def opposites_of(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return a hidden flag for each flag that has no other side: ``--no-mirror``, ``--window``.

    Where that name is another option's, it is ``--show-...``: ``--show-fps`` for ``--no-fps``.
    """
    names = [(each, _first_name(each)) for each in parameters]
    taken = {name for _, name in names}
    opposites = []
    for parameter, name in names:
        kind, *_ = get_args(parameter.annotation)
        if kind is not bool or "/" in name or not name:
            continue
        word = name.removeprefix("--no-")
        other = f"--{word}" if word != name else f"--no-{name[2:]}"
        if other in taken:
            other = f"--show-{word}"
        annotation = Annotated[bool, typer.Option(other, hidden=True)]
        named = f"{OPPOSITE}{parameter.name}"
        opposites.append(
            Parameter(named, Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        )
    return opposites


def take_back(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, without the flags whose opposites were typed."""
    taken = {
        name[len(OPPOSITE) :] for name, on in given.items() if name.startswith(OPPOSITE) and on
    }
    return {
        name: False if name in taken else value
        for name, value in given.items()
        if not name.startswith(OPPOSITE)
    }


def _first_name(parameter: Parameter) -> str:
    """Return the long name of an option as it is declared; nothing for an argument."""
    option = get_args(parameter.annotation)[1]
    if not isinstance(option, OptionInfo):
        return ""
    declared = [str(each) for each in (option.default, *(option.param_decls or ()))]
    long_names = [each for each in declared if each.startswith("--")]
    return long_names[0] if long_names else f"--{parameter.name.replace('_', '-')}"


def _switches_off(field: Field[Any], option: ParameterInfo) -> bool:
    """True if the option makes a field false, as ``--no-window`` does."""
    # In an annotation, the first name stands where typer keeps the default otherwise.
    return field.default is True and str(option.default).startswith("--no-")


def _choice(option: ParameterInfo, values: tuple[str, ...]) -> ParameterInfo:
    """An option that takes one of the values, and names the nearest one where it is another."""
    option = copy(option)
    option.metavar = option.metavar or f"<{'|'.join(values)}>"
    option.parser = _choice_parser(values)
    option.autocompletion = option.autocompletion or matching(lambda: values)
    return option


def matching(names: Callable[[], Sequence[str]]) -> Callable[[str], list[str]]:
    """Return a completion of an option: those of the names that begin as what is typed does."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _choice_parser(values: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in values:
            return text
        listed = ", ".join(map(repr, values))
        hint = did_you_mean(text, values)
        raise typer.BadParameter(f"{text!r} is not one of {listed}. {hint}".strip())

    return parse
