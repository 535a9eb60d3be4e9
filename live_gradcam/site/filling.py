"""What stands in the page's own files for what is known only when a page is written."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from live_gradcam.fetching import file_sha256
from live_gradcam.site.policy import content_policy

WITH_PLACES = (".html", ".js", ".webmanifest")
"""Endings of the files that have places to fill in."""

_PLACE = re.compile(r"\{\{([a-z]+)(?::([\w.]+))?\}\}")


def fill_places(
    content: str, kind: str, *, version: str, title: str, words: Mapping[str, str]
) -> str:
    """Fill in what is known only now, as the file's own language writes it.

    The places are ``{{version}}``, ``{{policy}}``, ``{{title}}`` and ``{{text:KEY}}``.

    Args:
        content: Of a file of the page.
        kind: Ending of its name.
        version: Of the folder.
        title: Headline of the page.
        words: The page's texts by their keys.

    Raises:
        KeyError: There is no such place, or no such text.
    """
    values = {"version": version, "policy": content_policy(), "title": title}

    def written(place: re.Match[str]) -> str:
        value = words[place[2]] if place[1] == "text" else values[place[1]]
        if kind == ".html":
            # The policy is an attribute's value in double quotes and has none itself.
            return html.escape(value, quote=place[1] != "policy")
        return json.dumps(value, ensure_ascii=False)[1:-1]

    return _PLACE.sub(written, content)


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return `describe_file` of each file of a folder, by its name with slashes."""
    return {
        file.relative_to(folder).as_posix(): describe_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def describe_file(file: Path) -> dict[str, Any]:
    """Return ``bytes`` and ``sha256`` of a file."""
    return {"bytes": file.stat().st_size, "sha256": file_sha256(file)}


def version_of(description: Mapping[str, Any]) -> str:
    """Return what changes whenever anything does that a page shows, or that makes it.

    Args:
        description: Content of ``site.json``, with its files before their places are filled.
    """
    text = json.dumps(description, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
