"""The command: a folder of folders becomes a file, whatever else is in the folders."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.evaluate.lesson_report import render_lesson
from live_gradcam.native import cv2
from live_gradcam.teaching import ANYTHING_ELSE, learn
from live_gradcam.teaching.covers import picture_of
from live_gradcam.teaching.examples import Burst
from live_gradcam.teaching.features import FrameFeatures
from live_gradcam.teaching.folders import ClassFolder, collect, cut_into_bursts, find_files
from tests.teaching.sessions import show, wall
from tests.teaching.support import small_classifier


def _write(folder: Path, label: str, shape: int, seed: int, count: int = 3) -> None:
    (folder / label).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        shown = show(shape, wall(seed + index), seed + index, 1)
        done, data = cv2.imencode(".png", shown.frames[0])
        assert done
        (folder / label / f"{index}.png").write_bytes(data.tobytes())  # any name of any system


def _write_film(path: Path, shape: int, behind: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 8, (224, 224))
    for image in show(shape, wall(behind), seed, 24).frames:
        writer.write(image)
    writer.release()


def test_the_command_teaches_and_its_file_runs_everywhere(
    tmp_path: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    folder = tmp_path / "things"
    _write(folder, "circle", 0, 0)
    _write(folder, "星", 3, 40)
    (folder / "empty").mkdir()
    (folder / "circle" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "circle" / "notes.txt").write_text("no picture either")
    done = command("teach", folder, "-o", "mugs.safetensors", "--model", "scenes", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "circle" in done.stdout
    assert "星" in done.stdout
    assert "right about" in done.stdout
    assert "left out: cannot read picture" in done.stderr
    assert "empty is left out" in done.stderr
    assert "wrote mugs.safetensors" in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mugs.safetensors", "things"]
    arguments = [folder / "星" / "0.png", "-o", "-", "--weights", "mugs.safetensors", "--quiet"]
    ran = command("run", *arguments, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert "星" in ran.stdout
    again = command("teach", folder, "-o", "mugs.safetensors", "--model", "scenes")
    assert again.returncode == 2
    assert "not overwritten" in again.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, of pictures and a film."""
    _write(tmp_path, "circle", 0, 0, count=2)
    _write_film(tmp_path / "fish" / "clip.avi", 15, 3, 3)
    return tmp_path


def test_a_film_is_cut_into_bursts(folder: Path) -> None:
    with lg.FeatureExtractor(small_classifier()) as extractor:
        examples = collect(find_files(folder, print), extractor)
    assert examples.labels == ("circle", "fish")
    film = [each for each in examples.bursts if each.label == "fish"]
    assert [len(each) for each in film] == [10, 10]
    assert all(each.moving is not None for each in film)
    pictures = [each for each in examples.bursts if each.label == "circle"]
    assert [len(each) for each in pictures] == [3, 3]


def test_what_is_known_is_not_made_again(folder: Path) -> None:
    classes = find_files(folder, print)
    made: list[Burst] = []
    with lg.FeatureExtractor(small_classifier()) as extractor:
        first = collect(classes, extractor, on_burst=made.append)
        assert len(made) == len(first.bursts)
        made.clear()
        again = collect(classes, extractor, known=first, on_burst=made.append)
        assert made == []
        assert [each.name for each in again.bursts] == [each.name for each in first.bursts]
        # Of a film whose last burst is missing all is made anew.
        collect(classes, extractor, known=first.without_last(), on_burst=made.append)
    assert [each.label for each in made] == ["fish"] * 2


