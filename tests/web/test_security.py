"""Who may ask: host names and passwords. Whole requests are tested in `test_http`."""

from __future__ import annotations

import pytest

from live_gradcam.errors import UsageError
from live_gradcam.hosts import Hosts, is_loopback
from live_gradcam.web.security import READS, WRITES, parse_auth


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "127.9.9.9"],
)
def test_this_machine_is_its_own_host(host: str) -> None:
    assert Hosts("127.0.0.1").allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7860",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "192.168.1.5:7860",
        "",
        "[::1",
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    assert not Hosts("127.0.0.1").allow(host)


def test_an_open_page_has_addresses_but_no_foreign_names() -> None:
    hosts = Hosts("0.0.0.0", ["page.example", ".gradio.live"])
    assert hosts.allow("192.168.1.5:7860")
    assert hosts.allow("page.example")
    assert hosts.allow("abc.gradio.live")
    assert not hosts.allow("gradio.live.evil.example")
    assert not hosts.allow("evil.example")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_password_is_needed_as_soon_as_others_can_come() -> None:
    assert parse_auth(None, host="127.0.0.1", share=False) is None
    assert parse_auth("ann:se:cret", host="0.0.0.0", share=True) == ("ann", "se:cret")
    with pytest.raises(UsageError, match=r"--host 0\.0\.0\.0.*Add --auth USER:PASSWORD"):
        parse_auth(None, host="0.0.0.0", share=False)
    with pytest.raises(UsageError, match=r"--share.*Add --auth USER:PASSWORD"):
        parse_auth(None, host="127.0.0.1", share=True)


@pytest.mark.parametrize("text", ["", "ann", "ann:", ":secret", " : "])
def test_half_a_password_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="name and a password"):
        parse_auth(text, host="127.0.0.1", share=False)


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring",
        "/monitoring/abc",
        "/gradio_api/proxy=http://evil.example/",
        "/gradio_api/runs",
        "/gradio_api/custom_component/1/client/component/x.js",
        "/gradio_api/dev/reload",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api/deep_link",
        "/gradio_api/openapi.json",
        "/gradio_api/profiling/traces",
        "/docs",
    ],
)
def test_what_the_page_does_not_need_cannot_be_read(path: str) -> None:
    assert not READS.fullmatch(path)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/component_server",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit",
        "/gradio_api/run/explain",
        "/gradio_api/stream/abc",
        "/gradio_api/run-history/connect",
        "/",
    ],
)
def test_what_the_page_does_not_need_cannot_be_posted_to(path: str) -> None:
    assert not WRITES.fullmatch(path)
