"""Channels are bounded and can be interrupted; a group of workers fails as one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from live_gradcam.workers import (
    Channel,
    ChannelAborted,
    ChannelClosed,
    WorkerGroup,
    run_in_thread,
)


def test_items_come_out_in_order_and_the_end_is_the_end() -> None:
    channel: Channel[int] = Channel(8)
    for number in range(5):
        channel.put(number)
    channel.close()
    assert list(channel) == [0, 1, 2, 3, 4]
    with pytest.raises(ChannelClosed):
        channel.get()


def test_the_end_of_a_channel_is_not_the_end_of_the_generator_that_reads_it() -> None:
    channel: Channel[int] = Channel(1)
    channel.close()

    def read() -> Iterator[int]:
        try:
            yield channel.get()
        except ChannelClosed:
            yield -1

    assert list(read()) == [-1]


def test_put_waits_for_room_and_abort_wakes_it() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    ended = threading.Event()

    def blocked() -> None:
        with pytest.raises(ChannelAborted):
            channel.put(2)
        ended.set()

    thread = threading.Thread(target=blocked)
    thread.start()
    assert not ended.wait(0.05), "a full channel takes nothing more"
    channel.abort()
    thread.join(60)
    assert ended.is_set()


def test_get_times_out_when_nothing_comes() -> None:
    with pytest.raises(TimeoutError):
        Channel[int](1).get(0.01)


def test_ready_items_are_taken_together_up_to_the_limit() -> None:
    channel: Channel[int] = Channel(8)
    for number in range(5):
        channel.put(number)
    assert channel.get_ready(3) == [0, 1, 2]
    assert channel.get_ready(3) == [3, 4]
    channel.close()
    assert channel.get_ready(3) == []


def test_the_first_exception_stops_every_worker_and_comes_back() -> None:
    channel: Channel[int] = Channel(1)
    group = WorkerGroup("test", channel.abort)

    def waits_for_ever() -> None:
        channel.get()

    def fails() -> None:
        raise OSError("disk full")

    group.start("waits", waits_for_ever)
    group.start("fails", fails)
    assert group.join(timeout_seconds=60.0)
    assert group.failed
    with pytest.raises(OSError, match="disk full"):
        group.reraise()


def test_work_in_a_thread_of_its_own_comes_back_as_a_future() -> None:
    may_end = threading.Event()

    def work() -> str:
        assert may_end.wait(20)
        return threading.current_thread().name

    future = run_in_thread("open camera", work)
    assert not future.done()
    may_end.set()
    assert future.result(20) == "open camera"


def test_what_fails_in_a_thread_of_its_own_is_raised_where_the_result_is_asked_for() -> None:
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_in_thread("snapshot", fail).result(20)
