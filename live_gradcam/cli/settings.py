"""Settings in force: what stands in files and variables, below what is typed.

What is typed wins over a preset that is typed; both win over the environment, this over the
``live-gradcam.toml`` in the working folder, and that over the user's own. In each of them a preset
stands below what is set beside it, and a command's own setting above the one for all. The strongest
preset takes the place of all others, which set nothing then.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from live_gradcam.cli.presets import preset_values
from live_gradcam.cli.setting_files import Entry, Place, find_places, read_place
from live_gradcam.cli.setting_keys import SettingKey, setting_keys
from live_gradcam.errors import UsageError
from live_gradcam.wording import did_you_mean

# Of what a folder's file would do, the user must have said it: others may have written it.
_OWN = ("auth", "host", "overwrite", "share")
# These mean something else for each command.
_OF_ONE = ("json", "output", "source")
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force.

    Attributes:
        command: The command that it is for.
        name: Its name, without dashes.
        field: Name of the command's field.
        value: As the option takes it.
        origin: Where it stands, for people.
        preset: The preset that it is a part of; ``None`` for what stands there by itself.
    """

    command: str
    name: str
    field: str
    value: Any
    origin: str
    preset: Setting | None = None

    @property
    def shown(self) -> str:
        """The value for people, without passwords."""
        if self.name == "auth":
            return _HIDDEN
        text = ", ".join(map(str, self.value)) if isinstance(self.value, list) else str(self.value)
        if isinstance(self.value, bool):
            return text.lower()
        if "@" in text or "://" in text:
            from live_gradcam.credentials import hide_secrets

            return hide_secrets(text, text.split(", "))
        return text


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a command line.

    Attributes:
        places: Where they can stand, the weakest first.
        stacked: Those of all places, the weakest first.
        error: What is wrong with them; they are none then.
    """

    places: tuple[Place, ...] = ()
    stacked: tuple[Setting, ...] = ()
    error: UsageError | None = None

    @property
    def found(self) -> tuple[Setting, ...]:
        """Those in force."""
        presets = {each.command: each for each in self.stacked if each.field == "preset"}
        wanted = (e for e in self.stacked if e.preset is None or e.preset is presets[e.command])
        return tuple({(each.command, each.field): each for each in wanted}.values())

    def without_preset(self, command: str) -> Settings:
        """Return the settings with no preset of any place for a command."""
        kept = (each for each in self.stacked if each.preset is None or each.command != command)
        return replace(self, stacked=tuple(kept))

    def defaults(self) -> dict[str, dict[str, Any]]:
        """Return the values by command and field, as the parser takes them."""
        values: dict[str, dict[str, Any]] = {}
        for each in self.found:
            values.setdefault(each.command, {})[each.field] = each.value
        return values

    def texts(self) -> list[str]:
        """Return all values that are texts, in which passwords may be."""
        several = (e.value if isinstance(e.value, list) else [e.value] for e in self.found)
        return [str(each) for values in several for each in values]


NONE = Settings()
"""No settings at all."""

IN_FORCE: ContextVar[Settings] = ContextVar("settings", default=NONE)
"""The settings of the command line that is being run."""


@dataclass(slots=True)
class _Merge:
    """Settings of each command while they are put together."""

    keys: Mapping[str, Mapping[str, SettingKey]]
    shared: frozenset[str]
    stacked: list[Setting] = field(default_factory=list)

    def add(self, entries: list[Entry]) -> None:
        """Add the settings of one place above those of the places before."""
        checked = [setting for entry in entries for setting in self._check(entry)]
        for setting in checked:
            if setting.field == "preset":
                self._add_preset(setting)
        self.stacked += checked

    def _add_preset(self, preset: Setting) -> None:
        origin = f"preset {preset.value}, {preset.origin}"
        keys = self.keys[preset.command]
        self.stacked += [
            Setting(preset.command, name, keys[name].field, value, origin, preset)
            for name, value in preset_values(preset.command, preset.value).items()
        ]

    def _check(self, entry: Entry) -> list[Setting]:
        """Return an entry's setting for each command that it is for."""
        commands = [entry.command] if entry.command else sorted(self.shared)
        having = [each for each in commands if entry.name in self.keys[each]]
        if not having:
            raise self._unknown(entry, commands)
        if entry.command is None and entry.name in _OF_ONE:
            raise self._refused(entry, "it means something else for each command", having)
        if entry.place.shared and entry.name in _OWN:
            cause = "a folder's file cannot decide this, as others may have written it"
            raise _wrong(entry, cause, "Put it into your own settings, or type it")
        found, problems = [], []
        for command in having:
            key = self.keys[command][entry.name]
            try:
                value = self._value(key, entry)
            except ValueError as exc:
                problems.append(str(exc))
            else:
                found.append(Setting(command, entry.name, key.field, value, entry.origin))
        if not found:
            secret = entry.name == "auth"
            raise _wrong(entry, "it is no such text" if secret else problems[0], "")
        return found

    def _value(self, key: SettingKey, entry: Entry) -> Any:  # noqa: ANN401 - the option's
        if entry.place.path is None:
            return key.value_of_text(str(entry.value))
        return key.value_of(entry.value, entry.place.path.parent)

    def _unknown(self, entry: Entry, commands: list[str]) -> UsageError:
        known = {name for command in commands for name in self.keys[command]}
        if isinstance(entry.value, dict):
            hint = did_you_mean(entry.name, self.keys)
            return _wrong(entry, "there is no such command", hint.strip())
        elsewhere = [command for command, keys in self.keys.items() if entry.name in keys]
        hint = did_you_mean(entry.name, known)
        if elsewhere and not hint.startswith(f"Did you mean {entry.name}"):
            return self._refused(entry, "there is no such setting here", elsewhere)
        step = hint.strip() or "Settings are the options of the commands, without their dashes"
        return _wrong(entry, "there is no such setting", step)

    def _refused(self, entry: Entry, cause: str, commands: list[str]) -> UsageError:
        if entry.place.path is None:
            names = [f"LIVE_GRADCAM_{each}_{entry.name}".upper() for each in commands]
            return _wrong(entry, cause, f"Use {' or '.join(names).replace('-', '_')}")
        tables = " or ".join(f"[{each}]" for each in commands)
        return _wrong(entry, cause, f"Write it below {tables}")


def _wrong(entry: Entry, cause: str, step: str) -> UsageError:
    where = entry.origin if entry.place.path is None else f"{entry.origin}: {entry.name}"
    return UsageError("cannot use a setting", where, cause, step)


def load_settings(
    commands: Mapping[str, type[Any]],
    shared: frozenset[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
) -> Settings:
    """Read and check the settings of all places.

    Args:
        commands: The dataclass of each command's options, by the command's name.
        shared: Names of the commands that settings without a command are for.
        folder: The working folder.
        environment: Variables of the environment.

    Returns:
        The settings; with an error where one cannot be used.
    """
    places = tuple(find_places(folder, environment))
    if not any(place.found for place in places):
        return Settings(places)
    merge = _Merge({name: setting_keys(kind) for name, kind in commands.items()}, shared)
    try:
        for place in places:
            merge.add(read_place(place, commands, environment))
    except UsageError as error:
        return Settings(places, error=error)
    return Settings(places, tuple(merge.stacked))
