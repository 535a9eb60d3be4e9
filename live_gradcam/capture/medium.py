"""What an encoded film is read from: a file, an address, or a pipe."""

from __future__ import annotations

import errno
import io
import os
import select
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from live_gradcam.capture.address import ask
from live_gradcam.credentials import parse_address, printable
from live_gradcam.images.pixels import MAX_PIXELS
from live_gradcam.images.sniff import Sniffed, needs_seeking, sniff_bytes
from live_gradcam.native import av

_POLL_SECONDS = 0.1
_PEEK_SECONDS = 0.5
_READ_BYTES = 64 * 1024
_HEAD_BYTES = 4096
_ADDRESS_SECONDS = 5.0
# Whatever is inside, it opens nothing else: no file, no other protocol.
_FILE_OPTIONS = {"protocol_whitelist": "file"}
_ADDRESS_OPTIONS = {
    "protocol_whitelist": "http,https,tls,tcp,crypto,httpproxy",
    # A connection that is cut goes on at the byte where it ended.
    "reconnect": "1",
    "reconnect_on_network_error": "1",
    "reconnect_delay_max": "4",
}
# Looking for more streams for as long as FFmpeg would is a delay that whoever watches sees.
_PIPE_OPTIONS = {"mpegts": {"analyzeduration": "1000000"}}
_FORMAT_OPTIONS = {"mov": {"enable_drefs": "0", "use_absolute_path": "0"}}


class Medium(Protocol):
    """The bytes of a film, opened as often as it can be."""

    name: str
    """Short name for titles and records."""

    where: str
    """The place for error messages."""

    path: Path | None
    """The file on this machine, where it is one."""

    repeatable: bool
    """It can be opened again from the beginning."""

    def open(self, format_name: str) -> av.container.InputContainer:
        """Open it with one demuxer.

        Raises:
            av.error.FFmpegError: It cannot be read.
            OSError: It cannot be read.
        """

    def interrupt(self) -> None:
        """End a wait for more bytes, from any thread."""

    def close(self) -> None:
        """Release it. Idempotent."""


class FileMedium:
    """A regular file of this machine."""

    repeatable = True

    def __init__(self, path: Path) -> None:
        self.path: Path | None = path
        self.name = path.name
        self.where = str(path)
        self.demuxer_options: dict[str, str] = {}
        """What the demuxer is told besides."""
        self._address = f"file:{path.absolute()}"

    @property
    def length(self) -> int:
        """Number of its bytes; 0 where it cannot be asked."""
        try:
            return 0 if self.path is None else self.path.stat().st_size
        except OSError:
            return 0

    def open(self, format_name: str) -> av.container.InputContainer:
        """Open the file with one demuxer."""
        return _open(self._address, format_name, {**_FILE_OPTIONS, **self.demuxer_options})

    def interrupt(self) -> None:
        """Do nothing: a file never lets anyone wait."""

    def close(self) -> None:
        """Do nothing: the container closes the file."""


class AddressMedium:
    """A film on a web server.

    Args:
        address: ``http://`` or ``https://``; a password in it appears in no message.
        whole: Fetch it into a temporary file before it is read.
    """

    repeatable = True
    path: Path | None = None

    def __init__(self, address: str, *, whole: bool = False) -> None:
        self._whole = whole
        self._copy: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._interrupted = threading.Event()
        self._address = parse_address(address).url
        self.where = printable(address)
        self.name = urlsplit(self.where).path.rpartition("/")[2] or self.where

    def open(self, format_name: str) -> av.container.InputContainer:
        """Connect and open the film with one demuxer."""
        if self._whole:
            if self._copy is None:
                self._copy = self._fetch()
            return _open(_View(self._copy, self._lock), format_name, _FILE_OPTIONS)
        seconds = (_ADDRESS_SECONDS, 2 * _ADDRESS_SECONDS)
        return _open(self._address, format_name, _ADDRESS_OPTIONS, timeout=seconds)

    def interrupt(self) -> None:
        """End fetching; a wait for the server ends by its own time limit."""
        self._interrupted.set()

    def close(self) -> None:
        """Drop what was fetched; the container closes the connection."""
        self._interrupted.set()
        if self._copy is not None:
            self._copy.close()

    def _fetch(self) -> IO[bytes]:
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        try:
            with ask(self._address) as answer:
                left = int(answer.headers.get("Content-Length") or 0)
                while (piece := answer.read(_READ_BYTES)) and not self._interrupted.is_set():
                    left -= copy.write(piece)
            if left:
                raise OSError(errno.EIO, "the connection was cut before the end")
        except BaseException:
            copy.close()
            raise
        return copy


