"""Options that stand together in a value."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from live_gradcam.cli.options import Method, NetworkOptions, grouped


def test_a_value_is_spread_over_options_and_put_together_again() -> None:
    given: list[object] = []

    @grouped
    def command(*, source: str = "0", network: NetworkOptions, method: Method = "gradcam") -> None:
        """What it does."""
        given.extend([source, network, method])

    parameters = inspect.signature(command).parameters
    fields = ["model", "weights", "labels", "layer", "fuse", "device", "precision"]
    assert list(parameters) == ["source", *fields, "method"]
    defaults = {name: each.default for name, each in parameters.items()}
    assert defaults["model"] == "resnet18"
    assert command.__doc__ == "What it does."
    command(**{**defaults, "weights": Path("mine.pth"), "fuse": "max"})
    assert given == ["0", NetworkOptions(weights=Path("mine.pth"), fuse="max"), "gradcam"]


def test_a_network_needs_no_options() -> None:
    assert NetworkOptions().model == "resnet18"
    with pytest.raises(TypeError):
        NetworkOptions("resnet50")  # type: ignore[misc]
