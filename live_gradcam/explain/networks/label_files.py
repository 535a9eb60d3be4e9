"""Files with names of classes: text of any common form, and JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.label_records import (
    INDEX_KEYS,
    NAME_KEYS,
    Named,
    from_one,
    in_order,
    index_column,
    names_of,
    without_synsets,
)

_WHAT = "cannot use labels"
_SIZE_LIMIT = 16 << 20
_SEPARATORS = (",", ";", "\t", ":", "|", " ")
_ITEM = re.compile(r"-\s+(.*)")
_ENTRY = re.compile(r"(\d{1,9})\s*:\s*(.*)")
_SECTION = re.compile(r"(names|classes|labels|class_names)\s*:\s*(.*)")
_OTHER_SECTION = re.compile(r"[A-Za-z_][\w.-]*\s*:(\s.*)?")


@dataclass(frozen=True, slots=True)
class LabelList:
    """Names of classes as a file has them.

    Attributes:
        names: In the order of the class indices.
        notes: One sentence for each thing that was interpreted.
        lines: For each name its line in the file, counted from 1; empty for other forms than text.
    """

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()


def read_label_lists(path: Path) -> list[LabelList]:
    """Read names of classes from a file, in every way that it may be meant, the likeliest first.

    Args:
        path: The file, UTF-8.

    Raises:
        ModelError: The file cannot be read or does not hold names.
    """
    where = str(path)
    text = _read_text(path)
    if text.lstrip()[0] in "[{":
        rows = _rows(text)
        if len(rows) > 1 and all(row.text[0] == "{" for row in rows):
            return [_of(names_of([_json(row.text, where, row.line) for row in rows], where))]
        return [_of(names_of(_json(text, where), where))]
    rows = _rows(text)
    for form in (_yaml, _quoted_json, _items, _table, _indexed):
        found = form(rows, where)
        if found is not None:
            return found
    return _plain(rows)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line that is not blank: its number, counted from 1, and its text."""

    line: int
    text: str
    indented: bool = False


def _read_text(path: Path) -> str:
    where = str(path)
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise ModelError(_WHAT, where, "the file is too large to be a list of names")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ModelError(_WHAT, where, "it is not a UTF-8 text file", "Save it as UTF-8") from exc
    except FileNotFoundError as exc:
        raise ModelError(_WHAT, where, "there is no such file", "Check the path") from exc
    except OSError as exc:
        cause = "it is a folder" if path.is_dir() else exc.strerror or str(exc)
        raise ModelError(_WHAT, where, cause) from exc
    if "\0" in text:
        raise ModelError(_WHAT, where, "it is not a text file")
    if not text.strip():
        raise ModelError(_WHAT, where, "the file is empty")
    return text


