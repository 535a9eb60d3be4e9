"""The page's words in another language: the same keys, the same places in braces."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from live_gradcam.errors import SourceError, UsageError
from live_gradcam.site import tables
from live_gradcam.wording import did_you_mean

_WHAT = "cannot use the page's words"


def read_texts(file: Path, on_notice: Callable[[str], None] = lambda _: None) -> Mapping[str, str]:
    """Read words of a page.

    Args:
        file: JSON: ``{key: words}``, or the ``site.json`` of a page that has them as ``texts``.
        on_notice: Called with a sentence where some keys are missing: they stay English.

    Raises:
        SourceError: The file cannot be read.
        UsageError: It is something else, a key is unknown, or places in braces are not those of the
            English words.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        cause = "there is no such file" if not file.exists() else (exc.strerror or str(exc)).lower()
        raise SourceError(_WHAT, str(file), cause) from exc
    except ValueError as exc:
        line = f"line {exc.lineno}: {exc.msg}" if isinstance(exc, json.JSONDecodeError) else "UTF-8"
        raise UsageError(_WHAT, str(file), f"it is not JSON ({line})", "Correct it") from exc
    if isinstance(content, dict) and isinstance(content.get("texts"), dict):
        content = content["texts"]
    if not isinstance(content, dict):
        step = "Begin with the texts of a page's site.json"
        raise UsageError(_WHAT, str(file), "it is no table of keys and words", step)
    check_texts(content, str(file))
    missing = tables.texts().keys() - content.keys()
    if missing:
        said = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        on_notice(f"{len(missing)} of the page's texts are not in {file}, and stay English: {said}")
    return {str(key): str(words) for key, words in content.items()}


def check_texts(content: Mapping[str, Any], where: str) -> None:
    """Refuse words that the page could not show.

    Raises:
        UsageError: A key is unknown, words are none, or have other places than the English ones.
    """
    english = tables.texts()
    for key, words in content.items():
        at = f"{where}: {key}"
        if key not in english:
            step = f"{did_you_mean(key, english)}Leave it out"
            raise UsageError(_WHAT, at, "the page has no such text", step)
        if not isinstance(words, str) or not words.strip():
            raise UsageError(_WHAT, at, "there are no words", f"It is in English: {english[key]}")
        found, wanted = _places(words), _places(english[key])
        if found != wanted:
            named = " and ".join(sorted(f"{{{each}}}" for each in wanted or ())) or "none"
            cause = f"its places in braces are not those of the English text ({named})"
            raise UsageError(_WHAT, at, cause, f"It is in English: {english[key]}")


def _places(words: str) -> set[str] | None:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}
    except ValueError:  # a brace without its other one
        return None


def fingerprint(texts: Mapping[str, str]) -> str:
    """Return the SHA-256 of a page's words."""
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def own_texts(
    description: Mapping[str, Any] | None, on_notice: Callable[[str], None]
) -> Mapping[str, str]:
    """Return the words of the page that is replaced, where they are somebody's work.

    Args:
        description: Content of its ``site.json``; ``None`` where there is no page.
        on_notice: Called with a sentence where there are any.
    """
    texts = (description or {}).get("texts")
    english = (description or {}).get("english_sha256")
    if not isinstance(texts, dict) or not english or fingerprint(texts) == english:
        return {}
    now = tables.texts()
    kept = {
        key: words
        for key, words in texts.items()
        if isinstance(words, str) and key in now and _places(words) == _places(now[key])
    }
    on_notice("the page's texts are not the English ones: they stay (--texts FILE takes others)")
    return kept
