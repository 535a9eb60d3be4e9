"""``live-gradcam web`` on the command line, and the Space's own door."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from live_gradcam.errors import UsageError

from .conftest import ROOT, Page, free_port, web_command

Command = Callable[..., "subprocess.CompletedProcess[str]"]
# Whole pages in processes of their own, one after another.
SPACE = ROOT / "scripts" / "space"


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--host", "0.0.0.0"], "others could use the page without a password. Add --auth"),
        (["--host", "192.168.1.5"], "others could use the page without a password. Add --auth"),
        (["--share"], "others could use the page without a password. Add --auth"),
        (["--auth", "ann"], "it needs a name and a password. Write --auth USER:PASSWORD"),
        (["--port", "0"], "--port"),
    ],
)
def test_what_would_be_unsafe_is_refused_at_once(
    command: Command, arguments: list[str], cause: str
) -> None:
    result = command("web", "--model", "scenes", "--no-open", *arguments)
    assert result.returncode == 2
    assert cause in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_without_gradio_the_pip_command_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['gradio'] = None\n"
        "from live_gradcam.cli import run_command_line\n"
        "sys.exit(run_command_line(['web', '--no-open']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 2
    assert 'pip install "live-gradcam[web]"' in result.stderr
    assert 'pip install ".[web]"' in result.stderr
    assert result.stderr.count("\n") == 1


def test_looking_at_the_help_loads_no_page() -> None:
    code = (
        "import sys; from live_gradcam.cli import run_command_line\n"
        "run_command_line(['web', '--help'])\n"
        "assert not {'gradio', 'torch', 'numpy', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_taken_port_is_said_before_anything_is_loaded(command: Command) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = command("web", "--model", "no-such-network", "--no-open", "--port", port)
    assert result.returncode == 2
    assert f"127.0.0.1:{port}: address already in use" in result.stderr
    assert "Choose another --host or --port" in result.stderr


def test_an_address_of_another_machine_is_refused(command: Command) -> None:
    result = command("web", "--no-open", "--host", "192.0.2.1", "--auth", "ann:secret")
    assert result.returncode == 2
    assert "cannot open the page: 192.0.2.1" in result.stderr


def test_with_a_password_nothing_is_open_and_ctrl_c_leaves_nothing() -> None:
    page = Page.start(web_command("--auth", "ann:secret"))
    with httpx.Client(base_url=page.address, timeout=60, trust_env=False) as client:
        files = {"files": ("x.png", b"x")}
        for path in ("config", "gradio_api/info", "gradio_api/file=/etc/passwd"):
            assert client.get(path).status_code in (401, 403), path
        assert client.post("gradio_api/upload", files=files).status_code == 401
        join = {"fn_index": 0, "session_hash": "x", "data": []}
        assert client.post("gradio_api/queue/join", json=join).status_code == 401
        assert client.post("live/camera").status_code == 401
        wrong = {"username": "ann", "password": "wrong"}
        assert client.post("login", data=wrong).status_code == 400
        right = {"username": "ann", "password": "secret"}
        assert client.post("login", data=right).status_code == 200
        assert client.get("config").status_code == 200
        assert client.post("live/camera").status_code == 200
        uploaded = Path(client.post("gradio_api/upload", files=files).json()[0])
    assert uploaded.exists()
    assert page.stop() == 130
    assert not uploaded.parents[1].exists()


def test_the_space_runs_as_it_is() -> None:
    port = free_port()
    page = Page.start(
        [str(SPACE / "app.py")],
        GRADIO_SERVER_NAME="127.0.0.1",
        GRADIO_SERVER_PORT=str(port),
        SPACE_HOST="ann-live-gradcam.hf.space",
        PYTHONPATH=str(ROOT),
    )
    try:
        with httpx.Client(base_url=page.address, trust_env=False, timeout=60) as client:
            hosts = {"ann-live-gradcam.hf.space": 200, "evil.example": 403}
            for host, status in hosts.items():
                assert client.get("", headers={"host": host}).status_code == status
            origin = {"host": "ann-live-gradcam.hf.space"}
            origin["origin"] = "https://ann-live-gradcam.hf.space"
            answer = client.post("gradio_api/call/classes", json={"data": []}, headers=origin)
            assert answer.status_code == 200
            files = {"files": ("x.png", b"x")}
            path = Path(client.post("gradio_api/upload", files=files).json()[0])
    finally:
        code = page.stop()
    assert code == 130
    assert not path.parents[1].exists()


def requirements(text: str) -> dict[str, str]:
    found = re.findall(r"^\s*\"?([a-z0-9-]+)(>=[^\",\s]+)", text, re.MULTILINE)
    return dict(found)


def test_the_space_needs_what_the_package_needs() -> None:
    project = requirements((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    space = requirements((SPACE / "requirements.txt").read_text(encoding="utf-8"))
    assert space.pop("opencv-python-headless") == project["opencv-python"]
    assert {name: project.get(name) for name in space} == space
    assert {"av", "gradio", "numpy", "pillow", "safetensors", "torch", "torchvision"} <= set(space)


def test_the_spaces_card_names_its_door() -> None:
    head = (SPACE / "README.md").read_text(encoding="utf-8").split("---")[1]
    card = dict(line.split(": ", 1) for line in head.strip().splitlines())
    assert card["sdk"] == "gradio"
    assert card["app_file"] == "app.py"
    assert (SPACE / card["app_file"]).is_file()


def test_a_browser_in_the_terminal_is_not_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    import webbrowser

    from live_gradcam.cli.staying import open_browser

    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("w3m"))
    assert not open_browser("http://127.0.0.1:7860/")


def test_gradio_is_asked_for_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from live_gradcam.cli.web import require_gradio

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UsageError, match="the page needs Gradio"):
        require_gradio()
