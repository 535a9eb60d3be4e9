"""The way to Ray: started on this machine, or a cluster that is there."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

from live_gradcam.budget import thread_budget
from live_gradcam.errors import UsageError
from live_gradcam.wording import install_step

try:
    import ray
except ImportError as exc:
    raise UsageError(
        "cannot use --ray", "", "Ray is not installed", install_step("archive")
    ) from exc

ON_THIS_MACHINE = "auto"

_OBJECT_STORE_BYTES = 80 << 20  # parts and summaries are some kilobytes
_ANSWER_SECONDS = 5.0
_CLIENT = "ray://"


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster.

    Raises:
        UsageError: It is neither ``auto`` nor ``HOST:PORT``.
    """
    if address != ON_THIS_MACHINE:
        _host_and_port(address)


@contextlib.contextmanager
def connected(
    address: str, cores_per_worker: int, on_notice: Callable[[str], None]
) -> Iterator[None]:
    """Be connected to Ray while inside; a connection that is there already is used, and stays.

    Args:
        address: ``auto`` starts Ray on this machine, and ends it; ``HOST:PORT`` joins a cluster.
        cores_per_worker: Share of a worker, of which it computes with as many threads.
        on_notice: Told where the dashboard is.

    Raises:
        UsageError: The address is none, nothing answers there, or what answers cannot be used.
    """
    if ray.is_initialized():
        yield
        return
    try:
        if address == ON_THIS_MACHINE:
            _start(cores_per_worker, on_notice)
        else:
            _join(address, on_notice)
        yield
    finally:
        with _own_signals():
            ray.shutdown()


def _start(cores_per_worker: int, on_notice: Callable[[str], None]) -> None:
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": str(cores_per_worker),
    }
    cores = thread_budget().network
    with _environment(variables), _own_signals():
        try:
            context = ray.init(
                address="local",
                num_cpus=cores,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as exc:  # whatever a library of this size provokes
            raise _refused("cannot start Ray", "this machine", exc) from exc
    if context.dashboard_url:
        on_notice(f"Ray's dashboard: http://{context.dashboard_url}")


def _join(address: str, on_notice: Callable[[str], None]) -> None:
    host, port = _host_and_port(address)
    try:
        with socket.create_connection((host, port), _ANSWER_SECONDS):
            pass
    except OSError as exc:
        cause = (exc.strerror or str(exc)).lower()
        step = "Start it with 'ray start --head', or use --ray auto for this machine alone"
        raise UsageError("no Ray cluster answers", address, cause, step) from exc
    with _own_signals():
        try:
            context = ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as exc:  # whatever a library of this size provokes
            raise _refused("cannot join the Ray cluster", address, exc) from exc
    if context.dashboard_url:
        on_notice(f"Ray's dashboard: http://{context.dashboard_url}")


def _refused(what: str, where: str, error: Exception) -> UsageError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = " ".join(lines[:3]) or type(error).__name__
    step = "Run this on a machine of the cluster, with its versions of Python and Ray"
    return UsageError(what, where, cause, "" if where == "this machine" else step)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    if address.startswith(_CLIENT):
        cause = "Ray's client for machines outside a cluster does not say when workers end"
        step = "Run this on a machine of the cluster, with --ray HOST:6379"
        raise UsageError("cannot use --ray", address, cause, step)
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        cause = "it is no address of a cluster"
        step = "Use auto for this machine, or HOST:PORT (6379 if nothing else was said)"
        raise UsageError("cannot use --ray", address, cause, step)
    return host.strip("[]"), int(port)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have variables set where they are handed on to processes that are started inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the program's own answer to signals: Ray puts its own in their place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
