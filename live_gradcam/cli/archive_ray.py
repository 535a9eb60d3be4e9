"""Options of ``live-gradcam archive`` for the work of many: on Ray, here or on a cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from live_gradcam.cli.options import option
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.archive.local_runner import Runner

_shared = partial(option, panel="On Ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class RayOptions:
    """Where the work is shared out, and among how many."""

    ray: Annotated[
        str | None,
        _shared(
            "Share the work on Ray: auto starts it on this machine, HOST:PORT joins a cluster.",
            metavar="auto|HOST:PORT",
            show_default="in this process",
        ),
    ] = None
    actors: Annotated[
        int | None,
        _shared(
            "How many workers, each with its own network.",
            metavar="N",
            min=1,
            show_default="as many as there is room for",
        ),
    ] = None
    gpus_per_actor: Annotated[
        float | None,
        _shared(
            "Share of a GPU for each worker.",
            metavar="SHARE",
            min=0.01,
            show_default="0.25 where there are GPUs",
        ),
    ] = None


def runner_of(options: RayOptions) -> Runner:
    """Return what explains the parts of an archive.

    Raises:
        UsageError: The options contradict each other, or Ray is not installed.
    """
    if options.ray is None:
        for given, name in (
            (options.actors, "--actors"),
            (options.gpus_per_actor, "--gpus-per-actor"),
        ):
            if given is not None:
                cause = "without Ray there is one process"
                raise UsageError(f"{name} needs --ray", "", cause, "Add --ray auto")
        from live_gradcam.archive.local_runner import run_here

        return run_here
    # What Ray prints about workers that end is said here in its own words.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    from live_gradcam.archive.ray_connection import check_address
    from live_gradcam.archive.ray_runner import RayRunner

    check_address(options.ray)
    return RayRunner(options.ray, options.actors, options.gpus_per_actor)
