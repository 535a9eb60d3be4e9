"""Every line of the page's security, asked over the network as an attacker would."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import psutil
import pytest

from .conftest import Page, decoded, encoded, scene

MEGABYTE = 1024 * 1024

Upload = Callable[..., str]


@pytest.fixture
def upload(http: httpx.Client) -> Upload:
    """Uploads a file and returns the path that the page gave it."""

    def send(data: bytes, name: str = "picture.png") -> str:
        answer = http.post("gradio_api/upload", files={"files": (name, data)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0])

    return send


def file_data(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def call(http: httpx.Client, name: str, data: list[Any]) -> tuple[str, Any]:
    """Call a named function as any HTTP client can; the last event and its content."""
    begun = http.post(f"gradio_api/call/{name}", json={"data": data})
    assert begun.status_code == 200, begun.text
    answer = http.get(f"gradio_api/call/{name}/{begun.json()['event_id']}")
    lines = answer.text.strip().splitlines()
    event = [line for line in lines if line.startswith("event: ")][-1].removeprefix("event: ")
    content = [line for line in lines if line.startswith("data: ")][-1].removeprefix("data: ")
    return event, json.loads(content)


def bomb(width: int, height: int) -> bytes:
    """A valid PNG of many pixels in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# Where it listens


def test_it_listens_on_this_machine_only(page: Page) -> None:
    process = psutil.Process(page.process.pid)
    listening = {
        connection.laddr.ip
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert "gradio.live" not in "\n".join(page.lines)


# Who asks


@pytest.mark.parametrize("path", ["", "config", "gradio_api/info", "theme.css"])
def test_a_foreign_host_is_refused(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 200
    for headers in ({"host": "evil.example"}, {"x-forwarded-host": "evil.example"}):
        answer = http.get(path, headers=headers)
        assert answer.status_code == 403
        assert "evil" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/queue/join",
        "gradio_api/upload",
        "gradio_api/call/classes",
        "live/camera",
        "live/lesson",
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
def test_another_page_cannot_post(http: httpx.Client, path: str, headers: dict[str, str]) -> None:
    answer = http.post(path, headers=headers, json={"data": []})
    assert answer.status_code == 403
    assert "other pages" in answer.text


def test_the_page_itself_can_post(page: Page, http: httpx.Client) -> None:
    origin = page.address.rstrip("/")
    answer = http.post("gradio_api/call/classes", json={"data": []}, headers={"origin": origin})
    assert answer.status_code == 200


# How much


def test_a_file_of_more_than_50_megabytes_is_refused(http: httpx.Client) -> None:
    data = bytes(50 * MEGABYTE + 1)
    answer = http.post("gradio_api/upload", files={"files": ("big.bin", data)})
    assert answer.status_code == 413


def test_a_request_of_more_than_60_megabytes_is_refused(page: Page, http: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", page.port)) as connection:
        connection.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: " + str(60 * MEGABYTE + 1).encode() + b"\r\n\r\n"
        )
        assert b" 413 " in connection.recv(200)


def test_a_request_that_hides_its_length_is_cut_off(page: Page) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"data": ["'
        for _ in range(30):
            yield b"x" * 100_000
        yield b'"]}'

    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=page.address, timeout=60, trust_env=False) as client:
        try:
            answer = client.post("gradio_api/call/classes", content=parts(), headers=headers)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            return  # the server hung up while we were still talking
        assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "many", "1e3"])
def test_a_strange_length_is_refused(page: Page, length: str) -> None:
    with socket.create_connection(("127.0.0.1", page.port)) as connection:
        head = f"POST /live/camera HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 400 " in connection.recv(200)


# What


@pytest.mark.parametrize(
    "path",
    [
        "monitoring",
        "monitoring/summary",
        "gradio_api/proxy=https://example.com/",
        "gradio_api/openapi.json",
        "gradio_api/runs",
        "gradio_api/file/etc/passwd",
        "gradio_api/deep_link?session_hash=x",
        "docs",
    ],
)
def test_what_the_page_does_not_need_is_not_there(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["gradio_api/component_server", "gradio_api/process_recording", "gradio_api/vibe-edit"]
)
def test_nothing_else_can_be_posted_to(http: httpx.Client, path: str) -> None:
    assert http.post(path, json={"data": []}).status_code == 404
    assert http.put("gradio_api/upload").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/../etc/passwd",
        "{cache}/../../etc/passwd",
        "http://127.0.0.1:9/",
        "https://example.com/picture.png",
        "file:///etc/passwd",
        "pyproject.toml",
        "/proc/self/environ",
        "",
    ],
)
def test_only_uploaded_files_can_be_read(http: httpx.Client, upload: Upload, path: str) -> None:
    cache = Path(upload(encoded(scene(1)))).parents[1]
    wanted = path.format(cache=cache)
    answer = http.get(f"gradio_api/file={wanted}")
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text
    for route, body in {
        "call/explain": {"data": [file_data(wanted), "", "crop", 0.6, "turbo"]},
        "queue/join": {"fn_index": 0, "session_hash": "x", "data": [{"value": file_data(wanted)}]},
    }.items():
        refused = http.post(f"gradio_api/{route}", json=body)
        assert refused.status_code == 403, route
        assert refused.json() == {"detail": "no such file"}


