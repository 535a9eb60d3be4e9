"""Check that a window can be opened, without the toolkit, which would end the process otherwise."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from live_gradcam.errors import DeviceError
from live_gradcam.native import cv2
from live_gradcam.values import Region

_TIMEOUT_SECONDS = 10.0  # a display on a busy machine answers late
_WAY_OUT = "Run it in a desktop session, or give an output such as -o out.mp4 and --no-window"
_DISPLAY = re.compile(r"(?P<host>.*):(?P<number>\d+)(?:\.\d+)?")
_COOKIE = b"MIT-MAGIC-COOKIE-1"


def probe_display() -> None:
    """Return if a window can be opened; take at most a few seconds and open nothing.

    Raises:
        DeviceError: There is no display, it does not answer, it refuses us, or OpenCV was built
            without windows.
    """
    gui = re.search(r"^\s*GUI:\s*(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    if gui is not None and gui[1].upper() == "NONE":
        raise DeviceError(
            "cannot open a window",
            "OpenCV",
            "this build of OpenCV has no windows",
            "Run pip uninstall opencv-python-headless and pip install --force-reinstall "
            "opencv-python, or give an output such as -o out.mp4 and --no-window",
        )
    if not sys.platform.startswith("linux"):
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        wayland = "WAYLAND_DISPLAY" in os.environ
        cause = "there is a Wayland but no X display" if wayland else "there is no display"
        step = f"Start XWayland. {_WAY_OUT}" if wayland else _WAY_OUT
        raise DeviceError("cannot open a window", "", cause, step)
    try:
        with _x11_session(display) as (_, refusal, _):
            pass
    except (OSError, ValueError) as exc:
        cause = f"the display does not answer ({exc})"
        raise DeviceError("cannot open a window", f"DISPLAY={display}", cause, _WAY_OUT) from exc
    if refusal:
        cause = f"the display refuses the connection ({refusal})"
        raise DeviceError("cannot open a window", f"DISPLAY={display}", cause, _WAY_OUT)
    _load_platform_plugin()


def prepare_toolkit() -> None:
    """Set what Qt reads from the environment when the first window opens.

    Its log would appear between our lines, and a desktop's wish for another platform plugin than
    the one that OpenCV brings would end the process.
    """
    os.environ.setdefault("QT_LOGGING_RULES", "*.debug=false;*.info=false;*.warning=false")
    wished = os.environ.get("QT_QPA_PLATFORM", "")
    if sys.platform.startswith("linux") and wished:
        brought = {plugin.stem.removeprefix("libq") for plugin in _platform_plugins()}
        names = {name.partition(":")[0] for name in wished.split(";")}
        if brought and not names & brought:
            del os.environ["QT_QPA_PLATFORM"]


def _platform_plugins() -> list[Path]:
    folder = os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH")
    return sorted(Path(folder).glob("platforms/libq*.so")) if folder else []


def _load_platform_plugin() -> None:
    """Load what Qt would load, because Qt ends the process where a library is missing."""
    for plugin in _platform_plugins():
        if plugin.stem == "libqxcb":
            _leave_events_to_qt()
            try:
                ctypes.CDLL(str(plugin))
            except OSError as exc:
                raise DeviceError(
                    "cannot open a window",
                    "Qt",
                    f"a system library is missing ({exc})",
                    f"Install it. {_WAY_OUT}",
                ) from exc


def _leave_events_to_qt() -> None:
    """Load the system's libX11-xcb, so that Qt calls that one instead of its own.

    Qt asks it to keep the system's libX11 from reading events. OpenCV's wheels bring the library
    from before libX11 1.7, which writes the answer where newer ones do not look: libX11 then takes
    now and then an event away from Qt. A window that has missed that it was mapped stays unpainted.
    """
    with contextlib.suppress(OSError):  # not there: then it is as it always was
        ctypes.CDLL("libX11-xcb.so.1", mode=ctypes.RTLD_GLOBAL)


def screen_area() -> Region | None:
    """Return the first screen in the coordinates that windows have; ``None`` if unknown.

    Of several screens side by side it is the main one.
    """
    try:
        if sys.platform == "win32":
            return _windows_area()
        if sys.platform == "darwin":
            return _mac_area()
        return _x11_area(os.environ.get("DISPLAY", ""))
    except (OSError, ValueError, IndexError, AttributeError, struct.error):
        return None


def _windows_area() -> Region:
    class Rectangle(ctypes.Structure):
        _fields_: ClassVar = [(name, ctypes.c_long) for name in ("x0", "y0", "x1", "y1")]

    found = Rectangle()
    get_work_area = 0x30  # SPI_GETWORKAREA: what the task bar leaves
    library: Any = ctypes
    library.windll.user32.SystemParametersInfoW(get_work_area, 0, ctypes.byref(found), 0)
    return Region(found.x0, found.y0, found.x1 - found.x0, found.y1 - found.y0)


def _mac_area() -> Region:
    library = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
    library.CGDisplayPixelsWide.restype = library.CGDisplayPixelsHigh.restype = ctypes.c_size_t
    screen = library.CGMainDisplayID()
    return Region(0, 0, library.CGDisplayPixelsWide(screen), library.CGDisplayPixelsHigh(screen))


def _x11_area(display: str) -> Region:
    with _x11_session(display) as (connection, refusal, setup):
        if refusal:
            raise ValueError(refusal)
        (vendor,) = struct.unpack_from("<H", setup, 16)
        formats = setup[21]
        # Behind the fixed part: the vendor's name, the pixel formats, and the first screen.
        screen = 32 + (vendor + 3) // 4 * 4 + 8 * formats
        width, height = struct.unpack_from("<HH", setup, screen + 20)
        monitors = _monitors(connection)
    return monitors[0] if monitors else Region(0, 0, width, height)


def _monitors(connection: socket.socket) -> list[Region]:
    """The monitors that make up an X11 screen, the main one first: the extension Xinerama."""
    name = b"XINERAMA"
    query = struct.pack("<BxHHxx", 98, 2 + len(name) // 4, len(name)) + name
    present, opcode = struct.unpack_from("<BB", _ask(connection, query), 8)
    if not present:
        return []
    query_screens = 5
    answer = _ask(connection, struct.pack("<BBH", opcode, query_screens, 1))
    (count,) = struct.unpack_from("<I", answer, 8)
    places = (struct.unpack_from("<hhHH", answer, 32 + 8 * number) for number in range(count))
    return [Region(*place) for place in places if min(place[2:]) > 0]


def _ask(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    head = _receive(connection, 32)
    if not head or head[0] != 1:
        raise ValueError("the display does not know that")
    (more,) = struct.unpack_from("<I", head, 4)
    return head + _receive(connection, 4 * more)


@contextlib.contextmanager
def _x11_session(display: str) -> Iterator[tuple[socket.socket, str, bytes]]:
    """Begin an X11 session, and end it on leaving.

    Yields:
        The connection, the server's reason for refusing us, empty if it does not, and what it says
        about itself.
    """
    parts = _DISPLAY.fullmatch(display)
    if parts is None:
        raise ValueError("its name is not HOST:NUMBER")
    number = parts["number"]
    cookie = _cookie(number)
    name = _COOKIE if cookie else b""
    # "Connection Setup" of the X Window System Protocol, version 11.
    hello = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie))
    hello += name + bytes(-len(name) % 4) + cookie + bytes(-len(cookie) % 4)
    with _connect(parts["host"], int(number)) as connection:
        connection.sendall(hello)
        head = _receive(connection, 8)
        if not head:
            raise ConnectionError("it hung up")
        if head[0] == 1 and len(head) == 8:
            setup = _receive(connection, 4 * int.from_bytes(head[6:], "little"))
            yield connection, "", setup
            return
        reason = _receive(connection, head[1] if len(head) > 1 else 0)
        yield connection, reason.decode("ascii", "replace").strip() or "authentication needed", b""


def _receive(connection: socket.socket, count: int) -> bytes:
    """Receive ``count`` bytes, or fewer where the other side has no more."""
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data


def _connect(host: str, number: int) -> socket.socket:
    if host not in ("", "unix") and not host.startswith("/"):
        address = (host.strip("[]"), 6000 + number)
        return socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
    path = f"{host}:{number}" if host.startswith("/") else f"/tmp/.X11-unix/X{number}"
    failure: OSError | None = None
    for place in (path, f"\0{path}"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(place)
        except OSError as exc:
            connection.close()
            failure = failure or exc
        else:
            return connection
    raise failure or OSError("no address")


def _cookie(number: str) -> bytes:
    """Return the password for a display from the user's authority file, or nothing."""
    path = Path(os.environ.get("XAUTHORITY") or Path.home() / ".Xauthority")
    try:
        data = path.read_bytes()
    except OSError:
        return b""
    here = socket.gethostname().encode()
    best = b""
    position = 2
    try:
        while position < len(data):
            fields = []
            for _ in range(4):
                (length,) = struct.unpack_from(">H", data, position)
                fields.append(data[position + 2 : position + 2 + length])
                position += 2 + length
            position += 2
            address, entry, name, secret = fields
            if name == _COOKIE and entry in (number.encode(), b""):
                if address == here:
                    return secret
                best = best or secret
    except struct.error:
        return best
    return best
