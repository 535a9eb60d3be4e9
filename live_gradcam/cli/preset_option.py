"""The option ``--preset`` of the commands that have presets."""

from __future__ import annotations

from typing import Any

import typer

from live_gradcam.cli.options import option
from live_gradcam.cli.presets import PRESETS, describe_preset, preset_values
from live_gradcam.cli.settings import IN_FORCE


def _help(command: str) -> str:
    described = (f"{name}: {describe_preset(each)}" for name, each in PRESETS[command].items())
    return f"Sets several options; what is typed beside it wins. {'; '.join(described)}."


def _apply(context: typer.Context, value: str | None) -> str | None:
    """Put a typed preset above the settings of files and variables, and in place of theirs."""
    source = context.get_parameter_source("preset")
    if value is None or context.resilient_parsing or getattr(source, "name", "") != "COMMANDLINE":
        return value
    command = str(context.info_name)
    values = preset_values(command, value)
    names = {
        spelling.lstrip("-"): str(parameter.name)
        for parameter in context.command.params
        for spelling in parameter.opts
    }
    chosen = {names[key]: each for key, each in values.items()}
    others = IN_FORCE.get().without_preset(command).defaults().get(command, {})
    context.default_map = {**others, **chosen}
    return value


def _option(command: str) -> Any:  # noqa: ANN401 - as `option`
    return option(_help(command), "--preset", callback=_apply, is_eager=True)


RUN_PRESET = _option("run")
EVALUATE_PRESET = _option("evaluate")
WEB_PRESET = _option("web")
