"""The packages that are published hold everything, and run where nothing else is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What is not Python and must be there all the same.
DATA = (
    "py.typed",
    "models/scenes/card.json",
    "models/scenes/weights.safetensors",
    "web/page.css",
    "evaluate/templates/report.html",
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A source package made from the checkout, and a wheel made from that one, as published."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        text=True,
    )
    return {"sdist": next(folder.glob("*.tar.gz")), "wheel": next(folder.glob("*.whl"))}


def test_both_packages_hold_every_module_and_all_data(packages: dict[str, Path]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "live_gradcam").rglob("*.py")}
    wanted = modules | {f"live_gradcam/{name}" for name in DATA}
    with zipfile.ZipFile(packages["wheel"]) as wheel:
        assert wanted <= set(wheel.namelist())
    with tarfile.open(packages["sdist"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert wanted | {"pyproject.toml", "README.md", "LICENSE"} <= names


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_and_runs_in_an_empty_environment(
    packages: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    """What it depends on comes from here; of itself, only the package is there."""
    venv.EnvBuilder(with_pip=True).create(tmp_path / "env")
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    install: list[str | Path] = [python, "-m", "pip", "install", "--no-deps", packages[kind]]
    environment = {key: each for key, each in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(install, check=True, capture_output=True, env=environment)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    ).stdout.strip()
    # Only the path: the .pth files there, which lead to the checkout, are not read.
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [scripts / "live-gradcam", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    version = run("--version")
    assert packages["wheel"].name.split("-")[1] in version
    run("run", "scene", "--model", "scenes", "--max-frames", "2", "-o", "explained.mp4")
    assert (tmp_path / "explained.mp4").stat().st_size > 0
