"""Presets: what each sets, that it can be typed so, and that what is typed beside it wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from live_gradcam.cli.evaluate import EvaluateArguments
from live_gradcam.cli.parser import Command, make_parser
from live_gradcam.cli.presets import PRESETS, describe_preset, presets_markdown
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.web import WebArguments

KINDS: dict[str, type[Any]] = {
    "run": RunArguments,
    "evaluate": EvaluateArguments,
    "web": WebArguments,
}
BESIDE = {"run": ["x.png"], "evaluate": ["folder"], "web": []}
CASES = [(command, preset) for command, presets in PRESETS.items() for preset in presets]


def parse(command: str, *typed: str) -> Any:
    seen: list[object] = []
    commands = [Command(command, KINDS[command], lambda value, _: seen.append(value))]
    words = ["--no-settings", command, *BESIDE[command], *typed]
    make_parser(commands)(words, standalone_mode=False)
    return seen[0]


@pytest.mark.parametrize(("command", "preset"), CASES)
def test_a_preset_is_the_same_as_the_options_that_it_says(command: str, preset: Any) -> None:
    words = describe_preset(PRESETS[command][preset]).split()
    typed = parse(command, *words)
    chosen = parse(command, "--preset", preset)
    assert chosen.preset == preset
    assert typed.preset is None
    different = {
        name
        for name in KINDS[command].__dataclass_fields__
        if getattr(typed, name) != getattr(chosen, name)
    }
    assert different == {"preset"}
    assert len(words) >= 2


def test_what_is_typed_beside_a_preset_wins() -> None:
    found = parse("run", "--colormap", "jet", "--preset", "paper", "--show-labels", "--smooth")
    assert (found.colormap, found.show_labels, found.smooth) == ("jet", True, True)
    assert (found.show_legend, found.network.precision) == (False, "fp32")
    assert parse("run", "--preset", "kiosk", "--no-mirror").mirror is False


def test_a_preset_that_a_command_has_not_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="'stage' is not one of 'paper', 'audit'"):
        parse("web", "--preset", "stage")


@pytest.mark.parametrize("command", PRESETS)
def test_the_help_says_what_each_preset_sets(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "700")
    commands = [Command(command, KINDS[command], lambda *_: None)]
    make_parser(commands)([command, "--help"], standalone_mode=False)
    text = capsys.readouterr().out
    for preset, values in PRESETS[command].items():
        assert f"{preset}: {describe_preset(values)}" in text


def test_the_readme_says_what_each_preset_sets() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert presets_markdown() in readme.read_text(encoding="utf-8")
