"""The runner of an archive on Ray: a worker for each share of the cores and GPUs that there are.

Each worker is an actor with a network of its own and has one part at hand; files are read and rows
written where the worker is, so that nothing but parts and summaries travels, and memory is bounded
by the number of workers. A part whose worker ends is given to another; as its name decides, it is
there once whatever the first one had written.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError

from live_gradcam.archive.options import ArchiveOptions
from live_gradcam.archive.part_explainer import PartExplainer
from live_gradcam.archive.parts import Part, PartSummary
from live_gradcam.archive.ray_connection import connected
from live_gradcam.archive.ray_worker import RayWorker
from live_gradcam.errors import DeviceError, LiveGradcamError, UsageError
from live_gradcam.lifecycle import StopToken

_LOST = (RayActorError, WorkerCrashedError, OutOfMemoryError)
_TRIES = 4
"""So many workers may end at one part, or before they have opened the network."""

_WORKER_BYTES = 1 << 30
_GPU_SHARE = 0.25  # decoding on the CPU feeds a GPU slower than it explains
_MOST_CORES = 4
_LOOK_SECONDS = 0.2
_GROW_SECONDS = 3.0
_WAIT_SECONDS = 60.0
_GIVE_UP_SECONDS = 3.0
_CONTROL = "control"
"""Calls that a worker answers while it explains a part."""


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Explains parts on Ray; see `live_gradcam.archive.local_runner.Runner`.

    Attributes:
        address: ``auto`` starts Ray on this machine, ``HOST:PORT`` joins a cluster.
        actors: Number of workers; ``None`` for as many as there is room for.
        gpus_per_actor: Share of a GPU for each worker; ``None`` for a quarter where there are
            GPUs that may be used.
    """

    address: str
    actors: int | None = None
    gpus_per_actor: float | None = None

    def __call__(
        self,
        parts: Iterable[Part],
        first: PartExplainer,
        *,
        stop: StopToken,
        on_done: Callable[[PartSummary], None],
        on_frames: Callable[[int], None],
        on_notice: Callable[[str], None],
    ) -> None:
        """Explain parts until none is left, or an end is asked for.

        Raises:
            UsageError: There is no cluster to be used.
            DeviceError: There is no GPU though one is asked for, or workers end again and again.
            LiveGradcamError: See `live_gradcam.archive.part_explainer.PartExplainer`.
        """
        del on_frames  # parts are small: their summaries say it soon enough
        options = first.options
        first.close()
        with connected(self.address, 1, on_notice):
            try:
                share = _share(options.device, self.actors, self.gpus_per_actor)
                crew = _Crew(_absolute(options), share, self.actors, stop, on_done, on_notice)
                try:
                    crew.explain_all(iter(parts))
                finally:
                    stop.be_patient()
                    crew.dismiss()
            finally:
                stop.be_patient()
        stop.be_patient(0)


