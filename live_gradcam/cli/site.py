"""``live-gradcam site``: an exported page on this machine, until somebody ends it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from live_gradcam import lifecycle
from live_gradcam.cli.console import Console
from live_gradcam.cli.options import option
from live_gradcam.cli.staying import stay_until_stopped
from live_gradcam.errors import UsageError

_USUAL = ("site", ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteArguments:
    """Everything that can be typed after ``live-gradcam site``."""

    site: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="What 'live-gradcam export FOLDER/' wrote.",
            show_default="site, or the present folder",
        ),
    ] = None
    port: Annotated[
        int | None,
        option("Where to listen.", min=1, max=65535, show_default="the folder's own, from 8100 on"),
    ] = None
    open_browser: Annotated[bool, option("Open the page in the browser.", "--open/--no-open")] = (
        True
    )


def site_command(arguments: SiteArguments, console: Console) -> None:
    """Serve a page that needs no server, to this machine only: to look at it, or to show it here.

    Raises:
        UsageError: There is no such page, or nothing can listen there.
        Interrupted: A signal came.
    """
    folder = find_site(arguments.site)
    from live_gradcam.site.server import serving_site

    with (
        lifecycle.cooperative() as stop,
        serving_site(folder, port=arguments.port) as address,
    ):
        console.out(f"The page is at {address}")
        stay_until_stopped(console, stop, address, in_browser=arguments.open_browser)


def find_site(given: Path | None) -> Path:
    """Return the folder of a page.

    Args:
        given: The one that was named; ``None`` looks in the usual places.

    Raises:
        UsageError: There is no page.
    """
    places = [given] if given is not None else [Path(each) for each in _USUAL]
    found = next((each for each in places if _is_site(each)), None)
    if found is not None:
        return found
    step = "Make one with: live-gradcam export site/ --model scenes"
    if given is None:
        cause = "neither site nor the present folder has one"
        raise UsageError("cannot serve the page", "", cause, step)
    cause = "there is no such folder"
    if given.exists():
        cause = "it has no index.html and site.json" if given.is_dir() else "it is a file"
    raise UsageError("cannot serve the page", str(given), cause, step)


def _is_site(folder: Path) -> bool:
    return (folder / "index.html").is_file() and (folder / "site.json").is_file()
