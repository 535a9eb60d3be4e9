"""Options are declared once: from a dataclass come the command line, the help and the value."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
import typer

from live_gradcam.choices import Fuse
from live_gradcam.cli.evaluate import EvaluateArguments
from live_gradcam.cli.network import NetworkOptions
from live_gradcam.cli.options import Outputs, Window, assemble, parameters_of
from live_gradcam.cli.parser import Command, make_parser
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.web import WebArguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    size: Annotated[int, typer.Option(min=1)] = 2
    fuse: Annotated[Fuse, typer.Option()] = "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: Annotated[str, typer.Argument()]
    inner: Inner = field(default_factory=Inner)
    outputs: Outputs = ()
    window: Window = True
    file: Annotated[Path | None, typer.Option()] = None


def parse(kind: type[Any], *arguments: str) -> Any:
    """The value of what was typed."""
    seen: list[object] = []
    parser = make_parser([Command("do", kind, lambda value, _: seen.append(value))])
    parser(["do", *arguments], standalone_mode=False)
    (value,) = seen
    return value


def test_a_dataclass_in_a_dataclass_is_spread_where_it_stands() -> None:
    parameters = parameters_of(Outer)
    names = ["name", "size", "fuse", "outputs", "window", "file"]
    assert [each.name for each in parameters] == names
    assert parameters[0].default is inspect.Parameter.empty


def test_what_was_typed_is_put_together_again() -> None:
    assert parse(Outer, "x") == Outer(name="x")
    typed = ["x", "--size", "5", "--fuse", "max", "-o", "a", "-o", "b", "--no-window"]
    assert parse(Outer, *typed, "--file", "f.txt") == Outer(
        name="x",
        inner=Inner(size=5, fuse="max"),
        outputs=("a", "b"),
        window=False,
        file=Path("f.txt"),
    )


def test_a_value_of_several_keeps_its_default_where_none_is_typed() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Several:
        methods: Annotated[tuple[str, ...], typer.Option("--method")] = ("gradcam",)

    assert parse(Several) == Several()
    assert parse(Several, "--method", "layercam") == Several(methods=("layercam",))
    assert assemble(Several, {"methods": None}) == Several()


@pytest.mark.parametrize(
    ("option", "value", "hint"), [("--fuse", "maxi", "Did you mean max"), ("--size", "0", "1")]
)
def test_a_wrong_value_is_refused_with_the_option(option: str, value: str, hint: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        parse(Outer, "x", option, value)
    assert option in caught.value.format_message()
    assert hint in caught.value.format_message()


def test_one_field_more_is_one_option_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Sparkling(RunArguments):
        sparkle: Annotated[int, typer.Option(min=1, help="How much it sparkles.")] = 3

    assert parse(Sparkling).sparkle == 3
    value = parse(Sparkling, "film.mp4", "--sparkle", "7", "--top-k", "5")
    assert value == Sparkling(sources=("film.mp4",), sparkle=7, top_k=5)
    monkeypatch.setenv("COLUMNS", "200")
    parser = make_parser([Command("run", Sparkling, lambda *_: None)])
    parser(["run", "--help"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "--sparkle" in text
    assert "How much it sparkles. [default: 3]" in text


def _defaults(*kinds: type[Any]) -> dict[str, object]:
    """The default of each option that has one."""
    found: dict[str, object] = {}
    for kind in kinds:
        for each in fields(kind):
            if not is_dataclass(get_type_hints(kind)[each.name]) and each.default is not MISSING:
                assert found.setdefault(each.name, each.default) == each.default
    return found


def _python_faces() -> dict[str, tuple[Callable[..., object], type[Any], dict[str, str]]]:
    """Callables with the options' Python side: what they are, and fields of another name."""
    from live_gradcam import (
        Explainer,
        OverlayOptions,
        RunOptions,
        load_classifier,
        open_source,
        run_session,
    )
    from live_gradcam.evaluate.dataset import open_dataset
    from live_gradcam.evaluate.options import EvaluationOptions
    from live_gradcam.web.server import serving

    return {
        "Explainer": (Explainer, RunArguments, {}),
        "the page's Explainer": (Explainer, WebArguments, {}),
        "load_classifier": (load_classifier, RunArguments, {"model": "name"}),
        "OverlayOptions": (OverlayOptions, RunArguments, {}),
        "open_source": (open_source, RunArguments, {}),
        "RunOptions": (RunOptions, RunArguments, {"class_name": "classes"}),
        "run_session": (run_session, RunArguments, {}),
        "serving": (serving, WebArguments, {}),
        "open_dataset": (open_dataset, EvaluateArguments, {}),
        "EvaluationOptions": (EvaluationOptions, EvaluateArguments, {}),
    }


_SHARED = {
    "Explainer": {"device", "engine", "precision", "compile", "top_k", "view", "method"},
    "the page's Explainer": {"device", "engine", "precision", "compile", "method"},
    "load_classifier": {
        "model",
        "weights",
        "labels",
        "layer",
        "fuse",
        "output_name",
        "preprocessing",
        "state",
        "threshold",
        "transform_input",
    },
    "OverlayOptions": {"colormap", "opacity", "show_labels", "show_legend", "top_k"},
    "open_source": {
        "loop",
        "width",
        "height",
        "fps",
        "max_outage_seconds",
        "strict",
        "stream",
        "keep_timestamps",
        "input_format",
        "pixel_format",
    },
    "RunOptions": {"class_name", "max_frames", "mirror", "show_rate", "truth"},
    "run_session": {"smooth", "kiosk"},
    "serving": {"host", "port", "share"},
    "open_dataset": {"boxes", "scenes", "seed"},
    "EvaluationOptions": {
        "methods",
        "view",
        "steps",
        "seed",
        "sanity",
        "device",
        "engine",
        "precision",
    },
}


# In Python, these are not what is typed but what it stands for.
_OTHER_FORMS = {
    "run_session": {"source", "window"},
    "open_dataset": {"source", "labels"},
    "serving": {"auth", "state"},
    "EvaluationOptions": {"measures"},
}


@pytest.mark.parametrize("name", _SHARED)
def test_python_has_the_defaults_of_the_command_line(name: str) -> None:
    face, kind, renamed = _python_faces()[name]
    parameters = inspect.signature(face).parameters
    defaults = _defaults(kind, NetworkOptions)
    shared = {
        option: renamed.get(option, option)
        for option in defaults
        if renamed.get(option, option) in parameters and option not in _OTHER_FORMS.get(name, ())
    }
    assert set(shared) == _SHARED[name]
    for option, parameter in shared.items():
        assert parameters[parameter].default == defaults[option], option