@pytest.mark.parametrize("dots", ["%2e%2e", "%252e%252e", "..%2f..", "..\\\\.."])
def test_encoded_dots_lead_nowhere(http: httpx.Client, upload: Upload, dots: str) -> None:
    cache = Path(upload(encoded(scene(1)))).parents[1]
    answer = http.get(f"gradio_api/file={cache}/{dots}/{dots}/etc/passwd")
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


def test_an_uploaded_file_can_be_read_back(http: httpx.Client, upload: Upload) -> None:
    data = encoded(scene(1))
    path = upload(data)
    assert http.get(f"gradio_api/file={path}").content == data


def test_uploads_do_not_choose_their_place(upload: Upload) -> None:
    path = upload(b"x", "../../../../tmp/canary.txt")
    assert "live-gradcam-page-" in path
    assert ".." not in path


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff\xfe{"])
def test_what_is_not_json_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post(
        "gradio_api/queue/join", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert "Traceback" not in answer.text


# Images go through our own loader


def test_an_image_is_explained(http: httpx.Client, upload: Upload) -> None:
    path = upload(encoded(scene(1)))
    event, content = call(http, "explain", [file_data(path), "star", "stretch", 0.5, "magma"])
    assert event == "complete", content
    label, probabilities, evidence, overlay = content
    assert next(iter(probabilities)) == label
    assert np.asarray(evidence).shape == (7, 7)
    assert decoded(http.get(f"gradio_api/file={overlay['path']}").content).shape == (240, 320, 3)


def test_the_interface_takes_a_method(http: httpx.Client, upload: Upload) -> None:
    image = file_data(upload(encoded(scene(1))))
    settings = ["star", "stretch", 0.5, "magma"]
    maps = []
    for method in ("", "gradcam", "layercam"):
        event, content = call(http, "explain_with", [image, method, *settings])
        assert event == "complete", content
        maps.append(content[2])
    assert maps[0] == maps[1] != maps[2]
    event, content = call(http, "explain_with", [image, "scorecam", *settings])
    assert event == "error"
    assert "too slow for a page" in content["error"]


def test_a_16_bit_image_is_scaled_not_clipped(http: httpx.Client, upload: Upload) -> None:
    ramp = np.linspace(0, 65535, 320 * 240).reshape(240, 320).astype(np.uint16)
    event, content = call(
        http, "explain", [file_data(upload(encoded(ramp))), "", "crop", 0.0, "hot"]
    )
    assert event == "complete", content
    overlay = decoded(http.get(f"gradio_api/file={content[3]['path']}").content)
    column = overlay[230, :, 0].astype(int)  # below the drawn panels
    assert 200 < column.max() <= 255


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (bomb(20_000, 20_000), "megapixels"),
        (b"hello", "text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text"),
        (encoded(scene(1), ".jpg")[:3000], "truncated"),
        (b"", "empty"),
    ],
    ids=["bomb", "text", "svg", "truncated", "empty"],
)
def test_a_bad_image_is_one_sentence(
    http: httpx.Client, upload: Upload, data: bytes, cause: str
) -> None:
    path = upload(data, "evil.png")
    event, content = call(http, "explain", [file_data(path), "", "crop", 0.6, "turbo"])
    assert event == "error"
    assert cause in content["error"]
    assert "evil.png" in content["error"]
    assert str(Path(path).parent) not in content["error"]
    assert "\n" not in content["error"]


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (["teapot", "crop", 0.6, "turbo"], "teapot"),
        (["", "sideways", 0.6, "turbo"], "unknown view"),
        (["", "crop", 7, "turbo"], "unknown opacity"),
        (["", "crop", "x", "turbo"], "unknown opacity"),
        (["", "crop", 0.6, "../turbo"], "unknown colour map"),
        ([{"path": 3}, "crop", 0.6, "turbo"], "class"),
    ],
)
def test_a_bad_setting_is_one_sentence(
    http: httpx.Client, upload: Upload, settings: list[Any], cause: str
) -> None:
    event, content = call(http, "explain", [file_data(upload(encoded(scene(1)))), *settings])
    assert event == "error"
    assert cause in content["error"]
    assert "Traceback" not in content["error"]


# What it keeps


