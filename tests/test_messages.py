"""What is said to people has one mark at a time, in every form that the source can give it."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import live_gradcam
from live_gradcam import errors
from live_gradcam.errors import LiveGradcamError, describe_bug, sentence

PACKAGE = Path(live_gradcam.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, LiveGradcamError)
}
# Calls whose first argument is a sentence for the user.
TELLERS = {"note", "error", "on_notice", "yield_note", "warn"}
PARTS = ("what", "where", "cause", "next_step")

# A path, a name with a dot at its end, a library's sentence: what a placeholder can stand for.
FILLINGS = ("clip.mp4", "it broke.", "a: b", "Did you mean magma? ", "")

DOUBLED = re.compile(
    r"(?<!\.)\.\.(?!\.)(?=\s|$)|\.{4,}|[:;,?!]\s*[.:;,?!](?=\s|$)(?!\.\.)|(?<=\S)\s[:;,?!](?=\s|$)"
    r"|(?<!\.)\.[:;,?!](?=\s|$)|\s\s|^\s|\s$"
)


def doubled_marks(text: str) -> list[str]:
    """The places where a text has two marks, two spaces, or a space before a mark."""
    return [text[max(0, m.start() - 15) : m.end() + 15] for m in DOUBLED.finditer(text)]


def test_the_check_itself_finds_what_it_is_for() -> None:
    for wrong in ("a..", "a.; b", "a: : b", "a , b", "a  b", "magma?.", "a.: b", "a, . b", "b...."):
        assert doubled_marks(wrong), wrong
    for right in ("a, b, ... and c.", "0..255 of ../x", "Did you mean a? Use b.", "a (b, ...)."):
        assert not doubled_marks(right), right


def _texts(node: ast.expr | None, known: dict[str, list[ast.expr]], depth: int = 0) -> list[str]:
    """Every form that an expression can have, with fillings for what is not known."""
    if node is None:
        return [""]
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        parts = [_texts(each, known, depth + 1) for each in node.values]
        most = max(map(len, parts), default=1)
        return ["".join(part[i % len(part)] for part in parts) for i in range(most)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        pairs = (_texts(node.left, known, depth + 1), _texts(node.right, known, depth + 1))
        return ["".join(each) for each in itertools.islice(itertools.product(*pairs), 40)]
    if isinstance(node, ast.IfExp):
        return _texts(node.body, known, depth + 1) + _texts(node.orelse, known, depth + 1)
    if isinstance(node, ast.Name) and node.id in known and depth < 4:
        return [text for each in known[node.id] for text in _texts(each, known, depth + 1)]
    return list(FILLINGS)


def _assignments(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Every expression that a name is given somewhere in a function or a module."""
    known: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name):
                known.setdefault(target.id, []).append(node.value)
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for name, value in zip(target.elts, node.value.elts, strict=False):
                    if isinstance(name, ast.Name):
                        known.setdefault(name.id, []).append(value)
    return known


def _calls(path: Path) -> Iterator[tuple[ast.Call, dict[str, list[ast.expr]]]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = _assignments(ast.Module([n for n in tree.body if isinstance(n, ast.Assign)], []))
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            known = {**top, **_assignments(function)}
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    yield node, known


def _called(node: ast.Call) -> str:
    named = node.func
    return named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")


def _error_forms(node: ast.Call, known: dict[str, list[ast.expr]]) -> Iterator[str]:
    given_parts: dict[str, ast.expr | None] = dict(zip(PARTS, node.args, strict=False))
    given_parts |= {each.arg: each.value for each in node.keywords if each.arg}
    forms = [_texts(given_parts.get(part), known) for part in PARTS]
    most = max(map(len, forms))
    for shift, index in itertools.product(range(2), range(most)):
        parts = [form[(index + shift * place) % len(form)] for place, form in enumerate(forms)]
        if parts[0]:
            yield str(LiveGradcamError(*parts))


def test_every_error_of_the_source_in_every_form() -> None:
    seen, wrong = 0, []
    for path in MODULES:
        for node, known in _calls(path):
            if _called(node) not in KINDS or any(isinstance(e, ast.Starred) for e in node.args):
                continue
            for form in _error_forms(node, known):
                seen += 1
                if doubled_marks(form) or not form.endswith((".", "?", "!")):
                    wrong.append((path.name, node.lineno, form))
    assert seen > 1000
    assert not wrong


def test_every_sentence_that_is_told_in_passing() -> None:
    seen, wrong = 0, []
    for path in MODULES:
        for node, _ in _calls(path):
            if _called(node) not in TELLERS or not node.args:
                continue
            if not isinstance(node.args[0], (ast.Constant, ast.JoinedStr)):
                continue
            # Names and figures stand where a placeholder is, sentences do not.
            for form in _texts(_filled(node.args[0]), {}):
                seen += 1
                if doubled_marks(form):
                    wrong.append((path.name, node.lineno, form))
    assert seen > 20
    assert not wrong


def _filled(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.JoinedStr):
        values: list[ast.expr] = [
            each if isinstance(each, ast.Constant) else ast.Constant("x") for each in node.values
        ]
        return ast.JoinedStr(values)
    return node


MARKED = st.lists(
    st.sampled_from(["word", "a.b", "?", ".", "..", "...", ":", ";", ",", "!", " ", "\n", "0..1"]),
    max_size=8,
).map("".join)


@given(MARKED, st.sampled_from(["", "clip.mp4", "a b"]), MARKED, MARKED)
def test_whatever_a_library_says_comes_out_with_single_marks(
    what: str, where: str, cause: str, step: str
) -> None:
    text = str(LiveGradcamError(f"failed {what}", where, f"because {cause}", f"try {step}"))
    assert not doubled_marks(text), text
    assert "\n" not in text


@pytest.mark.parametrize("where", [".", "..", "what?", "a.", "rtsp://x/,"])
def test_a_place_with_a_mark_at_its_end_is_quoted(where: str) -> None:
    assert str(LiveGradcamError("cannot open", where, "no")) == f"cannot open: '{where}': no."


def test_a_bug_is_one_sentence() -> None:
    assert not doubled_marks(describe_bug(ValueError("it broke.: x..")))
    assert sentence("Did you mean magma?") == "Did you mean magma?"
