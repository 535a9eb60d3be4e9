"""Jobs beside the session: done in their order, and over when they were closed."""

from __future__ import annotations

import threading
from functools import partial

from typing_extensions import override

from live_gradcam.explain.engine.background_jobs import BackgroundJobs


class SlowToEnd(BackgroundJobs):
    """Whose thread takes its time when it has nothing left to do."""

    def __init__(self) -> None:
        super().__init__("slow-to-end")
        self.without_jobs, self.may_end = threading.Event(), threading.Event()

    @override
    def _run(self) -> None:
        super()._run()
        self.without_jobs.set()
        self.may_end.wait(60)


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_jobs_are_done_in_their_order_by_a_thread_that_ends() -> None:
    done: list[int] = []
    jobs = BackgroundJobs("jobs-of-a-test")
    events = [jobs.submit(partial(done.append, place)) for place in range(20)]
    for event in events:
        assert event.wait(60)
    assert done == list(range(20))
    jobs.close()
    assert "jobs-of-a-test" not in names()
    assert jobs.submit(lambda: done.append(20)).is_set()
    assert done == list(range(20))


def test_closing_waits_for_a_thread_at_its_very_end() -> None:
    jobs = SlowToEnd()
    jobs.submit(lambda: None)
    assert jobs.without_jobs.wait(60)
    threading.Timer(0.2, jobs.may_end.set).start()
    jobs.close()
    assert "slow-to-end" not in names()


def test_a_job_that_comes_while_a_thread_ends_gets_another() -> None:
    jobs = SlowToEnd()
    jobs.submit(lambda: None)
    assert jobs.without_jobs.wait(60)
    assert jobs.submit(lambda: None).wait(60)
    jobs.may_end.set()
    jobs.close()
