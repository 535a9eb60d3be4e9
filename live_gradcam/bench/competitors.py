"""Processes that want the processor for themselves, as a video call or a browser does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Ends with whoever started it, however that ends: its standard input is closed then.
_SPIN = """
import os, sys, threading

def watch():
    sys.stdin.buffer.read()
    os._exit(0)

threading.Thread(target=watch, daemon=True).start()
print(flush=True)
while True:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def competitors(number: int) -> Iterator[None]:
    """Keep a number of processes busy for as long as the block lasts."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(number):
            children.append(
                subprocess.Popen(
                    [sys.executable, "-c", _SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
        for child in children:  # it says a line when it begins
            assert child.stdout is not None, "asked for above"
            child.stdout.readline()
        yield
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.communicate()
