"""``live-gradcam models`` and ``live-gradcam cameras``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from live_gradcam.explain.methods import METHODS

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_models_lists_networks_with_their_layers(command: Command) -> None:
    done = command("models")
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "layer4" in rows["resnet18"]
    assert "features" in rows["squeezenet1_1"]
    assert "scenes" in rows


def test_models_lists_the_methods_with_what_they_compute(command: Command) -> None:
    done = command("models", "--methods", COLUMNS="200")
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    for method in METHODS.values():
        assert method.title in rows[method.name]
        assert method.paper in rows[method.name]
    assert "sum_k max(G_k, 0) A_k" in rows["layercam"]


def test_models_lists_the_layers_of_a_network(command: Command) -> None:
    done = command("models", "--layers", "resnet18")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["index", "layer", "channels", "grid", "default"]
    assert rows[-1][1:] == ["layer4", "512", "7x7", "yes"]


def test_cameras_lists_them_or_says_that_there_are_none(command: Command) -> None:
    done = command("cameras")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("number") or "live-gradcam demo" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "name", "keys"),
    [
        (["models"], "models", {"name", "layer", "input_size", "cached"}),
        (
            ["models", "--methods"],
            "methods",
            {"name", "title", "paper", "unit", "definition", "note"},
        ),
        (
            ["models", "--layers", "scenes"],
            "layers",
            {"index", "name", "channels", "grid", "default"},
        ),
        (["cameras"], "cameras", {"index", "name", "path"}),
    ],
)
def test_lists_are_there_as_json(
    command: Command, arguments: list[str], name: str, keys: set[str]
) -> None:
    done = command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert name in content
    assert all(set(each) == keys for each in content[name])
    assert content[name] or name == "cameras"
