"""Words in another language: read with care, and never lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.errors import LiveGradcamError, SourceError, UsageError
from live_gradcam.site.tables import texts
from live_gradcam.site.translation import fingerprint, own_texts, read_texts

GERMAN = {"page.language": "de", "answer.sees": "Das Netz sieht {label}."}


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("inside", [False, True], ids=["a table", "a page's description"])
def test_words_are_read_and_what_is_missing_is_said(tmp_path: Path, inside: bool) -> None:
    notices: list[str] = []
    file = written(tmp_path / "de.json", {"format": 1, "texts": GERMAN} if inside else GERMAN)
    assert read_texts(file, notices.append) == GERMAN
    (notice,) = notices
    assert str(len(texts()) - len(GERMAN)) in notice
    assert "English" in notice
    notices.clear()
    assert read_texts(written(file, dict(texts())), notices.append) == texts()
    assert notices == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"page.langauge": "de"}, r"no such text. Did you mean page\.language"),
        ({"answer.sees": "Das Netz sieht etwas."}, r"places in braces.*\{label\}"),
        ({"answer.sees": "Das Netz sieht {name}."}, r"places in braces.*\{label\}"),
        ({"answer.sees": "Das Netz sieht {label."}, "places in braces"),
        ({"tab.picture": "Bild {x}"}, r"places in braces.*none"),
        ({"tab.picture": " "}, "no words"),
        ({"tab.picture": 3}, "no words"),
        (["a list"], "no table of keys and words"),
    ],
)
def test_words_that_the_page_could_not_show_are_named(
    tmp_path: Path, content: Any, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_texts(written(tmp_path / "de.json", content))
    assert "de.json" in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"a": "b",\n}', encoding="utf-8")
    (tmp_path / "latin.json").write_bytes(b'{"tab.picture": "Ger\xe4t"}')
    for name, kind, said in (
        ("nowhere.json", SourceError, "no such file"),
        ("broken.json", UsageError, "line "),
        ("latin.json", UsageError, "not JSON"),
    ):
        with pytest.raises(LiveGradcamError, match=said) as caught:
            read_texts(tmp_path / name)
        assert isinstance(caught.value, kind)


def test_words_of_the_page_that_is_replaced_stay_where_they_are_somebodys_work() -> None:
    notices: list[str] = []
    english = dict(texts())
    plain = {"texts": english, "english_sha256": fingerprint(english)}
    assert own_texts(plain, notices.append) == own_texts(None, notices.append) == {}
    # Written by a version whose English was another: nobody has touched it.
    older = {**english, "tab.picture": "Image"}
    untouched = {"texts": older, "english_sha256": fingerprint(older)}
    assert own_texts(untouched, notices.append) == {}
    assert notices == []
    edited = {**english, **GERMAN, "gone.key": "x", "answer.asked": "without its places"}
    kept = own_texts({**plain, "texts": edited}, notices.append)
    assert kept["page.language"] == "de"
    assert kept["answer.sees"] == GERMAN["answer.sees"]
    assert kept.keys() == english.keys() - {"answer.asked"}
    assert len(notices) == 1