@dataclass(frozen=True, slots=True)
class _Share:
    """What a worker has of a machine.

    Attributes:
        cores: Processors.
        gpus: GPUs, or a fraction of one.
    """

    cores: int
    gpus: float

    def fits(self, resources: dict[str, float]) -> int:
        """Return how many workers have room in a machine; one where there is any core."""
        cores = resources.get("CPU", 0.0)
        room = [cores // self.cores, resources.get("memory", 0.0) // _WORKER_BYTES]
        if self.gpus:
            # Each GPU by itself: no worker has its share of two.
            whole = resources.get("GPU", 0.0)
            room.append(whole * (1 // self.gpus) if self.gpus <= 1 else whole // self.gpus)
        few = int(min(room))
        return max(few, int(cores >= self.cores and room[-1] > 0)) if few == 0 else few


def _share(device: str, actors: int | None, gpus_per_actor: float | None) -> _Share:
    """Decide what a worker has of a machine."""
    machines = _machines()
    cores, gpus = (sum(each.get(name, 0.0) for each in machines) for name in ("CPU", "GPU"))
    if device.startswith("cuda:"):
        cause = "Ray gives each worker its GPU"
        raise UsageError("cannot use --device with --ray", device, cause, "Use --device cuda")
    wanted = device == "cuda" or bool(gpus_per_actor)
    if wanted and not gpus:
        step = "Start Ray on a machine with a GPU, or use --device cpu"
        raise DeviceError("no GPU on Ray", "", f"the {len(machines)} machines have none", step)
    if not gpus or device not in ("auto", "cuda"):
        share = 0.0
    else:
        share = _GPU_SHARE if gpus_per_actor is None else gpus_per_actor
    workers = actors or (max(1, int(gpus / share)) if share else int(cores) or 1)
    return _Share(max(1, min(_MOST_CORES, int(cores // workers))), share)


def _machines() -> list[dict[str, float]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [each["Resources"] for each in nodes if each["Alive"]]


def _absolute(options: ArchiveOptions) -> ArchiveOptions:
    """Return options whose paths mean the same in every folder."""

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    model = options.model
    return replace(
        options,
        dataset=str(Path(options.dataset).absolute()),
        overlays=None if options.overlays is None else str(Path(options.overlays).absolute()),
        model=str(Path(model).absolute()) if Path(model).is_file() else model,
        weights=absolute(options.weights),
        labels=absolute(options.labels),
        boxes=absolute(options.boxes),
    )


@dataclass(slots=True, eq=False)
class _Member:
    """A worker and what it does: it opens, explains a part, or waits for one."""

    actor: Any
    part: Part | None = None
    opened: bool = False


@dataclass(slots=True)
class _Crew:
    options: ArchiveOptions
    share: _Share
    asked: int | None
    stop: StopToken
    on_done: Callable[[PartSummary], None]
    on_notice: Callable[[str], None]
    # What each worker that is not idle will answer.
    busy: dict[Any, _Member] = field(default_factory=dict)
    idle: list[_Member] = field(default_factory=list)
    waiting: deque[Part] = field(default_factory=deque)
    deaths: dict[str, int] = field(default_factory=dict)
    early_deaths: int = 0
    next_look: float = 0.0
    room: int = 1
    said: set[str] = field(default_factory=set)

    def explain_all(self, parts: Iterator[Part]) -> None:
        """Give out parts until none is left and none is at hand, or an end is asked for."""
        began = time.monotonic()
        while not self.stop.requested:
            self._look_for_room()
            self.waiting.extend(islice(parts, max(0, self.room - len(self.waiting))))
            while self.idle and self.waiting:
                self._give(self.idle.pop(), self.waiting.popleft())
            if not self.waiting and not any(each.part for each in self.busy.values()):
                return
            while self._is_short():
                self._hire()
            if not self.busy:
                continue
            answers, _ = ray.wait(list(self.busy), num_returns=1, timeout=_LOOK_SECONDS)
            for answer in answers:
                self._hear(answer)
            if time.monotonic() > began + _WAIT_SECONDS and not self._any_opened():
                words = "other work may have the cores or GPUs of the cluster"
                self._say(f"no worker has begun after {_WAIT_SECONDS:.0f} s: {words}")

    def dismiss(self) -> None:
        """End all workers: what they have at hand is given up, and cleared away."""
        at_hand = {answer: each for answer, each in self.busy.items() if each.part is not None}
        try:
            for each in at_hand.values():
                each.actor.stop.options(concurrency_group=_CONTROL).remote()
            if at_hand:
                ray.wait(list(at_hand), num_returns=len(at_hand), timeout=_GIVE_UP_SECONDS)
        finally:
            for each in (*self.busy.values(), *self.idle):
                ray.kill(each.actor)

    def _any_opened(self) -> bool:
        return bool(self.idle) or any(each.opened for each in self.busy.values())

    def _is_short(self) -> bool:
        """Return whether another worker would have something to do, and has room."""
        opening = sum(each.part is None for each in self.busy.values())
        return opening < len(self.waiting) and len(self.busy) + len(self.idle) < self.room

    def _look_for_room(self) -> None:
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + _GROW_SECONDS
        fitting = sum(self.share.fits(each) for each in _machines())
        self.room = self.asked or max(1, fitting)

    def _hire(self) -> None:
        make: Any = ray.remote  # its types know nothing of groups
        actor = (
            make(concurrency_groups={_CONTROL: 1})(RayWorker)
            .options(
                num_cpus=self.share.cores,
                num_gpus=self.share.gpus,
                scheduling_strategy="SPREAD",
            )
            .remote(self.options, self.share.cores)
        )
        self.busy[actor.open.remote()] = _Member(actor)

    def _give(self, member: _Member, part: Part) -> None:
        member.part = part
        tries = self.deaths.get(part.id, 0)
        without = None
        if tries >= _TRIES:
            cause = f"the process that explained it ended each of {tries} times"
            without = {each.file: f"cannot explain: {each.file}: {cause}." for each in part.files}
        self.busy[member.actor.explain.remote(part, without)] = member

    def _hear(self, answer: Any) -> None:  # noqa: ANN401 - Ray has no type for it
        member = self.busy.pop(answer)
        try:
            said = ray.get(answer)
        except _LOST as exc:
            self._replace(member, exc)
            return
        except RayTaskError as exc:
            if isinstance(exc.cause, LiveGradcamError):
                raise exc.cause from None
            raise
        if member.part is None:
            member.opened, self.early_deaths = True, 0
            notices = said
        else:
            summary, notices = said
            self.deaths.pop(member.part.id, None)
            member.part = None
            if summary is not None:
                self.on_done(summary)
        self.idle.append(member)
        for each in notices:
            self._say(each)

    def _replace(self, member: _Member, error: Exception) -> None:
        """Have the part of a worker that ended done by another."""
        ray.kill(member.actor)  # where only the connection was lost
        cause = str(error).splitlines()[0]
        if member.part is None:
            self.early_deaths += 1
            if self.early_deaths >= _TRIES:
                what = "workers on Ray end before they have opened the network"
                raise DeviceError(what, "", cause, "See Ray's logs in /tmp/ray/session_latest/logs")
            self.on_notice("a worker ended before it had opened the network: another is started")
            return
        self.deaths[member.part.id] = self.deaths.get(member.part.id, 0) + 1
        self.waiting.appendleft(member.part)
        self.on_notice("a worker ended: its part is done again by another")

    def _say(self, notice: str) -> None:
        """Pass a notice on; what all workers say is said once."""
        if notice not in self.said:
            if len(self.said) < 1000:
                self.said.add(notice)
            self.on_notice(notice)
