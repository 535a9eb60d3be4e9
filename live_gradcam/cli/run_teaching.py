"""``--teach``: the classes that were typed, and what contradicts them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.errors import SourceError, UsageError

if TYPE_CHECKING:
    from live_gradcam.session.config import TeachingOptions

TEACH = "--teach"
_ANYTHING_ELSE = "anything else"
_MOST_CLASSES = 9
_LONGEST = 80


def with_empty_teach(arguments: Sequence[str]) -> list[str]:
    """Return a command line of ``run`` in which ``--teach`` alone has an empty value: no names.

    Those of other commands, which have an option of that name without a value, stay as they are.
    """
    if next((word for word in arguments if not word.startswith("-")), "") != "run":
        return list(arguments)
    following = (*arguments, "")[1:]
    return [
        f"{TEACH}=" if word == TEACH and (not after or after.startswith("-")) else word
        for word, after in zip(arguments, following, strict=True)
    ]


def check_teaching(arguments: RunArguments) -> None:
    """Refuse ``--teach`` where nothing can be taught.

    Raises:
        UsageError: There is no window, it is a kiosk, or a name cannot be one.
        SourceError: There is no lesson to go on with.
    """
    if arguments.teach is None:
        return
    if not arguments.in_window:
        step = "Leave out -o and --no-window; for files there is live-gradcam teach"
        raise UsageError(f"{TEACH} needs the window", arguments.teach, "", step)
    if arguments.kiosk:
        raise UsageError(f"{TEACH} and --kiosk exclude each other", arguments.teach, "")
    if arguments.network.precision == "int8":
        cause = "a network in 8 bits has no features to learn by"
        raise UsageError(f"cannot use {TEACH}", "--precision int8", cause, "Leave out one of them")
    class_names(arguments.teach)
    if arguments.resume:
        _require_journal(Path.cwd())


def class_names(text: str) -> tuple[str, ...]:
    """Return the names of classes that were typed, with commas between them.

    Raises:
        UsageError: A name is there twice, or cannot be one, or there are too many.
    """
    if not text.strip():
        return ()
    names = [" ".join(each.split()) for each in text.split(",")]
    what, cause = f"cannot use {TEACH}", ""
    for name in names:
        if name.isdecimal() or name == "scene" or (name and Path(name).exists()):
            step = f"Name the source first: live-gradcam run {name} {TEACH}"
            raise UsageError(what, name, "it is a source, and no name of a class", step)
        if not name:
            cause = "a name is empty"
        elif name == _ANYTHING_ELSE:
            cause = "that class is there by itself"
        elif names.count(name) > 1:
            cause = "it is there twice"
        elif len(name) > _LONGEST or not name.isprintable():
            cause = f"a name has up to {_LONGEST} characters that can be shown"
        if cause:
            raise UsageError(what, name, cause, f"For example {TEACH} mug,cup")
    if len(names) > _MOST_CLASSES:
        cause = f"there are {len(names)} classes, and keys for {_MOST_CLASSES}"
        raise UsageError(what, text, cause, "For more there is live-gradcam teach FOLDER")
    return tuple(names)


def teaching_options(arguments: RunArguments) -> TeachingOptions:
    """Return how the session begins to teach."""
    from live_gradcam.session.config import TeachingOptions

    if arguments.teach is None:
        return TeachingOptions()
    labels = class_names(arguments.teach)
    return TeachingOptions(labels=labels, open=True, resume=arguments.resume)


def _require_journal(folder: Path) -> None:
    """Refuse at once to go on with a lesson where there is none."""
    if not any(folder.glob("live-gradcam-*.journal")):
        cause = "no journal of one is there"
        step = "Go to its folder, or leave out --resume"
        raise SourceError("there is no lesson to go on with", str(folder), cause, step)
