"""A page comes to its place whole, and what is not a page's is never replaced or removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from live_gradcam.errors import UsageError
from live_gradcam.site.placing import check_files, put, read_description, staging


def page(version: str, *names: str) -> dict[str, bytes]:
    """Files of a page by their names; in each stands whose it is."""
    files = {name: f"{name} of {version}".encode() for name in ("index.html", *names)}
    facts = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    description = {"format": 1, "version": version, "files": facts}
    return {**files, "site.json": json.dumps(description).encode()}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def put_page(folder: Path, files: Mapping[str, bytes]) -> None:
    with staging(folder) as staged:
        write(staged, files)
        put(staged, folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_page_comes_into_a_folder_with_other_files(tmp_path: Path) -> None:
    write(tmp_path, {"README.md": b"mine", "js/mine.js": b"mine"})
    new = page("1", "js/app.js")
    check_files(tmp_path, new, overwrite=False)
    put_page(tmp_path, new)
    assert files_of(tmp_path) == {**new, "README.md": b"mine", "js/mine.js": b"mine"}


def test_a_folder_is_made_and_is_gone_again_where_nothing_came(tmp_path: Path) -> None:
    put_page(tmp_path / "new", page("1"))
    assert files_of(tmp_path / "new") == page("1")
    with pytest.raises(ValueError, match="on the way"), staging(tmp_path / "other"):
        raise ValueError("on the way")
    assert not (tmp_path / "other").exists()


def test_the_page_before_is_replaced_and_the_users_files_stay(tmp_path: Path) -> None:
    before = page(
        "1", "js/app.js", "js/old.js", "old/only.js", "examples/old.jpg", "examples/1.jpg"
    )
    put_page(tmp_path, before)
    mine = {
        "examples/old.jpg": b"a picture of the teacher's, instead of the page's",
        "js/mine.js": b"mine",
        "examples/mine.jpg": b"mine",
    }
    write(tmp_path, mine)
    new = page("2", "js/app.js", "js/new.js", "examples/1.jpg")
    check_files(tmp_path, new, overwrite=True)
    put_page(tmp_path, new)
    assert files_of(tmp_path) == {**new, **mine}
    assert not (tmp_path / "old").exists()


def test_a_page_is_replaced_only_when_that_was_asked_for(tmp_path: Path) -> None:
    put_page(tmp_path, page("1"))
    with pytest.raises(UsageError, match="--overwrite"):
        check_files(tmp_path, page("2"), overwrite=False)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"site.json": b"{}"},
        {"site.json": b"not JSON"},
        {"site.json": json.dumps({"format": 1, "version": "1", "files": {}}).encode()},
    ],
    ids=["none", "another program's", "damaged", "a page without it"],
)
@pytest.mark.parametrize("name", ["js/app.js", "index.html"])
def test_files_that_only_have_the_same_names_are_refused(
    tmp_path: Path, other: Mapping[str, bytes], name: str
) -> None:
    write(tmp_path, {**other, name: b"somebody's work"})
    before = files_of(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="stays") as caught:
            check_files(tmp_path, [name], overwrite=overwrite)
        assert "--overwrite" not in str(caught.value)
    with pytest.raises(UsageError, match="stays"):
        put_page(tmp_path, page("1", "js/app.js"))
    assert files_of(tmp_path) == before


def test_nothing_is_written_or_removed_outside_the_folder(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "page"
    write(elsewhere, {"app.js": b"mine"})
    folder.mkdir()
    (folder / "js").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="js: it is no file of a page"):
        check_files(folder, ["js/app.js"], overwrite=True)
    (folder / "js").unlink()
    put_page(folder, page("1", "../elsewhere/app.js") | {"../elsewhere/app.js": b"mine"})
    put_page(folder, page("2"))
    assert files_of(elsewhere) == {"app.js": b"mine"}


def test_a_folder_or_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").mkdir()
    (tmp_path / "js").write_text("a file", encoding="utf-8")
    for name, where in (("graph.onnx", "graph.onnx"), ("js/app.js", "js")):
        with pytest.raises(UsageError, match=f"{where}: it is no file of a page"):
            check_files(tmp_path, [name], overwrite=True)


@pytest.mark.parametrize("at", range(4))
def test_a_page_that_cannot_be_put_there_whole_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    before = page("1", "js/app.js")
    put_page(tmp_path, before)
    replace, calls = Path.replace, iter(range(100))

    def failing(self: Path, target: Path) -> Path:
        if ".before" not in self.parts and next(calls) == at:
            raise PermissionError(13, "Permission denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(PermissionError):
        put_page(tmp_path, page("2", "js/app.js", "js/new.js"))
    assert files_of(tmp_path) == before


def test_the_description_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is described is there."""
    replace, order = Path.replace, []

    def noting(self: Path, target: Path) -> Path:
        order.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noting)
    put_page(tmp_path, page("1", "service-worker.js", "z.js", "js/app.js"))
    assert order[-3:] == ["index.html", "service-worker.js", "site.json"]


def test_what_a_killed_export_left_is_its_own_and_goes(tmp_path: Path) -> None:
    """New files were put there, and what describes them was not."""
    killed = page("2", "js/app.js", "js/new.js")
    write(tmp_path, {name: each for name, each in killed.items() if name != "site.json"})
    write(tmp_path / ".live-gradcam-killed", {"site.json": killed["site.json"]})
    assert read_description(tmp_path) is None
    new = page("3", "js/app.js")
    check_files(tmp_path, new, overwrite=False)
    put_page(tmp_path, new)
    assert files_of(tmp_path) == new
