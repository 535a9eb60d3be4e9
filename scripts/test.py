"""Makes .venv with the test extras and runs the tests; arguments go to pytest.

``python scripts/test.py`` runs all of them and prints the coverage of the package, statements of
this process alone: what commands in processes of their own execute does not count. ``--quick``
leaves out the files that take long, for daily work: three minutes on two slow cores.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from environment import ENVIRONMENT, ROOT, make_environment, run_or_exit, say

# Left out by --quick: real processes, windows, browsers and networks, compilers, whole films.
SLOW = (
    "tests/bench",
    "tests/capture/test_fuzz.py",
    "tests/capture/test_stream.py",
    "tests/cli/test_demo.py",
    "tests/cli/test_doctor.py",
    "tests/cli/test_evaluate.py",
    "tests/cli/test_listings.py",
    "tests/cli/test_main.py",
    "tests/cli/test_run.py",
    "tests/explain/engine/test_compiled.py",
    "tests/explain/engine/test_cuda_graphs.py",
    "tests/explain/engine/test_winograd.py",
    "tests/explain/methods/test_parity.py",
    "tests/session/test_keys_window.py",
    "tests/show/test_window.py",
    "tests/test_faults.py",
    "tests/test_gpu_check.py",
    "tests/test_lifecycle.py",
    "tests/test_main_job.py",
    "tests/test_readme.py",
    "tests/test_reliability.py",
    "tests/test_tour.py",
    "tests/web/test_browser.py",
    "tests/web/test_command.py",
    "tests/web/test_http.py",
    "tests/web/test_photographs.py",
)


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
    elif not arguments:
        arguments = ["--cov=live_gradcam", "--cov-report=term:skip-covered"]
        if sys.version_info >= (3, 12):
            environment.setdefault("COVERAGE_CORE", "sysmon")  # costs next to nothing
    return subprocess.call([str(python), "-m", "pytest", *arguments], cwd=ROOT, env=environment)


def _without_slow_ones() -> list[str]:
    """Return pytest's options that leave the slow files out.

    Raises:
        SystemExit: A file of the table is not there any more.
    """
    for path in SLOW:
        if not (ROOT / path).exists():
            sys.exit(f"error: {path} is in the table of scripts/test.py, but it does not exist.")
    return [f"--ignore={path}" for path in SLOW]


if __name__ == "__main__":
    sys.exit(main())
