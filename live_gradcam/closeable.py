"""The base of everything that holds something until it is closed."""

from __future__ import annotations

import contextlib

from typing_extensions import Self


class Closeable:
    """Context manager that closes itself at the end of its ``with`` block.

    A failure to close never hides the exception that ends the block.
    """

    __slots__ = ()

    def close(self) -> None:
        """Release everything. May be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
            return
        with contextlib.suppress(Exception):
            self.close()