def _frames(count: int) -> list[FrameFeatures]:
    maps, black = np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 3), np.uint8)
    here = lg.Region(0, 0, 1, 1)
    return [FrameFeatures(np.array([i], np.float32), maps, black, here) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "seconds", "lengths", "apart"),
    [
        (64, 0.3, [11, 11, 12, 11, 11], 3),
        (64, 0.04, [13, 12, 13], 14),
        (24, 1.0, [12, 11], 2),
        (24, 0.0, [12, 11], 2),
        (12, 0.04, [12], 0),
        (3, 2.0, [3], 0),
    ],
)
def test_bursts_of_a_film_are_half_a_second_apart(
    count: int, seconds: float, lengths: list[int], apart: int
) -> None:
    cut = [[int(e.pooled[0]) for e in burst] for burst in cut_into_bursts(_frames(count), seconds)]
    assert [len(each) for each in cut] == lengths
    assert cut[0][0] == 0
    assert cut[-1][-1] == count - 1
    assert [after[0] - before[-1] for before, after in pairwise(cut)] == [apart] * (len(cut) - 1)
    assert all(each == list(range(each[0], each[-1] + 1)) for each in cut)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ((), "there are no folders in it"),
        (("one",), "there are no pictures in it"),
    ],
)
def test_a_folder_without_classes_is_refused(
    made: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    for name in made:
        (tmp_path / name).mkdir()
    with pytest.raises(lg.SourceError, match=said):
        find_files(tmp_path, print)


def test_real_pictures_and_clips_are_learned(shared: Path) -> None:
    """Two clips cut into bursts, on real weights: held-out bursts are told apart."""
    network = lg.load_classifier(
        "squeezenet1_1", weights=shared / "weights" / "squeezenet1_1-imagenet.pth"
    )

    films = sorted((shared / "media" / "video").glob("*.mp4"))[:2]
    classes = [ClassFolder(path.stem, (path,)) for path in films]
    with lg.FeatureExtractor(network) as extractor:
        examples = collect(classes, extractor)
        learned = learn(examples).learned
    assert learned.accuracy is not None
    assert learned.accuracy >= 0.95
    assert np.trace(learned.confusion) >= 0.95 * learned.held_out


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file of a taught classifier, and the folder of what it was taught."""
    folder = tmp_path_factory.mktemp("taught")
    _write(folder / "things", "circle", 0, 0, count=2)
    _write(folder / "things", "茶壶", 3, 40, count=2)
    network = lg.load_classifier("scenes")
    classes = find_files(folder / "things", print)
    with lg.FeatureExtractor(network) as extractor:
        lesson = learn(collect(classes, extractor))
    path = folder / "mugs.safetensors"
    files = [file for each in classes for file in each.files]
    lg.save_taught(lesson.put_on(network), path, learned=lesson.learned, examples=files)
    return path, folder / "things"


def test_an_export_is_the_taught_classifier(taught: tuple[Path, Path], tmp_path: Path) -> None:
    network = lg.load_classifier(weights=taught[0])
    lg.export(network, tmp_path / "mugs.onnx", classes="all")
    graph = lg.open_graph(tmp_path / "mugs.onnx")
    picture = taught[1] / "茶壶" / "0.png"
    with graph, lg.Explainer(network, compile="off", engine="torch", precision="fp32") as ours:
        one, other = ours.explain(picture, classes="all"), graph.explain(picture, classes="all")
    assert [e.label for e in other.predictions] == [e.label for e in one.predictions]
    assert one.predictions[0].label == "茶壶"
    np.testing.assert_allclose(other.evidence, one.evidence, atol=1e-4)
    assert other.completeness_residual is not None
    assert other.completeness_residual <= 1e-3


def test_evaluate_tells_what_was_taught_from_what_was_not(
    taught: tuple[Path, Path],
    tmp_path: Path,
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    path, folder = taught
    shutil.copytree(folder, tmp_path / "things")
    _write(tmp_path / "things", "circle", 0, 77, count=1)
    shutil.copy(
        tmp_path / "things" / "circle" / "0.png", tmp_path / "things" / "circle" / "new.png"
    )
    shutil.copy(folder / "circle" / "0.png", tmp_path / "things" / "circle" / "0.png")
    options = ["--no-sanity", "--measures", "accuracy", "-o", "x.json"]
    done = command("evaluate", "things", "--weights", path, *options, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "4 of 5 pictures are those that it was taught" in done.stderr
    assert "when it was taught: right about" in done.stderr
    notes = json.loads((tmp_path / "x.json").read_text())["notes"]
    assert any("4 of 5 pictures" in each for each in notes)


def test_doctor_and_inspect_know_a_taught_file(
    taught: tuple[Path, Path], command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    found = command("inspect", taught[0])
    assert found.returncode == 0, found.stderr
    for said in ("taught classifier", "circle, 茶壶", "right about", f"--weights {taught[0]}"):
        assert said in found.stdout
    done = command("doctor", "--weights", taught[0], timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_anything_else_is_a_folder_of_that_name_in_any_spelling(tmp_path: Path) -> None:
    for name in ("mug", "Anything_Else"):
        _write(tmp_path, name, 0, 0, count=1)
    assert [each.label for each in find_files(tmp_path, print)] == [ANYTHING_ELSE, "mug"]
    (tmp_path / "anything else").mkdir()
    with pytest.raises(lg.UsageError, match="are one class"):
        find_files(tmp_path, print)


def test_one_class_only_is_refused_with_what_would_help(tmp_path: Path) -> None:
    _write(tmp_path, "mug", 0, 0, count=1)
    (tmp_path / "empty").mkdir()
    heard: list[str] = []
    with pytest.raises(lg.SourceError, match=r'only mug has pictures.*"anything else"'):
        find_files(tmp_path, heard.append)
    assert heard == ["empty is left out: there are no pictures or films in its folder"]


def test_two_hundred_folders_are_two_hundred_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(200):
        folder = tmp_path / f"{index:03d} 类"
        folder.mkdir()
        colour = rng.integers(0, 256, 3)
        for number in range(2):
            image = np.full((40, 40, 3), colour, np.uint8)
            image[5 * number : 20, 8:16] = 255 - colour
            done, data = cv2.imencode(".png", image)
            assert done
            (folder / f"{number}.png").write_bytes(data.tobytes())
    classes = find_files(tmp_path, print)
    with lg.FeatureExtractor(small_classifier(channels=24)) as extractor:
        examples = collect(classes, extractor)
    assert len(examples.labels) == 200
    assert all(examples.count(each) == 6 for each in examples.labels)


def test_pictures_of_a_cheat_show_it_covered(tmp_path: Path) -> None:
    """The report's pictures are of the class that is told by its wall: whole, and covered."""
    for label, behind in (("mug", 1), ("茶壶", 2)):
        for burst in range(2):
            _write_film(tmp_path / label / f"{burst}.avi", 3, behind, 10 * behind + burst)
    network = small_classifier()
    classes = find_files(tmp_path, print)
    with lg.FeatureExtractor(network) as extractor:
        lesson = learn(collect(classes, extractor))
        assert all(each.by_background for each in lesson.learned.classes)
        found = picture_of(classes[1], lesson.put_on(network), extractor)
    assert found is not None
    assert found.covered is not None
    assert (found.label, found.whole.says, found.covered.says) == ("茶壶", "茶壶", "茶壶")
    page = render_lesson(lesson.learned, [found], network="small", folder="<things>")
    assert "it knows 茶壶 by what is behind it" in page
    assert page.count("data:image/jpeg") == 2
    assert "&lt;things&gt;" in page
    assert "<things>" not in page
