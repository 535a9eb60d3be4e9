"""The methods are found in their modules, and by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from live_gradcam.errors import UsageError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods import (
    METHODS,
    QUICK_METHODS,
    Method,
    methods_markdown,
    require_method,
)
from tests.explain import support
from tests.explain.heads.support import make_case


def test_every_module_has_its_method() -> None:
    homes = [method.__module__.rpartition(".")[2] for method in METHODS.values()]
    assert len(set(homes)) == len(homes), "one method a module"
    assert {method.__module__.rpartition(".")[0] for method in METHODS.values()} == {
        "live_gradcam.explain.methods"
    }


def test_the_first_is_the_default_and_places_are_taken_once() -> None:
    assert next(iter(METHODS)) == "gradcam"
    places = [method.place for method in METHODS.values() if method.place is not None]
    assert places == list(range(1, len(places) + 1))
    assert [name for name, method in METHODS.items() if method.place is not None] == [*METHODS][
        : len(places)
    ], "those without a place come last"


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_says_what_users_read(method: type[Method]) -> None:
    for text in (method.name, method.title, method.paper, method.definition, method.unit):
        assert text
        assert text == text.strip()
    assert method.link().startswith(("https://arxiv.org/abs/", "https://doi.org/10."))
    assert method.__doc__
    assert method.title in method.__doc__.partition("\n")[0]


def test_the_quick_ones_need_one_forward() -> None:
    assert [name for name in METHODS if name not in QUICK_METHODS] == ["scorecam", "ablationcam"]


def test_the_readme_s_table_has_a_row_for_each_with_a_place() -> None:
    rows = methods_markdown().splitlines()[2:]
    placed = [method for method in METHODS.values() if method.place is not None]
    assert len(rows) == len(placed)
    for row, method in zip(rows, placed, strict=True):
        assert row.startswith(f"| `{method.name}` | [{method.title}](")


def test_an_unknown_method_names_near_ones() -> None:
    with pytest.raises(UsageError, match=r"grad-cam\+\+.*Did you mean gradcam\+\+"):
        require_method("grad-cam++")
    with pytest.raises(UsageError, match="layercam"):
        Explainer(support.tiny_classifier(), method="layer")


@pytest.mark.parametrize("name", METHODS)
def test_several_layers_are_refused_where_that_takes_many_forwards(name: str) -> None:
    head = make_case("several layers").head
    if name in QUICK_METHODS:
        assert require_method(name, head) is METHODS[name]
        return
    with pytest.raises(UsageError, match=rf"{METHODS[name].title} explains one layer.*or use "):
        require_method(name, head)


def test_the_command_line_loads_none_of_them() -> None:
    code = (
        "import live_gradcam.cli.main, sys;"
        "print([name for name in sys.modules if name.startswith('live_gradcam.explain.methods')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
