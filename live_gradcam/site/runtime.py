"""onnxruntime-web for the page: pinned, and from wherever it can be had.

Kept in the user's cache, fetched into it once: by the npm client where it is installed, which
brings the package as its maintainers published it, else from jsDelivr, which they name as the place
of its files. Whatever brings them, each file's SHA-256 is compared with the one written here.

Of the package's forty builds a page needs two: the processor's (``wasm``, with SIMD and threads),
and the one that also knows WebGPU (``jspi``), which is loaded only where a measurement is made.
"""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from live_gradcam.errors import SourceError
from live_gradcam.fetching import file_sha256, receive, why_failed
from live_gradcam.os_errors import cannot_write
from live_gradcam.user_cache import user_folder

VERSION = "1.30.0"
"""The pinned version."""

FILES: Mapping[str, str] = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
    "ort.jspi.min.mjs": "bc57179d923fda2d88d4a395359c8df44399dde087bf9ff44fc0e40ab398e4d9",
    "ort-wasm-simd-threaded.jspi.mjs": (
        "270e2c6da9f297239d301d329782b6446641cb1e16a77967690adcfca35f3268"
    ),
    "ort-wasm-simd-threaded.jspi.wasm": (
        "a54c76f86b0f0d9572380cf1c6292a7b3903716ffcbcd6b0e5c7050bf430eb93"
    ),
}
"""Files of the runtime with their SHA-256, in hexadecimal digits."""

PACKAGE = f"onnxruntime-web@{VERSION}"
"""The package, as npm names it."""

CDN = f"https://cdn.jsdelivr.net/npm/{PACKAGE}/dist"
"""Address of the files, as the maintainers document it."""

