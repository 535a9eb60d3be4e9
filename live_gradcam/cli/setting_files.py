"""Where settings stand: ``live-gradcam.toml`` in two places, and variables of the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_gradcam.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "live-gradcam.toml"
PREFIX = "LIVE_GRADCAM_"
_MOST_BYTES = 1 << 20
# Free texts; every other variable that is empty is as good as none, as Compose files write it.
_MAY_BE_EMPTY = ("KIOSK_TITLE", "KIOSK_INVITATION")


@dataclass(frozen=True, slots=True)
class Place:
    """A file, or the environment, that settings can stand in.

    Attributes:
        title: What it is, for people.
        path: The file; ``None`` for the environment.
        found: There is such a file, or such variables.
        shared: Others may have written it, such as whoever made the folder.
    """

    title: str
    path: Path | None
    found: bool
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as it stands somewhere.

    Attributes:
        command: The command that it is for; ``None`` for all.
        name: Its name, with dashes.
        value: As TOML has it; the text of a variable.
        origin: Where exactly it stands, for people.
        place: The file or the environment.
    """

    command: str | None
    name: str
    value: object
    origin: str
    place: Place


def user_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the folder of this user's settings, where the system keeps such.

    Args:
        environment: Variables of the environment.
        platform: As ``sys.platform``.
    """
    home = Path(environment.get("HOME") or Path("~").expanduser())
    if platform == "win32":
        base = Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
    elif platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        named = environment.get("XDG_CONFIG_HOME", "")
        base = Path(named) if os.path.isabs(named) else home / ".config"  # noqa: PTH117 - as XDG
    return base / "live-gradcam"


def find_places(
    folder: Path, environment: Mapping[str, str], platform: str = sys.platform
) -> list[Place]:
    """Return where settings can stand, the weakest first: the user, the folder, the environment."""
    of_user = user_folder(environment, platform) / FILE_NAME
    of_folder = folder / FILE_NAME
    return [
        Place("your own settings", of_user, _is_file(of_user)),
        Place("this folder", of_folder, _is_file(of_folder), shared=True),
        Place("environment", None, any(map(_is_ours, environment.items()))),
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _is_ours(variable: tuple[str, str]) -> bool:
    name, text = variable[0].upper(), variable[1]
    return name.startswith(PREFIX) and (text != "" or name.endswith(_MAY_BE_EMPTY))


def read_place(
    place: Place, commands: Mapping[str, Any], environment: Mapping[str, str]
) -> list[Entry]:
    """Return the settings of a place, those for all commands first.

    Args:
        place: The file, or the environment.
        commands: By name.
        environment: Variables of the environment.

    Raises:
        UsageError: A file cannot be read, or is not TOML.
    """
    if place.path is None:
        entries = [
            _variable(name, text, commands, place)
            for name, text in sorted(filter(_is_ours, environment.items()))
        ]
    elif place.found:
        entries = _read_file(place, place.path, commands)
    else:
        entries = []
    return sorted(entries, key=lambda entry: entry.command is not None)


def _variable(name: str, text: str, commands: Mapping[str, Any], place: Place) -> Entry:
    words = name[len(PREFIX) :].lower().replace("_", "-")
    command = next((each for each in commands if words.startswith(f"{each}-")), None)
    if command is not None:
        words = words[len(command) + 1 :]
    return Entry(command, words, text, name, place)


def _read_file(place: Place, path: Path, commands: Mapping[str, Any]) -> list[Entry]:
    where = str(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError("cannot read settings", where, "the file is larger than 1 MB")
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except UnicodeDecodeError as exc:
        cause, step = "it is not a UTF-8 text file", "Save it as UTF-8"
        raise UsageError("cannot read settings", where, cause, step) from exc
    except OSError as exc:
        cause = (exc.strerror or str(exc)).lower()
        raise UsageError("cannot read settings", where, cause) from exc
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        cause = f"it is not TOML: {str(exc)[:1].lower()}{str(exc)[1:]}"
        raise UsageError("cannot read settings", where, cause) from exc
    entries = []
    for key, value in content.items():
        if isinstance(value, dict) and key in commands:
            entries += [_entry(place, text, key, name, each) for name, each in value.items()]
        else:
            entries.append(_entry(place, text, None, key, value))
    return entries


def _entry(place: Place, text: str, command: str | None, key: str, value: object) -> Entry:
    line = _line_of(text, command, key)
    origin = str(place.path) if line is None else f"{place.path}, line {line}"
    return Entry(command, key.replace("_", "-"), value, origin, place)


def _line_of(text: str, command: str | None, key: str) -> int | None:
    """Return the line in which a key stands; ``None`` where it is written in an unusual way."""
    name = rf"[\"']?{re.escape(key)}[\"']?"
    table = None
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"\s*\[\s*[\"']?([^\]\"']+?)[\"']?\s*\]", line)
        if heading is not None:
            table = heading[1]
            if command is None and table == key:
                return number
        else:
            prefix = rf"{command}\s*\.\s*" if table is None and command else ""
            if (table == command or prefix) and re.match(rf"\s*{prefix}{name}\s*=", line):
                return number
    return None