def _rows(text: str) -> list[_Row]:
    # Not `splitlines`, which takes characters for line ends that stand within names.
    lines = re.split(r"\r\n|\n|\r", text)
    return [
        _Row(number, line.strip(), line[:1].isspace())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _json(text: str, where: str, line: int | None = None) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        place = where if line is None else f"{where}, line {line}"
        raise ModelError(_WHAT, place, f"it is not valid JSON ({exc})") from exc


def _of(named: Named) -> LabelList:
    return LabelList(named.names, named.notes)


def _plain(rows: Sequence[_Row]) -> list[LabelList]:
    """One name a line; blank lines are left out, and a first line that may be a title."""
    names = without_synsets([row.text for row in rows])
    lines = [row.line for row in rows]
    notes: tuple[str, ...] = ()
    inner = [n for n in range(lines[0], lines[-1]) if n not in set(lines)]
    if inner:
        notes = (f"line {inner[0]} of the labels is blank and was left out",)
        if len(inner) > 1:
            notes = (f"{len(inner)} blank lines of the labels were left out",)
    if _numbered_but(names):
        notes += (_numbered_but(names),)
    lists = [LabelList(tuple(names), notes, tuple(lines))]
    if len(names) > 1 and names[0].strip("\"'").lower() in NAME_KEYS:
        title = f"the first line, {names[0]!r}, was taken for a title"
        lists.append(LabelList(tuple(names[1:]), (*notes, title), tuple(lines[1:])))
    return lists


def _numbered_but(names: Sequence[str]) -> str:
    """Say so where lines look as if they had indices, which do not number them."""
    for separator in ",;\t:":
        firsts = [name.partition(separator)[0].strip() for name in names if separator in name]
        if len(firsts) == len(names) > 1 and all(each.isdecimal() for each in firsts):
            return "the numbers before the labels do not count them, so they are part of the names"
    return ""


def _quoted_json(rows: Sequence[_Row], where: str) -> list[LabelList] | None:
    """Lines that are JSON texts: ``"cat"``, perhaps with commas behind them."""
    texts = [row.text.rstrip(",") for row in rows]
    if not all(len(each) > 1 and each[0] == each[-1] == '"' for each in texts):
        return None
    try:
        names = [json.loads(each) for each in texts]
    except ValueError:
        return None
    return [_listed(names, rows, where)]


def _items(rows: Sequence[_Row], where: str) -> list[LabelList] | None:
    """``- cat``."""
    found = [_ITEM.fullmatch(row.text) for row in rows]
    if not all(found):
        return None
    return [_listed([_unquoted(each[1]) for each in found if each], rows, where)]


def _yaml(rows: Sequence[_Row], where: str) -> list[LabelList] | None:
    """The section ``names:`` of a YAML file, as of YOLO's data sets."""
    rows = [row for row in rows if not row.text.startswith("#") and row.text != "---"]
    starts = [
        position
        for position, row in enumerate(rows)
        if not row.indented and _SECTION.fullmatch(row.text)
    ]
    if len(starts) != 1:
        return None
    start = starts[0]
    heading = _SECTION.fullmatch(rows[start].text)
    assert heading is not None, "it was found by this"
    rest = rows[start + 1 :]
    stop = next((i for i, row in enumerate(rest) if not _belongs(row)), len(rest))
    others = [*rows[:start], *rest[stop:]]
    if not all(row.indented or _OTHER_SECTION.fullmatch(row.text) for row in others):
        return None
    inline = heading[2].split(" #")[0].strip()
    body = rest[:stop]
    if inline:
        text = " ".join([inline, *(row.text for row in body)])
        return _flow(text, where, rows[start].line)
    items = [_ITEM.fullmatch(row.text) for row in body]
    if body and all(items):
        return [_listed([_unquoted(each[1]) for each in items if each], body, where)]
    entries = [_ENTRY.fullmatch(row.text) for row in body]
    if body and all(entries):
        pairs = {int(each[1]): _unquoted(each[2]) for each in entries if each}
        if len(pairs) == len(body):
            return [_of(names_of(pairs, where))]
    return None


def _belongs(row: _Row) -> bool:
    return row.indented or _ITEM.fullmatch(row.text) is not None or row.text[0] in "]}"


def _flow(text: str, where: str, line: int) -> list[LabelList]:
    """``[cat, dog]`` or ``{0: cat, 1: dog}``, with or without quotes."""
    if text[0] not in "[{" or text[-1] not in "]}":
        raise ModelError(_WHAT, f"{where}, line {line}", "what follows is not a list of names")
    parts = [
        each.strip() for each in next(csv.reader([_requoted(text[1:-1])], skipinitialspace=True))
    ]
    parts = [each for each in parts if each]
    if text[0] == "{":
        entries = [_ENTRY.fullmatch(each) for each in parts]
        if not all(entries):
            raise ModelError(_WHAT, f"{where}, line {line}", "it is not a list of names")
        return [_of(names_of({int(e[1]): _unquoted(e[2]) for e in entries if e}, where))]
    return [_of(names_of([_unquoted(each) for each in parts], where))]


def _requoted(text: str) -> str:
    """Have names in single quotes keep their commas."""
    return re.sub(r"(^|[,:\s])'([^']*)'(?=\s*(,|$))", r'\1"\2"', text)


def _table(rows: Sequence[_Row], where: str) -> list[LabelList] | None:
    """Columns with a heading, in any order."""
    if len(rows) < 2:
        return None
    for delimiter in (",", ";", "\t", "|"):
        heading = [each.strip().lower() for each in _cells(rows[0].text, delimiter)]
        if len(heading) < 2 or not set(heading) & {*NAME_KEYS, *INDEX_KEYS[:-1]}:
            continue
        cells = [_fitted(_cells(row.text, delimiter), heading, delimiter) for row in rows[1:]]
        uneven = next(
            (row for row, found in zip(rows[1:], cells, strict=True) if found is None), None
        )
        if uneven is not None:
            if not _is_heading(heading):
                continue
            cause = f"it has not {len(heading)} columns, as the heading has"
            raise ModelError(_WHAT, f"{where}, line {uneven.line}", cause)
        columns = list(zip(*(found for found in cells if found is not None), strict=True))
        chosen = _choose_columns(heading, columns)
        if chosen is None:
            continue
        names, index = chosen
        lines = [row.line for row in rows[1:]]
        if index is None:
            return [_listed(columns[names], rows[1:], where), *_plain(rows)]
        return [_numbered(columns[names], columns[index], lines, where)]
    return None


def _is_heading(heading: Sequence[str]) -> bool:
    known = sum(each in NAME_KEYS or each in INDEX_KEYS for each in heading)
    return known == len(heading)


def _choose_columns(
    heading: Sequence[str], columns: Sequence[Sequence[str]]
) -> tuple[int, int | None] | None:
    """Return the columns of the names and of the indices."""
    counting = [i for i, column in enumerate(columns) if index_column(column) is not None]
    order = {key: rank for rank, key in enumerate((*INDEX_KEYS, *NAME_KEYS))}
    counting.sort(key=lambda i: order.get(heading[i], len(order)))
    index = counting[0] if counting else None
    rest = [i for i in range(len(columns)) if i != index]
    named = sorted(
        (i for i in rest if heading[i] in NAME_KEYS), key=lambda i: NAME_KEYS.index(heading[i])
    )
    named = [i for i in named if any(not cell.isdecimal() for cell in columns[i])] or named
    if named:
        return named[0], index
    words = [i for i in rest if any(not cell.isdecimal() for cell in columns[i])]
    return (words[0], index) if index is not None and len(words) == 1 else None


def _fitted(cells: list[str], heading: Sequence[str], delimiter: str) -> list[str] | None:
    """Return as many cells as the heading has; a name's own commas belong to the name."""
    extra = len(cells) - len(heading)
    if extra == 0:
        return cells
    if extra < 0:
        return None
    if heading[-1] in NAME_KEYS:
        return [*cells[: -extra - 1], f"{delimiter} ".join(cells[-extra - 1 :])]
    if heading[0] in NAME_KEYS:
        return [f"{delimiter} ".join(cells[: extra + 1]), *cells[extra + 1 :]]
    return None


def _indexed(rows: Sequence[_Row], where: str) -> list[LabelList] | None:
    """An index before or behind every name, if they count the names from 0 or 1."""
    for separator in _SEPARATORS:
        for split in (_index_first, _index_last):
            if separator == " " and split is _index_last:  # "level 0" is a name
                continue
            pairs = list(_split_all(rows, separator, split))
            names = [_unquoted(name) for _, name in pairs]
            indices = [index for index, _ in pairs]
            counts = len(pairs) == len(rows) and index_column(indices) is not None
            # "1 euro", "2 euro": what is left must still tell the classes apart.
            if counts and (len(rows) == 1 or 2 * len(set(names)) > len(rows)):
                return [_numbered(names, indices, [row.line for row in rows], where)]
    return None


def _split_all(
    rows: Sequence[_Row], separator: str, split: Callable[[str, str], tuple[str, str] | None]
) -> Iterator[tuple[str, str]]:
    for row in rows:
        found = split(row.text, separator)
        if found is None:
            return
        yield found


def _index_first(text: str, separator: str) -> tuple[str, str] | None:
    index, found, name = text.partition(separator)
    return (index.strip(), name.strip()) if found else None


def _index_last(text: str, separator: str) -> tuple[str, str] | None:
    name, found, index = text.rpartition(separator)
    return (index.strip(), name.strip()) if found else None


def _numbered(
    names: Sequence[str], indices: Sequence[str], lines: Sequence[int], where: str
) -> LabelList:
    numbers = [int(index) for index in indices]
    for name, line in zip(names, lines, strict=True):
        if not name.strip():
            raise _nameless(where, line)
    tidy = without_synsets([name.strip() for name in in_order(names, numbers)])
    notes = (from_one(tidy),) if min(numbers) == 1 else ()
    return LabelList(tuple(tidy), notes, tuple(in_order(lines, numbers)))


def _listed(names: Sequence[object], rows: Sequence[_Row], where: str) -> LabelList:
    tidy = [str(name).strip() for name in names]
    for name, row in zip(tidy, rows, strict=True):
        if not name:
            raise _nameless(where, row.line)
    return LabelList(tuple(without_synsets(tidy)), (), tuple(row.line for row in rows))


def _nameless(where: str, line: int) -> ModelError:
    return ModelError(
        _WHAT, f"{where}, line {line}", "the name is empty", "Give every class a name"
    )


def _cells(text: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
    return [cell.strip() for cell in cells]


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace('""', '"') if text[0] == '"' else text[1:-1]
    return text