def test_the_cache_is_bounded_over_500_requests(http: httpx.Client, upload: Upload) -> None:
    paths = []
    for number in range(500):
        paths.append(upload(number.to_bytes(4, "big"), f"{number}.png"))
    cache = Path(paths[0]).parents[1]
    count = sum(len(names) for _, _, names in os.walk(cache))
    assert 64 <= count <= 64 + 20  # the page's own examples stay
    assert Path(paths[-1]).exists()
    assert not Path(paths[0]).exists()


def test_no_more_than_16_wait(http: httpx.Client, upload: Upload) -> None:
    """The queue says that it is full rather than growing."""
    path = upload(encoded(scene(1, 1600, 1200)))
    body = {"data": [file_data(path), "", "full", 0.6, "turbo"]}
    with ThreadPoolExecutor(40) as pool:
        answers = list(
            pool.map(lambda _: http.post("gradio_api/call/explain", json=body), range(120))
        )
    codes = [answer.status_code for answer in answers]
    assert set(codes) <= {200, 503}
    assert 503 in codes
    assert http.get("").status_code == 200


# The answer's headers


def test_the_browser_is_told_to_fetch_from_nowhere_else(http: httpx.Client) -> None:
    policy = http.get("").headers["content-security-policy"]
    sources = {word for part in policy.split(";") for word in part.split()[1:]}
    outside = {word for word in sources if "://" in word}
    assert outside == {"https://huggingface.co", "https://*.hf.space"}
    assert "frame-ancestors 'self' https://huggingface.co" in policy
    assert http.get("").headers["x-content-type-options"] == "nosniff"


# The camera


def start_camera(http: httpx.Client) -> str:
    answer = http.post("live/camera")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["camera"])


def test_a_frame_comes_back_explained(http: httpx.Client) -> None:
    camera = start_camera(http)
    frame = encoded(scene(1, 640, 480), ".jpg")
    answer = http.post(f"live/camera/{camera}?n=0&view=crop&colormap=turbo", content=frame)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert decoded(answer.content).shape == (480, 640, 3)
    explanation = json.loads(unquote(answer.headers["x-explanation"]))
    assert len(explanation["predictions"]) == 3
    assert explanation["explained"] == explanation["predictions"][0]["label"]
    assert http.post(f"live/camera/{camera}/stop").status_code == 204
    assert http.post(f"live/camera/{camera}?n=1", content=frame).status_code == 410


def test_old_frames_give_way_to_newer_ones(http: httpx.Client) -> None:
    camera = start_camera(http)
    frame = encoded(scene(1, 640, 480), ".jpg")
    assert http.post(f"live/camera/{camera}?n=5", content=frame).status_code == 200
    assert http.post(f"live/camera/{camera}?n=4", content=frame).status_code == 204
    http.post(f"live/camera/{camera}/stop")


@pytest.mark.parametrize(
    ("query", "content", "status"),
    [
        ("n=x", None, 400),
        ("", None, 400),
        ("n=0&view=round", None, 400),
        ("n=0&opacity=2", None, 400),
        ("n=0&class=teapot", None, 422),
        ("n=0", b"no picture", 422),
        ("n=0", bomb(20_000, 20_000), 422),
        ("n=0", bytes(5 * MEGABYTE), 413),
    ],
)
def test_a_bad_frame_is_one_sentence(
    http: httpx.Client, query: str, content: bytes | None, status: int
) -> None:
    camera = start_camera(http)
    answer = http.post(
        f"live/camera/{camera}?{query}", content=content or encoded(scene(1), ".jpg")
    )
    assert answer.status_code == status
    assert "\n" not in answer.json()["detail"]
    http.post(f"live/camera/{camera}/stop")


def test_there_are_only_so_many_cameras(http: httpx.Client) -> None:
    cameras = [start_camera(http) for _ in range(16)]
    answer = http.post("live/camera")
    assert answer.status_code == 503
    assert "16 cameras are running" in answer.json()["detail"]
    for camera in cameras:
        http.post(f"live/camera/{camera}/stop")
    http.post(f"live/camera/{start_camera(http)}/stop")


def test_nobody_sees_the_camera_of_another(page: Page) -> None:
    """Eight visitors at once, each with a colour of their own."""
    colours = [(36 * k, 255 - 30 * k, (97 * k) % 256) for k in range(8)]
    wrong: list[str] = []

    def visit(number: int) -> None:
        image = np.full((240, 320, 3), colours[number], np.uint8)
        frame = encoded(image, ".png")
        with httpx.Client(base_url=page.address, timeout=60, trust_env=False) as client:
            camera = start_camera(client)
            for n in range(12):
                answer = client.post(f"live/camera/{camera}?n={n}&opacity=0", content=frame)
                if answer.status_code == 200:
                    middle = decoded(answer.content)[110:130, 150:170].mean((0, 1))
                    if np.abs(middle - colours[number]).max() > 12:
                        wrong.append(f"{number}: {middle}")
                else:
                    wrong.append(f"{number}: {answer.status_code}")
            client.post(f"live/camera/{camera}/stop")

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
