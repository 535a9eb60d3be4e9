"""A short seeded part of what ``scripts/reliability.py`` does at length, through the real command.

Broken inputs and streams that drop have their short parts in `tests/capture`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

import live_gradcam as lg
from live_gradcam.capture.scene import SceneSource
from scripts.faults.bad_weights import CASES, MODEL, BadWeights
from scripts.faults.odd_films import FILMS, OddFilm
from scripts.faults.output_faults import OutputFault, cause, output_faults
from scripts.faults.runs import Run, playable_times
from scripts.faults.servers import MjpegServer, RtspServer
from scripts.faults.verdicts import compare_in_threads, ending, through_pipeline

SCENES = ("--model", "scenes", "--compile", "off")
LONG = ("--max-frames", "100000")
PATIENCE_SECONDS = 200.0
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and limits")


@pytest.fixture(scope="module")
def explainer() -> lg.Explainer:
    return lg.Explainer(lg.load_classifier("scenes"), compile="off")


@posix
@pytest.mark.parametrize(("live", "suffix"), [(False, ".mp4"), (True, ".mkv")])
def test_a_killed_recording_is_playable(live: bool, suffix: str, tmp_path: Path) -> None:
    output = tmp_path / f"killed{suffix}"
    with MjpegServer() as server:
        source = server.address if live else "scene"
        with Run(["run", source, *SCENES, *LONG, "-o", output, "-o", "-"], tmp_path) as run:
            assert run.wait_for_records(40, PATIENCE_SECONDS), run.errors
            time.sleep(Random(suffix).uniform(0, 1))
            run.send(signal.SIGKILL)
            assert run.wait(60) is not None
            done = run.times
    played = playable_times(output)
    assert played
    missing = [each for each in done if each - done[0] > played[-1] - played[0] + 0.005]
    # The last two are on their way into the file, however long ago the one before came.
    assert len(missing) <= 2 or missing[-1] - missing[0] <= 1.5


@posix
@pytest.mark.parametrize("server_type", [MjpegServer, RtspServer])
def test_an_interruption_ends_the_program_while_a_connection_hangs(
    server_type: type[MjpegServer | RtspServer], tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    with server_type() as server:
        server.go_silent()
        with Run(["run", server.address, *SCENES, "-o", output], tmp_path) as run:
            while not server.connections:
                assert run.process.poll() is None, run.errors
                time.sleep(0.02)
            run.send(signal.SIGINT)
            assert ending(run, run.wait(60), signal.SIGINT, output) == []


@posix
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("frames", [0, 1, 20])
def test_a_signal_ends_a_run_at_any_moment(
    kind: signal.Signals, frames: int, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    with Run(["run", "scene", *SCENES, *LONG, "-o", output, "-o", "-", "-q"], tmp_path) as run:
        if frames:
            assert run.wait_for_records(frames, PATIENCE_SECONDS), run.errors
        else:
            run.wait_for_handlers(PATIENCE_SECONDS)
            time.sleep(Random(kind).uniform(0.05, 1.5))
        run.send(kind)
        assert ending(run, run.wait(60), kind, output) == []
    assert output.exists() == bool(run.times)


def test_many_frames_need_no_more_memory_handles_or_threads(
    explainer: lg.Explainer, tmp_path: Path
) -> None:
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    needs = []

    def look(progress: object) -> None:
        handles = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
        needs.append((process.memory_info().rss >> 20, handles, process.num_threads()))

    with SceneSource(seed=1, width=320, height=240) as source:
        lg.run_offline(
            source,
            explainer,
            [lg.open_sink(tmp_path / name, source.info) for name in ("long.mp4", "long.csv")],
            painter=lg.Painter(lg.OverlayOptions(), moving=True),
            options=lg.RunOptions(max_frames=400, batch_size=explainer.preferred_batch_size),
            on_progress=look,
        )
    assert len(needs) == 400
    memory, handles, threads = zip(*needs[150:395], strict=True)
    # One picture kept of each frame would be 56 MB, one handle or thread 245. How many threads
    # compute, and how many frames at once, is chosen anew meanwhile where the machine gets busy.
    assert max(memory) - memory[0] < 40
    assert max(handles) - handles[0] < 5
    assert max(threads) - threads[0] <= 2 * (os.cpu_count() or 1)


@pytest.mark.parametrize("film", FILMS, ids=lambda film: f"{film.what}, {film.name}")
def test_every_decodable_frame_comes_out_at_its_time(
    film: OddFilm, explainer: lg.Explainer, tmp_path: Path
) -> None:
    film.make(tmp_path / film.name)
    frames, wrong = through_pipeline(tmp_path / film.name, explainer, tmp_path / "out")
    assert frames > 0
    assert wrong == []


@posix
@pytest.mark.parametrize(
    "fault", output_faults(1)[4:40:9], ids=lambda fault: f"{fault.what}, {fault.output}"
)
def test_an_output_that_fails_is_named_and_what_is_there_is_whole(
    fault: OutputFault, tmp_path: Path
) -> None:
    try:
        assert cause(fault, tmp_path / "place") == ""
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")  # of torch, about the old forms that are made here
def test_bad_weights_are_refused_and_run_nothing(
    case: BadWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, canary, labels = (tmp_path / name for name in ("weights.pth", "canary", "labels.txt"))
    case.write(path, canary)
    if case.labels is not None:
        labels.write_text(case.labels)
    with pytest.raises(lg.ModelError) as caught:
        lg.load_classifier(MODEL, weights=path, labels=labels if case.labels else None)
    assert caught.value.exit_code == 5
    assert case.says.lower() in str(caught.value).lower()
    assert "weights_only" not in str(caught.value)
    assert not canary.exists()


def test_the_canaries_would_sing(tmp_path: Path) -> None:
    import pickle

    case = next(case for case in CASES if case.name.startswith("plain pickle, os.system"))
    case.write(tmp_path / "weights.pth", tmp_path / "canary")
    pickle.loads((tmp_path / "weights.pth").read_bytes())
    assert (tmp_path / "canary").exists()


def test_eight_threads_on_one_explainer_never_get_each_other_s_maps(
    explainer: lg.Explainer,
) -> None:
    with SceneSource(seed=3, max_frames=120) as source:
        images = [frame.image for frame in source][::20]
    tasks = [(image, choice) for image in images for choice in (None, "top", (5, 1))]
    assert compare_in_threads(explainer, tasks, calls=20, seed=3) == []
