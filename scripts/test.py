"""Makes .venv with the test extras and runs the tests; arguments go to pytest.

``python scripts/test.py`` runs all of them, in two halves beside each other, and on Python 3.12 or
newer prints the coverage of the package, statements of the tests' own processes alone: what
commands execute in theirs does not count. On an older Python, where measuring takes a fifth of the
time, ``--coverage`` asks for it. ``--quick`` leaves out what takes long, for daily work: under
three minutes on two slow cores.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import ENVIRONMENT, ROOT, make_environment, run_or_exit, say

# Left out by --quick: real processes, windows, browsers and compilers, whole films, and what runs
# over every network or every device. A file, or a test of a file whose others are fast.
SLOW = (
    "tests/archive/test_explain_files.py",
    "tests/archive/test_ray.py",
    "tests/archive/test_report.py",
    "tests/archive/test_sources.py",
    "tests/archive/test_tables.py",
    "tests/bench",
    "tests/capture/test_fuzz.py",
    "tests/capture/test_stream.py",
    "tests/cli/test_demo.py",
    "tests/cli/test_doctor.py",
    "tests/cli/test_evaluate.py",
    "tests/cli/test_kept_graph.py",
    "tests/cli/test_listings.py",
    "tests/cli/test_main.py",
    "tests/cli/test_parser.py::test_a_wrong_value_of_any_option_ends_with_its_code_and_one_line",
    "tests/cli/test_run.py",
    "tests/cli/test_run_pipes.py",
    "tests/evaluate/test_evaluation.py",
    "tests/explain/engine/test_compiled.py",
    "tests/explain/engine/test_cuda_graphs.py",
    "tests/explain/engine/test_devices.py",
    "tests/explain/engine/test_winograd.py",
    "tests/explain/heads/test_tokens.py::test_a_checkpoint_says_its_images_size",
    "tests/explain/heads/test_tokens.py::test_a_transformer_is_compiled",
    "tests/explain/methods/test_parity.py",
    "tests/explain/networks/test_lazy_torchvision.py",
    "tests/explain/networks/test_timm_networks.py",
    "tests/explain/networks/test_torchvision_networks.py::test_head_after_trunk_is_the_network",
    "tests/explain/test_layers.py::test_fused_layers_equal_pytorch_grad_cam_at_its_size",
    "tests/explain/test_layers.py::test_one_pass_gives_what_each_layer_gives_alone",
    "tests/explain/test_load.py::test_layers_on_the_command_line",
    "tests/explain/test_omp.py::test_loading_and_opening_leave_no_team_behind",
    "tests/faithfulness/test_randomize.py::test_with_random_weights_the_explanation_falls_apart",
    "tests/scenes/test_bundled_network.py",
    "tests/session/test_keys_window.py",
    "tests/show/test_window.py",
    "tests/site/page",
    "tests/site/test_command.py::test_a_page_of_the_network_in_the_box",
    "tests/site/test_folder.py",
    "tests/site/test_server.py::test_the_command_serves_until_it_is_ended",
    "tests/site/test_tables.py::test_scripts_read_all_that_the_page_is_told",
    "tests/test_docs.py",
    "tests/test_faults.py",
    "tests/test_gpu_check.py",
    "tests/test_lifecycle.py",
    "tests/test_main_job.py",
    "tests/test_packages.py",
    "tests/test_readme.py",
    "tests/test_reliability.py",
    "tests/test_tour.py",
    "tests/web/test_browser.py",
    "tests/web/test_command.py",
    "tests/web/test_http.py",
    "tests/web/test_photographs.py",
    "tests/web/test_server.py::test_a_page_leaves_the_process_as_it_was",
)

# Computes most; what real processes, windows and networks wait for runs beside it.
FIRST_HALF = (
    "tests/archive",
    "tests/bench",
    "tests/evaluate",
    "tests/explain",
    "tests/exports",
    "tests/faithfulness",
    "tests/session",
    "tests/show",
    "tests/teaching",
    "tests/test_gpu_check.py",
    "tests/test_zoo.py",
)

# There coverage is told by the interpreter's own monitoring, not by tracing every line.
_MEASURING_IS_FREE = sys.version_info >= (3, 12)


def main() -> int:
    """Make the environment, then test; returns pytest's exit code."""
    arguments = sys.argv[1:]
    python = make_environment("test")
    installer = ROOT / "scripts" / "install_peers.py"
    stamp = ENVIRONMENT / ".installed-peers"
    wanted = hashlib.sha256(installer.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        say("Installing the CAM libraries that the tests compare with ...")
        run_or_exit([str(python), str(installer)])
        stamp.write_text(wanted)
    say("Running the tests ...")
    environment = dict(os.environ)
    if "--quick" in arguments:
        arguments.remove("--quick")
        arguments += _without_slow_ones()
    elif arguments in ([], ["--coverage"]):
        return _run_all(python, environment, measure=bool(arguments) or _MEASURING_IS_FREE)
    return subprocess.call([str(python), "-m", "pytest", *arguments], cwd=ROOT, env=environment)


def _run_all(python: Path, environment: dict[str, str], *, measure: bool) -> int:
    """Run all tests in two halves beside each other; measure and print the coverage of both."""
    if _MEASURING_IS_FREE:
        environment.setdefault("COVERAGE_CORE", "sysmon")
    # Threads that wait awake hold the core that the other half needs: a quarter of the time.
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    environment.setdefault("GOMP_SPINCOUNT", "0")
    command = [str(python), "-m", "pytest", "--durations=60"]
    command += ["--cov=live_gradcam", "--cov-report="] if measure else []
    with tempfile.TemporaryDirectory() as folder:
        measured = [str(Path(folder) / f"coverage.{half}") for half in (1, 2)]
        log = Path(folder) / "second.log"
        others = [f"--ignore={each}" for each in FIRST_HALF]
        with (
            log.open("wb") as file,
            subprocess.Popen(
                [*command, *others],
                cwd=ROOT,
                env=environment | {"COVERAGE_FILE": measured[1]},
                stdout=file,
                stderr=subprocess.STDOUT,
            ) as second,
        ):
            code = subprocess.call(
                [*command, *FIRST_HALF],
                cwd=ROOT,
                env=environment | {"COVERAGE_FILE": measured[0]},
            )
            say("The other half ends ...")
            code = second.wait() or code
        sys.stdout.flush()
        sys.stdout.buffer.write(log.read_bytes())
        sys.stdout.flush()
        if not measure:
            return code
        both = environment | {"COVERAGE_FILE": str(Path(folder) / "coverage")}
        for words in (["combine", "--quiet", *measured], ["report", "--skip-covered"]):
            subprocess.call([str(python), "-m", "coverage", *words], cwd=ROOT, env=both)
    return code


def _without_slow_ones() -> list[str]:
    """Return pytest's options that leave the slow files and tests out.

    Raises:
        SystemExit: A row of the table names nothing any more.
    """
    options = []
    for row in SLOW:
        path, _, test = row.partition("::")
        file = ROOT / path
        if not file.exists() or (test and f"def {test}(" not in file.read_text(encoding="utf-8")):
            sys.exit(f"error: {row} is in the table of scripts/test.py, but it does not exist.")
        options.append(f"--deselect={row}" if test else f"--ignore={row}")
    return options


if __name__ == "__main__":
    sys.exit(main())
