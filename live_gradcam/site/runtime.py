"""onnxruntime-web for the page: pinned, and from wherever it can be had.

Kept in the user's cache, fetched into it once: by the npm client where it is installed, which
brings the package as its maintainers published it, else from jsDelivr, which they name as the place
of its files. Whatever brings them, each file's SHA-256 is compared with the one written here.

Of the package's forty builds a page needs two: the processor's (``wasm``, with SIMD and threads),
and the one that also knows WebGPU (``jspi``), which is loaded only where a measurement is made.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from live_gradcam.errors import ModelError, SourceError
from live_gradcam.explain.networks.download import receive, why_failed
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
    "Connect once to the network, or give a folder with its files with --runtime FOLDER "
    f"('npm pack {PACKAGE}' makes an archive that has them)"
)
_NPM_SECONDS = 300.0
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
        SourceError: The folder does not have the files, or some of them are damaged.
        ModelError: They are nowhere, or are not the pinned ones.
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
    with path.open("rb") as file:
        start = file.read(4)
    return start == _WASM_MAGIC if path.suffix == ".wasm" else bool(start.strip())


def _is_right(name: str, path: Path) -> bool:
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError:
        return False
    return digest.hexdigest() == FILES[name]


def _fetch(folder: Path, npm: str | None, cdn: str) -> None:
    """Bring all files into a folder, and check them.

    Raises:
        ModelError: Nothing brings them, or what came is something else.
    """
    client = shutil.which(npm) if npm else None
    reason = _from_npm(client, folder) if client else ""
    if client and not reason:
        return
    failed = f"npm: {reason}; " if reason else ""
    for name in FILES:
        address = f"{cdn}/{name}"
        try:
            with (folder / name).open("wb") as file:
                for chunk, _total in receive(address):
                    file.write(chunk)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise ModelError(_WHAT, address, f"{failed}{why_failed(exc)}", _STEP) from exc
        if not _is_right(name, folder / name):
            cause = f"{failed}its SHA-256 is not that of onnxruntime-web {VERSION}"
            raise ModelError(_WHAT, address, cause, _STEP)


def _from_npm(client: str, folder: Path) -> str:
    """Bring the files with npm; returns why that failed, in a few words, or nothing."""
    command = [client, "pack", PACKAGE, "--silent", "--ignore-scripts", "--fetch-retries=1"]
    command += ["--fetch-timeout=60000", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=_NPM_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return "it does not answer" if isinstance(exc, subprocess.TimeoutExpired) else str(exc)
    archive = next(folder.glob("*.tgz"), None)
    if done.returncode != 0 or archive is None:
        return "it could not bring the package"
    try:
        with tarfile.open(archive) as package:
            for name in FILES:
                member = package.extractfile(f"package/dist/{name}")
                if member is None:
                    return f"{name} is no file of its package"
                with member, (folder / name).open("wb") as file:
                    shutil.copyfileobj(member, file)
    except (tarfile.TarError, KeyError, EOFError, OSError) as exc:
        return f"its package cannot be read ({type(exc).__name__})"
    finally:
        archive.unlink(missing_ok=True)
    wrong = next((name for name in FILES if not _is_right(name, folder / name)), "")
    return f"{wrong} of its package is not the pinned one" if wrong else ""