_WHAT = "cannot get onnxruntime-web"
_STEP = (
    f"Connect once to the network; or, where there is one, 'npm pack {PACKAGE}', unpack the "
    "archive that it makes, and give its folder package/ with --runtime FOLDER"
)
_NPM_SECONDS = 90.0
_NPM_SAYS = re.compile(r"^npm (?:error|ERR!) (?!code |A complete log)(.+)$", re.MULTILINE)
_WASM_MAGIC = b"\0asm"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Files of onnxruntime-web on this machine.

    Attributes:
        files: Each file by its name.
        version: The version; ``own`` where a user brought other files than the pinned ones.
    """

    files: Mapping[str, Path]
    version: str = VERSION


def obtain_runtime(
    own: Path | None = None,
    *,
    cache: Path | None = None,
    npm: str | None = "npm",
    cdn: str = CDN,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Runtime:
    """Return the runtime's files, fetched where the cache does not have them.

    Args:
        own: A folder that has them: ``dist`` of the package, the unpacked package itself, or what
            `live-gradcam export` wrote. Other files than the pinned ones are taken with a notice.
        cache: Where fetched files are kept; the user's cache by default.
        npm: The npm client, looked up on the path; ``None`` does without.
        cdn: Address that the files are fetched from where npm did not bring them.
        on_notice: Called with a sentence for each thing that users should know.

    Raises:
        SourceError: The folder does not have the files, or some of them are damaged; or they are
            nowhere, or are not the pinned ones.
        SinkError: The cache cannot be written.
    """
    if own is not None:
        return _own_runtime(own, on_notice)
    folder = cache or user_folder() / f"onnxruntime-web-{VERSION}"
    files = {name: folder / name for name in FILES}
    if all(_is_right(name, path) for name, path in files.items()):
        return Runtime(files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
            _fetch(Path(temporary), npm, cdn)
            for name, path in files.items():
                (Path(temporary) / name).replace(path)
    except OSError as exc:
        raise cannot_write(_WHAT, folder, exc) from exc
    return Runtime(files)


def _own_runtime(own: Path, on_notice: Callable[[str], None]) -> Runtime:
    where = str(own)
    places = [own, own / "dist", own / "package" / "dist", own / "runtime"]
    found = next(
        (place for place in places if all((place / name).is_file() for name in FILES)), None
    )
    if found is None:
        missing = next((name for name in FILES if not (own / name).is_file()), "")
        cause = f"there is no {missing} in it" if own.is_dir() else "there is no such folder"
        raise SourceError("cannot use --runtime", where, cause, f"It needs {', '.join(FILES)}")
    files = {name: found / name for name in FILES}
    wrong = [name for name, path in files.items() if not _is_right(name, path)]
    broken = [name for name in wrong if not _looks_right(files[name])]
    if broken or (wrong and len(wrong) < len(FILES)):
        name = (broken or wrong)[0]
        cause = f"{name} is damaged" if broken else f"{name} is not of {VERSION}, others are"
        raise SourceError("cannot use --runtime", where, cause, "Copy the files again")
    if wrong:
        on_notice(f"the runtime in {where} is not onnxruntime-web {VERSION}: it is taken as it is")
        return Runtime(files, "own")
    return Runtime(files)


def _looks_right(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as exc:
        cause = (exc.strerror or str(exc)).lower()
        raise SourceError("cannot use --runtime", str(path), cause) from exc
    return start == _WASM_MAGIC if path.suffix == ".wasm" else bool(start.strip())


def _is_right(name: str, path: Path) -> bool:
    try:
        return file_sha256(path) == FILES[name]
    except OSError:
        return False


def _fetch(folder: Path, npm: str | None, cdn: str) -> None:
    """Bring all files into a folder, and check them.

    Raises:
        SourceError: Nothing brings them, or what came is something else.
        OSError: The folder cannot be written.
    """
    client = shutil.which(npm) if npm else None
    reason = _from_npm(client, folder) if client else ""
    if client and not reason:
        return
    failed = f"npm: {reason}; " if reason else ""
    for name in FILES:
        address = f"{cdn}/{name}"
        chunks = receive(address)
        with (folder / name).open("wb") as file:
            while chunk := _next(chunks, address, failed):
                file.write(chunk)
        if not _is_right(name, folder / name):
            cause = f"{failed}its SHA-256 is not that of onnxruntime-web {VERSION}"
            raise SourceError(_WHAT, address, cause, _STEP)


def _next(chunks: Iterator[tuple[bytes, int | None]], address: str, failed: str) -> bytes:
    """Return the next part of a download; nothing at its end. Writing it fails elsewhere."""
    try:
        return next(chunks, (b"", None))[0]
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise SourceError(_WHAT, address, f"{failed}{why_failed(exc)}", _STEP) from exc


def _from_npm(client: str, folder: Path) -> str:
    """Bring the files with npm; returns why that failed, in a few words, or nothing.

    Raises:
        OSError: The folder cannot be written.
    """
    command = [client, "pack", PACKAGE, "--ignore-scripts", "--fetch-retries=1"]
    command += ["--loglevel=error", "--fetch-timeout=30000", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,  # it asks, where a registry wants a password
            capture_output=True,
            timeout=_NPM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not bring the package in {_NPM_SECONDS:.0f} s"
    except OSError as exc:
        return (exc.strerror or str(exc)).lower()
    archive = next(folder.glob("*.tgz"), None)
    if done.returncode != 0 or archive is None:
        said = _NPM_SAYS.search(done.stderr.decode(errors="replace"))
        why = f" ({' '.join(said[1].split())[:120]})" if said else ""
        return f"it could not bring the package{why}"
    try:
        parts = _unpacked(archive)
    except (tarfile.TarError, KeyError, EOFError, OSError) as exc:
        return f"its package cannot be read ({type(exc).__name__})"
    finally:
        archive.unlink(missing_ok=True)
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    wrong = next((name for name in FILES if not _is_right(name, folder / name)), "")
    return f"{wrong} of its package is not the pinned one" if wrong else ""


def _unpacked(archive: Path) -> dict[str, bytes]:
    """Return the files of a package by their names, without unpacking anything else of it."""
    found = {}
    with tarfile.open(archive) as package:
        for name in FILES:
            member = package.extractfile(f"package/dist/{name}")
            if member is None:
                raise KeyError(name)
            with member:
                found[name] = member.read()
    return found
