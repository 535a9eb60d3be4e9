"""``live-gradcam run --output KIND`` from checkpoints, against the network's own forward."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torchvision import models

from live_gradcam.cli.network import split_meaning
from live_gradcam.errors import UsageError

from .conftest import assert_one_line_error

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _network(outputs: int) -> nn.Module:
    torch.manual_seed(3)
    network = models.resnet18(num_classes=outputs)
    network.fc.weight.data.normal_(0, 0.3)
    network.train(False)
    return cast("nn.Module", network)


def _explained(command: Command, *arguments: str) -> dict[str, Any]:
    done = command("run", *arguments, "-o", "-", "--precision", "fp32", "--view", "stretch")
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (224, 224, 3), np.uint8)
    path = tmp_path / "x.png"
    PIL.Image.fromarray(pixels).save(path)
    return path


def _own(network: nn.Module, picture: Path) -> torch.Tensor:
    rgb = np.asarray(PIL.Image.open(picture).convert("RGB"))
    pixels = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None] / 255.0
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        logits: torch.Tensor = network((pixels - mean) / std)[0]
    return logits


@pytest.mark.parametrize(
    ("outputs", "said", "kind"),
    [(1, [], "binary"), (3, ["-o", "sigmoid"], "sigmoid"), (1, ["--output", "raw"], "raw")],
)
def test_checkpoints_of_each_kind(
    command: Command, tmp_path: Path, picture: Path, outputs: int, said: list[str], kind: str
) -> None:
    network = _network(outputs)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    (tmp_path / "names.txt").write_text("\n".join(["cat", "dog", "cow"][:outputs]) + "\n")
    network_options = ["--model", "resnet18", "--weights", "w.pth", "--labels", "names.txt"]
    content = _explained(command, str(picture), *network_options, *said)
    own = _own(network, picture)
    assert content["output"] == kind
    for each in content["predictions"]:
        index, logit = each["class_index"], each["logit"]
        if kind == "binary":
            expected = own[0] if index else -own[0]
            assert each["label"] == ("cat" if index else "not cat")
        else:
            expected = own[index]
        assert logit == pytest.approx(float(expected), abs=1e-4)
        if kind == "raw":
            assert each["probability"] is None
        else:
            assert each["probability"] == pytest.approx(float(expected.sigmoid()), abs=1e-5)
    assert len(content["predictions"]) == (2 if kind == "binary" else outputs)


def test_words_of_kinds_and_names_of_files_are_told_apart() -> None:
    assert split_meaning(("a.png", "raw", "-")) == ("raw", ("a.png", "-"))
    assert split_meaning(("./softmax", "softmax.png")) == ("auto", ("./softmax", "softmax.png"))
    assert split_meaning((Path("r.html"), Path("sigmoid"))) == ("sigmoid", (Path("r.html"),))
    assert split_meaning(("raw/", "sigmoids.csv")) == ("auto", ("raw/", "sigmoids.csv"))
    with pytest.raises(UsageError, match="Did you mean softmax"):
        split_meaning(("sofmax",))
    with pytest.raises(UsageError, match="two meanings"):
        split_meaning(("raw", "softmax"))


def test_a_name_of_an_output_that_is_not_there(command: Command, photo: Path) -> None:
    done = command("run", str(photo), "-o", "-", "--model", "scenes", "--output-name", "logits")
    assert_one_line_error(done, 5, "logits", "one output")
