"""What stands for the runtime where only the folder around it is tested."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.site.runtime import FILES, Runtime


def small_runtime(folder: Path) -> Runtime:
    """Files of the runtime's names: what is in them is another test's question."""
    folder.mkdir(exist_ok=True)
    files = {}
    for name in FILES:
        path = folder / name
        path.write_bytes(b"\0asm" + name.encode() if name.endswith(".wasm") else name.encode())
        files[name] = path
    return Runtime(files)
