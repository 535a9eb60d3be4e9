"""``live-gradcam run`` as a user meets it.

Faults are really caused; each must end with its documented code and one line on stderr.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest

from live_gradcam.scenes import SCENE_CLASSES

from .conftest import assert_one_line_error

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_help_of_run_names_every_option(command: Command) -> None:
    done = command("run", "--help", COLUMNS="120")
    options = (
        "--output --model --weights --labels --method --layer --fuse --device --precision "
        "--compile --class --top-k --view --colormap --opacity --mirror --width --height --fps "
        "--max-frames --loop --overwrite --no-window --quiet --debug"
    )
    for option in options.split():
        assert option in done.stdout


def test_a_missing_file_is_code_3(command: Command) -> None:
    done = command("run", "nowhere.mp4", "-o", "out.mp4")
    assert_one_line_error(done, 3, "nowhere.mp4")


def test_a_text_file_named_mp4_is_code_3(command: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("these are notes, not a film\n" * 50)
    done = command("run", "notes.mp4", "-o", "out.mp4")
    assert_one_line_error(done, 3, "notes.mp4", "text")
    assert not (tmp_path / "out.mp4").exists()


def test_an_empty_file_is_code_3(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert_one_line_error(command("run", "empty.mp4", "-o", "out.mp4"), 3, "empty")


def test_an_absent_camera_is_code_3_without_noise(command: Command) -> None:
    assert_one_line_error(command("run", "77", "-o", "out.mp4"), 3, "77")


def test_an_unknown_model_is_code_5_and_names_near_ones(command: Command, photo: Path) -> None:
    done = command("run", photo, "-o", "out.png", "--model", "resnet81")
    assert_one_line_error(done, 5, "resnet81", "resnet18")


def test_a_checkpoint_of_another_network_is_code_5(
    command: Command, photo: Path, shared: Path
) -> None:
    weights = shared / "weights" / "squeezenet1_1-imagenet.pth"
    done = command("run", photo, "-o", "out.png", "--weights", weights)
    assert_one_line_error(done, 5, "resnet18")


def test_labels_that_do_not_match_are_code_5(command: Command, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    done = command("run", photo, "-o", "out.png", "--model", "scenes", "--labels", "labels.txt")
    assert_one_line_error(done, 5, "2")


def test_an_unknown_class_is_code_2_and_names_near_ones(command: Command, photo: Path) -> None:
    done = command("run", photo, "-o", "out.png", "--model", "scenes", "--class", "sqare")
    assert_one_line_error(done, 2, "sqare", "square")


def test_output_equal_to_input_is_code_2(command: Command, photo: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    (tmp_path / "link.png").symlink_to(photo)
    for output in ("photo.png", "link.png"):
        done = command("run", photo, "-o", output, "--overwrite", "--model", "scenes")
        assert_one_line_error(done, 2, output)
    assert photo.read_bytes() == before


def test_an_existing_output_needs_overwrite(command: Command, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(b"precious")
    done = command("run", photo, "-o", "out.png", "--model", "scenes")
    assert_one_line_error(done, 2, "out.png", "--overwrite")
    assert (tmp_path / "out.png").read_bytes() == b"precious"
    done = command("run", photo, "-o", "out.png", "--model", "scenes", "--overwrite", "--clean")
    assert done.returncode == 0
    with PIL.Image.open(tmp_path / "out.png") as image:
        assert image.size == (160, 120)


def test_a_missing_output_folder_is_code_4(command: Command, photo: Path) -> None:
    done = command("run", photo, "-o", "no/such/folder/out.png", "--model", "scenes")
    assert_one_line_error(done, 4, "no/such/folder")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize("display", [None, ":4242"])
def test_no_display_is_code_6_and_never_an_abort(
    command: Command, photo: Path, display: str | None
) -> None:
    environment = {} if display is None else {"DISPLAY": display}
    done = command("run", photo, "--model", "scenes", **environment)
    assert_one_line_error(done, 6, "-o")


def test_cuda_without_cuda_is_code_6(command: Command, photo: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    done = command("run", photo, "-o", "out.png", "--model", "scenes", "--device", "cuda")
    assert_one_line_error(done, 6, "cuda", "cpu")


def test_no_weights_and_no_network_is_code_5_with_the_ways_out(
    command: Command, photo: Path, tmp_path: Path
) -> None:
    # A proxy that refuses every connection stands for a machine without a network.
    done = command(
        "run",
        photo,
        "-o",
        "out.png",
        TORCH_HOME=str(tmp_path / "cache"),
        https_proxy="http://127.0.0.1:9",
    )
    assert_one_line_error(done, 5, "--weights", "--model scenes", "resnet18-f37072fd.pth")
    assert not list((tmp_path / "cache").rglob("*.pth*"))


def test_records_on_stdout_are_json_lines_and_nothing_else(command: Command, photo: Path) -> None:
    done = command("run", photo, "-o", "-", "--model", "scenes")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 1
    (record,) = records
    assert record["index"] == 0
    assert record["region"] == [20, 0, 120, 120]
    assert len(record["predictions"]) == 3
    assert record["explained"] == record["predictions"][0]["class_index"]
    assert set(record["predictions"][0]) == {"class_index", "label", "logit", "probability"}


def test_quiet_says_nothing(command: Command, photo: Path) -> None:
    done = command("run", photo, "-o", "out.png", "--model", "scenes", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_chosen_class_is_the_one_explained(command: Command, photo: Path) -> None:
    done = command("run", photo, "-o", "-", "--model", "scenes", "--class", "star")
    label = {p["class_index"]: p["label"] for p in json.loads(done.stdout)["predictions"]}
    record = json.loads(done.stdout)
    assert record["explained"] == SCENE_CLASSES.index("star")
    assert all(SCENE_CLASSES[index] == name for index, name in label.items())


@pytest.mark.parametrize("name", ["layercam", "eigencam"])
def test_a_chosen_method_is_named_in_the_record(
    command: Command, photo: Path, tmp_path: Path, name: str
) -> None:
    done = command(
        "run", photo, "-o", "-", "-o", f"{name}.png", "--model", "scenes", "--method", name
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["method"] == name
    assert (tmp_path / f"{name}.png").exists()
