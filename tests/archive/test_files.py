"""The files of a run over many: names that stay the same, and lists as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from live_gradcam.archive.files import find_files
from live_gradcam.errors import SourceError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*paths: str) -> None:
    for each in paths:
        Path(each).parent.mkdir(parents=True, exist_ok=True)
        Path(each).write_bytes(b"picture")


def names(*specs: str) -> list[str]:
    return [file.name for file in find_files(specs)]


def test_a_name_hangs_on_what_is_typed_and_not_on_what_is_found() -> None:
    make("grow/a/x.jpg", "list/more/z.jpg")
    Path("list/l.txt").write_text("more/z.jpg\n")
    assert names("grow") == ["a/x.jpg"]
    assert names("grow/**/*.jpg") == ["a/x.jpg"]
    assert names("grow/a/x.jpg") == ["x.jpg"]
    assert names("list/l.txt") == ["more/z.jpg"]
    make("grow/b/y.jpg")
    assert names("grow") == ["a/x.jpg", "b/y.jpg"]
    assert names("grow/**/*.jpg") == ["a/x.jpg", "b/y.jpg"]
    assert names("grow", "list/l.txt") == ["grow/a/x.jpg", "grow/b/y.jpg", "list/more/z.jpg"]


def test_a_folder_s_name_may_look_like_a_pattern() -> None:
    make("day[1]/x.jpg")
    assert names("day[1]") == names("day[1]/x.jpg") == ["x.jpg"]


def test_a_file_that_is_named_in_two_ways_is_one() -> None:
    make("photos/day1/0.jpg", "photos/day1/1.jpg", "lists/l.txt")
    Path("lists/l.txt").write_text("../photos/day1/0.jpg\n")
    found = ["photos/day1/0.jpg", "photos/day1/1.jpg"]
    assert names("photos/day1", "lists/l.txt") == found
    assert names("lists/l.txt", "photos/../photos/day1") == found


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("l.csv", "path\n#1.jpg\n", ["#1.jpg"]),
        ("l.csv", "#1.jpg\n", ["#1.jpg"]),
        ("l.txt", "# ours\n1.jpg\n", ["1.jpg"]),
        ("l.csv", 'path\n"a\nb.jpg"\n', ["a\nb.jpg"]),
        ("l.txt", "a\x0cb.jpg\r\nc\u2028d.jpg\n", ["a\x0cb.jpg", "c\u2028d.jpg"]),
        ("l.csv", "path;label\n1.jpg;cat\n", ["1.jpg"]),
        ("l.csv", "label\tFile Name\ncat\t1.jpg\n\ndog\n", ["1.jpg"]),
        ("l.csv", "1.jpg,cat\n2.jpg,dog\n", ["1.jpg", "2.jpg"]),
        ("l.csv", "index,source,label\n0,1.jpg,cat\n", ["1.jpg"]),
        ("l.txt", "~draft.jpg\n", ["~draft.jpg"]),
    ],
)
def test_a_list_names_what_stands_in_it(file: str, text: str, expected: list[str]) -> None:
    Path(file).write_bytes(text.encode())
    assert names(file) == expected


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("l.csv", b'path\n"' + b"x" * 200_000, "it is not CSV"),
        ("l.csv", b"path\n\xff.jpg\n", "it is not a UTF-8 text file"),
        ("l.txt", b"\xff.jpg\n", "it is not a UTF-8 text file"),
        ("l.txt", b"# nothing\n", "there is no film and no picture"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(file: str, content: bytes, words: str) -> None:
    Path(file).write_bytes(content)
    with pytest.raises(SourceError, match=words):
        find_files([file])
