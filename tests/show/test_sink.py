"""The contract of outputs: several of them are closed together, whatever fails."""

from __future__ import annotations

import pytest

from live_gradcam.errors import SinkError
from live_gradcam.show.memory import MemorySink
from live_gradcam.show.sink import closing_sinks


class BrokenSink(MemorySink):
    """A sink that cannot be finalised."""

    def __init__(self, cause: str) -> None:
        super().__init__()
        self._cause = cause

    def close(self) -> None:
        super().close()
        raise SinkError("cannot finish", "memory", self._cause)


def test_the_first_failure_to_close_is_raised_and_all_are_closed() -> None:
    sinks = [MemorySink(), BrokenSink("first"), BrokenSink("second"), MemorySink()]
    with pytest.raises(SinkError, match="first"), closing_sinks(sinks):
        pass
    assert all(sink.closed for sink in sinks)


def test_the_error_of_the_body_wins_and_all_are_closed() -> None:
    sinks = [MemorySink(), BrokenSink("first"), MemorySink()]
    with pytest.raises(KeyError, match="theirs"), closing_sinks(sinks):
        raise KeyError("theirs")
    assert all(sink.closed for sink in sinks)


def test_an_interruption_of_the_body_wins_too() -> None:
    sink = BrokenSink("first")
    with pytest.raises(KeyboardInterrupt), closing_sinks([sink]):
        raise KeyboardInterrupt
    assert sink.closed
