"""``live-gradcam bench``: one table, made in one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from live_gradcam.choices import DEFAULT_ENGINE, DEFAULT_PRECISION, PrecisionChoice
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import EngineOption
from live_gradcam.cli.options import option
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.bench.live import Promise
    from live_gradcam.bench.measure import Effort


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchArguments:
    """Everything that can be typed after ``live-gradcam bench``."""

    json: Annotated[Path | None, option("Write the results.", metavar="FILE")] = None
    peers: Annotated[bool, option("Compare with other libraries where installed.")] = False
    quick: Annotated[bool, option("Few repetitions.")] = False
    compile: Annotated[bool, option("Measure the compiled network.")] = True
    engine: EngineOption = DEFAULT_ENGINE
    precision: Annotated[PrecisionChoice, option("What our network computes in.")] = (
        DEFAULT_PRECISION
    )
    busy: Annotated[
        int | None,
        option(
            "Measure every engine beside so many other busy processes, and without them.",
            min=1,
            max=1024,
            metavar="N",
        ),
    ] = None
    live: Annotated[
        bool, option("Measure flicker, latency and the sanity check of live sessions instead.")
    ] = False
    teach: Annotated[
        bool,
        option("Measure how soon a head is taught, and the live rate meanwhile, instead."),
    ] = False


def bench_command(arguments: BenchArguments, console: Console) -> None:
    """Measure, in one run, what explaining costs here, and print the ratios that travel.

    Raises:
        SinkError: The JSON file cannot be written; said before anything is measured.
        UsageError: Two measurements are asked for.
        DeviceError: An engine was named that cannot be used.
    """
    if arguments.json is not None:
        _refuse_unwritable(arguments.json)
    asked = {
        "--live": (arguments.live, _measure_live),
        "--busy": (arguments.busy is not None, _measure_busy),
        "--teach": (arguments.teach, _measure_teaching),
    }
    chosen = {name: measure for name, (is_asked, measure) in asked.items() if is_asked}
    if len(chosen) > 1:
        what = f"{' and '.join(chosen)} are different measurements"
        raise UsageError(what, "", "", "Leave out all but one of them")
    measure = next(iter(chosen.values()), _measure_speed)
    measure(arguments, console)


def _refuse_unwritable(path: Path) -> None:
    from live_gradcam.os_errors import cannot_write
    from live_gradcam.show.images import check_writable

    try:
        if not path.exists():
            check_writable(path.resolve().parent)
    except OSError as exc:
        raise cannot_write("cannot write the results", path, exc) from exc


def _measure_speed(arguments: BenchArguments, console: Console) -> None:
    from live_gradcam.bench.measure import QUICK, Effort
    from live_gradcam.bench.report import machine, ratio_title, ratios_of, write_json
    from live_gradcam.bench.speed import measure_speed

    if arguments.compile and arguments.precision != "int8":
        console.note("Compiling; without a warm cache this takes a minute or two ...")
    with console.progress("measuring") as line:
        speed = measure_speed(
            QUICK if arguments.quick else Effort(),
            compile=arguments.compile,
            engine=arguments.engine,
            precision=arguments.precision,
            peers=arguments.peers,
            on_round=lambda done, total: line.update(done, total, None),
        )
    ratios = ratios_of(speed.medians_ms)
    console.out(f"{machine()}; ours: {speed.runtime}\n")
    rows = [(speed.titles[name], f"{value:.2f}") for name, value in speed.medians_ms.items()]
    console.table(("ms per frame", "median"), rows)
    console.out("")
    rows = [(ratio_title(name), f"{value:.2f}") for name, value in ratios.items()]
    console.table(("ratio", "value"), rows)
    for peer in speed.missing:
        console.note(f"{peer} is not installed: python scripts/install_peers.py --openvino")
    if arguments.json is not None:
        write_json(
            arguments.json, medians_ms=speed.medians_ms, ratios=ratios, runtime=speed.runtime
        )
        console.note(f"wrote {arguments.json}")


def _measure_busy(arguments: BenchArguments, console: Console) -> None:
    """Measure every engine beside other processes, and print how much slower each one gets."""
    from live_gradcam.bench.busy import busy_table, measure_busy
    from live_gradcam.bench.measure import QUICK, Effort
    from live_gradcam.bench.report import machine, write_busy

    processes = arguments.busy
    assert processes is not None, "asked for"
    if arguments.compile:
        console.note("Compiling; without a warm cache this takes a minute or two ...")
    with console.progress("measuring") as line:
        rows = measure_busy(
            QUICK if arguments.quick else Effort(),
            processes=processes,
            precision=arguments.precision,
            compile=arguments.compile,
            on_round=lambda done, total: line.update(done, total, None),
        )
    console.out(f"{machine()}; {processes} competing processes\n")
    head = ("explain the top 3 of a 1280x720 frame", "ms quiet", "ms busy", "busy / quiet")
    console.table((*head, "torch busy / this busy"), busy_table(rows))
    if arguments.json is not None:
        write_busy(arguments.json, rows, processes)
        console.note(f"wrote {arguments.json}")


def _measure_live(arguments: BenchArguments, console: Console) -> None:
    """Measure what a live session promises, and print it as a table."""
    from live_gradcam.bench.live import measure_promises

    _show_promises(measure_promises, arguments, console)


def _measure_teaching(arguments: BenchArguments, console: Console) -> None:
    """Measure what teaching promises, and print it as a table."""
    from live_gradcam.bench.teach import measure_teaching

    _show_promises(measure_teaching, arguments, console)


def _show_promises(
    measure: Callable[[Effort], list[Promise]], arguments: BenchArguments, console: Console
) -> None:
    from live_gradcam.bench.measure import QUICK, Effort
    from live_gradcam.bench.report import machine, promises_markdown, write_promises

    console.note("measuring; this takes a minute or two ...")
    promises = measure(QUICK if arguments.quick else Effort())
    console.out(f"{machine()}\n\n{promises_markdown(promises)}")
    if arguments.json is not None:
        write_promises(arguments.json, promises)
        console.note(f"wrote {arguments.json}")
