"""What the page may load, and from where: from its own host, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

CONTENT: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self' blob:",
    "connect-src": "'self' blob:",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob:",
    "style-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
"""The content security policy, by directive. WebAssembly needs its own permission; pictures, films
and workers of the visitor's own are blobs."""

THREADS: Mapping[str, str] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers without which a browser gives a page no threads that share memory."""

MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Media types of the folder's files; browsers compile ``.wasm`` while it loads only as its own."""


def content_policy() -> str:
    """Return the policy as it stands in the page's ``meta`` element."""
    return "; ".join(f"{directive} {sources}" for directive, sources in CONTENT.items())