class _View:
    """A file that others read as well, with a position of its own; shaped like a file for PyAV.

    Args:
        file: The file; must stay open.
        lock: Held while any of the views reads.
    """

    def __init__(self, file: IO[bytes], lock: threading.Lock) -> None:
        self._file = file
        self._lock = lock
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        with self._lock:
            self._file.seek(self._position)
            data = self._file.read(size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        with self._lock:
            end = self._file.seek(0, os.SEEK_END)
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: end}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position


class BytesMedium:
    """A film in memory.

    Args:
        data: The whole film.
        name: Of the film.
    """

    repeatable = True
    path: Path | None = None

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self.name = self.where = name

    def open(self, format_name: str) -> av.container.InputContainer:
        """Open the film with one demuxer."""
        return _open(io.BytesIO(self._data), format_name, _FILE_OPTIONS)

    def interrupt(self) -> None:
        """Do nothing: memory never lets anyone wait."""

    def close(self) -> None:
        """Do nothing."""


class OpenedMedium:
    """A film in a storage whose files are opened by others, for reading and seeking.

    Args:
        opener: Opens it once more.
        name: Of the film.
    """

    repeatable = True
    path: Path | None = None

    def __init__(self, opener: Callable[[], IO[bytes]], name: str) -> None:
        self._opener = opener
        self._files: list[IO[bytes]] = []
        self.name = self.where = name

    def sniff(self) -> Sniffed:
        """Detect the kind of the film."""
        with self._opener() as file:
            return sniff_bytes(file.read(_HEAD_BYTES))

    def open(self, format_name: str) -> av.container.InputContainer:
        """Open the film with one demuxer."""
        self._files.append(self._opener())
        return _open(self._files[-1], format_name, _FILE_OPTIONS)

    def interrupt(self) -> None:
        """Do nothing: a wait ends by the storage's own time limit."""

    def close(self) -> None:
        """Close what was opened. Idempotent."""
        while self._files:
            self._files.pop().close()


class PipeMedium:
    """Standard input or a named pipe: read once, from beginning to end.

    A container whose index lies at its end is copied to a temporary file first.

    Args:
        descriptor: Of the pipe; closed with the medium.
        name: For titles and messages.
    """

    repeatable = False
    path: Path | None = None

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = self.where = name
        self.demuxer_options: dict[str, str] = {}
        """What the demuxer is told besides."""
        self._reader = PipeReader(descriptor)
        self._copy: IO[bytes] | None = None

    @property
    def length(self) -> int:
        """Number of bytes that have come so far."""
        return self._reader.received

    @property
    def waited_seconds(self) -> float:
        """Time that readers have waited so far for whoever writes."""
        return self._reader.waited_seconds

    def sniff(self) -> Sniffed:
        """Detect the kind of what comes, without taking it away."""
        return sniff_bytes(self._reader.peek(_HEAD_BYTES))

    def read_picture(self, magic: bytes, end_and_next: bytes) -> bytes | None:
        """Read a picture to the end of the pipe, unless another one follows it.

        Args:
            magic: First bytes of a picture of this kind.
            end_and_next: Last bytes of one directly before the first bytes of the next.

        Returns:
            The picture; ``None`` where several come, which then are still there to be decoded.
        """
        return self._reader.read_single(magic, end_and_next)

    def open(self, format_name: str) -> av.container.InputContainer:
        """Open what comes with one demuxer."""
        head = self._reader.peek(_HEAD_BYTES)
        if needs_seeking(format_name, head):
            self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
            while piece := self._reader.read(_READ_BYTES):
                self._copy.write(piece)
            self._copy.seek(0)
            return _open(self._copy, format_name, _FILE_OPTIONS)
        options = {**_FILE_OPTIONS, **_PIPE_OPTIONS.get(format_name, {}), **self.demuxer_options}
        return _open(self._reader, format_name, options)

    def interrupt(self) -> None:
        """Let the pipe end here."""
        self._reader.interrupt()

    def close(self) -> None:
        """Close the pipe."""
        self._reader.close()
        if self._copy is not None:
            self._copy.close()


