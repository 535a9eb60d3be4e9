"""What scripts/demo.py installs: the lightest set that serves the machine."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from live_gradcam.lite import lite_requirements
from scripts.environment import (
    Kind,
    Machine,
    install_cpu_build,
    installer,
    is_served,
    split_kind,
    torch_requirements,
    wants_cpu_build,
)

ROOT = Path(__file__).resolve().parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "system", "has_gpu", "expected"),
    [
        ("auto", "Linux", False, True),
        ("auto", "Linux", True, False),
        ("auto", "Darwin", False, False),
        ("auto", "Windows", True, False),
        ("cpu", "Linux", True, True),
        ("cpu", "Windows", False, False),
        ("gpu", "Linux", False, False),
        ("lite", "Linux", False, False),
    ],
)
def test_builds_for_processors_are_taken_where_the_usual_ones_bring_what_is_no_use(
    kind: Kind, system: str, has_gpu: bool, expected: bool
) -> None:
    assert wants_cpu_build(kind, Machine(system, has_gpu)) is expected


def test_the_first_word_may_say_what_is_installed() -> None:
    assert split_kind([]) == ("auto", [])
    assert split_kind(["--lite", "a.mp4", "--cpu"]) == ("lite", ["a.mp4", "--cpu"])
    assert split_kind(["0", "--model", "scenes"]) == ("auto", ["0", "--model", "scenes"])


def test_an_environment_is_used_again_where_it_serves() -> None:
    assert is_served("auto", "cpu")
    assert is_served("lite", "lite")
    assert not is_served("auto", "lite")
    assert not is_served("gpu", "cpu")


def test_uv_installs_where_it_is_there() -> None:
    python = Path("env/bin/python")
    assert installer(python, None)[:4] == [str(python), "-m", "pip", "install"]
    assert installer(python, "/bin/uv") == ["/bin/uv", "pip", "install", "--python", str(python)]


def test_torch_is_asked_for_as_the_project_does() -> None:
    found = torch_requirements(PROJECT)
    assert [each.partition(">=")[0] for each in found] == ["torch", "torchvision"]
    assert all(f'"{each}"' in PROJECT for each in found)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A simple index on this machine, with builds of torch and torchvision that hold nothing."""
    root = tmp_path / "index"
    for name in ("torch", "torchvision"):
        wheel = f"{name}-99.0+cpu-py3-none-any.whl"
        (root / name).mkdir(parents=True)
        (root / name / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')
        info = f"{name}-99.0+cpu.dist-info"
        with zipfile.ZipFile(root / name / wheel, "w") as file:
            file.writestr(f"{name}/__init__.py", "")
            file.writestr(
                f"{info}/METADATA",
                f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0+cpu\nRequires-Dist: absent\n",
            )
            file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            file.writestr(f"{info}/RECORD", "")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="index")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_builds_for_processors_come_from_their_index(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # nobody else's indices
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    assert install_cpu_build(install, torch_requirements(PROJECT), index)
    assert {path.name for path in target.glob("*.dist-info")} == {
        "torch-99.0+cpu.dist-info",
        "torchvision-99.0+cpu.dist-info",
    }


def test_an_index_that_does_not_answer_is_said_and_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install = [sys.executable, "-c", "raise SystemExit('not called')"]
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        closed = f"http://127.0.0.1:{server.server_port}"
    assert not install_cpu_build(install, ["torch"], closed)
    assert "does not answer" in capsys.readouterr().out


def test_the_light_list_has_an_engine_and_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LIGHT, str(ROOT)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n", "it needs nothing but Python itself"
    declared = [
        "numpy>=1.26",
        "opencv-python>=4.10",
        "torch>=2.11",
        "torchvision>=0.26",
        'onnxruntime>=1.23; extra == "fast"',
        'gradio<7,>=6.20; extra == "web"',
    ]
    assert lite_requirements(declared) == [
        "numpy>=1.26",
        "onnxruntime>=1.23",
        "opencv-python>=4.10",
    ]
    assert "opencv-python-headless>=4.10" in lite_requirements(declared, headless=True)


_LIGHT = """
import sys
sys.path.insert(0, sys.argv[1])
import live_gradcam.lite
print(any(name in sys.modules for name in ("numpy", "typer", "torch")))
"""


def test_the_light_list_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "live_gradcam.lite"], capture_output=True, text=True, check=True
    )
    names = {each.partition(">")[0] for each in done.stdout.split()}
    assert {"numpy", "opencv-python", "pillow", "typer", "av"} <= names
    assert any(name.startswith("onnxruntime") for name in names)
    assert not names & {"torch", "torchvision", "safetensors"}
