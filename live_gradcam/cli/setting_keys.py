"""Options as settings: the names they have in files and variables, and the values they take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from typer.models import OptionInfo, ParameterInfo

from live_gradcam.cli.options import parameters_of

_SWITCHES = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class SettingKey:
    """One option of a command, as a setting.

    Attributes:
        name: As it is typed, without the dashes.
        field: Name of the command's field.
        kind: ``bool``, ``int``, ``float``, ``str`` or ``Path``.
        several: It takes a list.
        option: Its declaration.
    """

    name: str
    field: str
    kind: type[Any]
    several: bool
    option: ParameterInfo

    def value_of(self, given: object, folder: Path | None) -> Any:  # noqa: ANN401 - the option's
        """Return a value from a file, checked, as the option takes it.

        Args:
            given: As TOML has it.
            folder: What a path is relative to; ``None`` for the working folder.

        Raises:
            ValueError: The option takes no such value; the message says why.
        """
        if not self.several:
            return self._single(given, folder)
        return [
            self._single(each, None) for each in (given if isinstance(given, list) else [given])
        ]

    def value_of_text(self, text: str) -> Any:  # noqa: ANN401 - the option's
        """Return the value of a variable, checked, as the option takes it.

        Raises:
            ValueError: The option takes no such value; the message says why.
        """
        given: object = text
        if self.kind is bool:
            given = _SWITCHES.get(text.strip().lower(), text)
        elif self.kind in (int, float):
            try:
                given = self.kind(text)
            except ValueError:
                given = text
        return self.value_of(given, None)

    def _single(self, given: object, folder: Path | None) -> Any:  # noqa: ANN401 - the option's
        if self.kind is bool:
            if not isinstance(given, bool):
                raise ValueError(f"{given!r} is neither true nor false")
            return given
        if isinstance(given, bool) or not isinstance(given, (str, int, float)):
            raise ValueError(f"{_shown(given)} is not {self._wanted()}")  # noqa: TRY004
        if self.kind in (int, float):
            return self._number(given)
        text = str(given)
        if self.kind is Path:
            path = Path(text).expanduser()
            return str(path if folder is None else folder / path)
        if self.option.parser is not None:
            try:
                self.option.parser(text)
            except typer.BadParameter as exc:
                raise ValueError(exc.message) from exc
        return text

    def _number(self, given: str | float) -> float:
        whole = self.kind is int
        if isinstance(given, str) or math.isnan(given) or (whole and given % 1 != 0):
            raise ValueError(f"{given!r} is not {self._wanted()}")
        least, most = self.option.min, self.option.max
        if least is not None and given < least:
            raise ValueError(f"{given} is less than {least}")
        if most is not None and given > most:
            raise ValueError(f"{given} is more than {most}")
        return int(given) if whole else float(given)

    def _wanted(self) -> str:
        if self.kind is int:
            return "a whole number"
        return "a number" if self.kind is float else "text"


def _shown(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, list):
        return "a list"
    return "a table" if isinstance(given, dict) else repr(given)


def setting_keys(kind: type[Any]) -> Mapping[str, SettingKey]:
    """Return the settings of a command by name; of its arguments only the source is one.

    Args:
        kind: The dataclass of its options.
    """
    keys: dict[str, SettingKey] = {}
    for parameter in parameters_of(kind):
        annotation, option = get_args(parameter.annotation)
        several, value_kind = _value_kind(annotation)
        if isinstance(option, OptionInfo):
            names = option_names(parameter.name, option)
        else:
            names = [name for name in ("source",) if parameter.name.startswith(name)]
        for name in names:
            keys[name] = SettingKey(name, parameter.name, value_kind, several, option)
    return keys


def option_names(field: str, option: OptionInfo) -> list[str]:
    """Return the long names of an option, without dashes; one that a flag is switched off by last.

    Only the first of ``--open/--no-open`` is a setting: it can be false.
    """
    declared = [each for each in (option.default, *(option.param_decls or ())) if each is not ...]
    long_names = [str(each).partition("/")[0] for each in declared if str(each).startswith("--")]
    return [each.lstrip("-") for each in long_names] or [field.replace("_", "-")]


def _value_kind(annotation: Any) -> tuple[bool, type[Any]]:  # noqa: ANN401 - an annotation
    """Return whether an annotation is of several values, and their type."""
    parts = [each for each in get_args(annotation) if each is not type(None)]
    if get_origin(annotation) is list:
        return True, parts[0]
    return _value_kind(parts[0]) if parts else (False, annotation)