class PipeReader:
    """Reads a pipe piece by piece; another thread can end the wait for the next one.

    Args:
        descriptor: Of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ahead = bytearray()
        self._interrupted = threading.Event()
        self._lock = threading.Lock()
        self._closed = False
        self.received = 0
        """Number of bytes that have come so far."""
        self.waited_seconds = 0.0
        """Time that readers have waited so far for whoever writes."""

    def read(self, size: int = _READ_BYTES) -> bytes:
        """Return the next bytes, at most so many; empty at the end."""
        if self._ahead:
            piece = bytes(self._ahead[:size])
            del self._ahead[:size]
            return piece
        return self._receive(size)

    def peek(self, size: int) -> bytes:
        """Return the first bytes that were not read, and keep them.

        There may be fewer, at the end and where no more come for half a second.
        """
        while len(self._ahead) < size:
            piece = self._receive(_READ_BYTES, _PEEK_SECONDS if self._ahead else None)
            if not piece:
                break
            self._ahead += piece
        return bytes(self._ahead[:size])

    def read_single(self, magic: bytes, end_and_next: bytes) -> bytes | None:
        """See `PipeMedium.read_picture`."""
        searched = len(magic)
        while True:
            if self._ahead.find(end_and_next, max(0, searched - len(end_and_next))) >= 0:
                return None
            searched = len(self._ahead)
            piece = self._receive(_READ_BYTES)
            if not piece or len(self._ahead) > 16 * MAX_PIXELS:
                return bytes(self._ahead)
            self._ahead += piece

    def interrupt(self) -> None:
        """Let the pipe end here, for whoever waits."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the pipe. Idempotent."""
        self.interrupt()
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)

    def _receive(self, size: int, patience_seconds: float | None = None) -> bytes:
        end = None if patience_seconds is None else time.monotonic() + patience_seconds
        while not self._interrupted.is_set() and (end is None or time.monotonic() < end):
            with self._lock:
                if self._closed:
                    return b""
                began = time.monotonic()
                ready = _is_ready(self._descriptor)
                self.waited_seconds += time.monotonic() - began
                if ready:
                    piece = os.read(self._descriptor, size)
                    self.received += len(piece)
                    return piece
        return b""


def _is_ready(descriptor: int) -> bool:
    if not hasattr(select, "poll"):
        return True  # Windows knows no such question for pipes
    # Unlike select, poll does not take a named pipe that nobody has opened yet for ended.
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(_POLL_SECONDS * 1000))


def _open(
    file: Any,  # noqa: ANN401 - an address or whatever has `read`
    format_name: str,
    options: dict[str, str],
    timeout: tuple[float, float] | None = None,
) -> av.container.InputContainer:
    every = {**options, "max_pixels": str(MAX_PIXELS), **_FORMAT_OPTIONS.get(format_name, {})}
    container: av.container.InputContainer = av.open(
        file,
        format=format_name,
        container_options=every,
        metadata_errors="replace",
        timeout=timeout,
    )
    return container
