"""Probes find out cheaply whether a server answers."""

from __future__ import annotations

from live_gradcam.capture.probe import make_probe
from scripts.faults.servers import MjpegServer, RtspServer


def test_a_probe_has_three_results() -> None:
    for server_type in (MjpegServer, RtspServer):
        with server_type() as server:
            probe = make_probe(server.address)
            assert probe is not None
            assert probe() == "answers"
            server.go_silent()
            assert probe() == "silent"
        assert probe() == "unreachable"
    assert make_probe("udp://127.0.0.1:1") is None
    assert make_probe("http://127.0.0.1:99999/") is None
    probe = make_probe("http://name.invalid/")
    assert probe is not None
    assert probe() == "unreachable"
