"""Probes find out cheaply whether a server answers."""

from __future__ import annotations

import pytest

from live_gradcam.capture import probe as probe_module
from live_gradcam.capture.probe import make_probe
from scripts.faults.servers import MjpegServer, RtspServer
from tests.helpers.cameras import PATIENCE


def test_a_probe_has_three_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "_CONNECT_SECONDS", PATIENCE)
    for server_type in (MjpegServer, RtspServer):
        with server_type() as server:
            probe = make_probe(server.address)
            assert probe is not None
            monkeypatch.setattr(probe_module, "_REPLY_SECONDS", PATIENCE)
            assert probe() == "answers"
            server.go_silent()
            monkeypatch.setattr(probe_module, "_REPLY_SECONDS", 0.1)
            assert probe() == "silent"
            server.vanish()
            assert probe() == "unreachable"
    assert make_probe("udp://127.0.0.1:1") is None
    assert make_probe("http://127.0.0.1:99999/") is None
    probe = make_probe("http://name.invalid/")
    assert probe is not None
    assert probe() == "unreachable"
