"""Which output a form means, and which forms are refused before anything is touched."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.errors import SinkError, UsageError
from live_gradcam.native import cv2
from live_gradcam.show.animation import AnimationSink
from live_gradcam.show.images import FolderSink, ImageSink, write_image
from live_gradcam.show.open import open_sink, validate_outputs
from live_gradcam.show.recorder import VideoSink
from live_gradcam.show.records import RecordSink
from live_gradcam.show.sink import Sink
from live_gradcam.values import Explanation, Frame, SourceInfo
from tests.show.conftest import decode_image, numbered


@pytest.fixture
def images(scene_info: SourceInfo) -> SourceInfo:
    return dataclasses.replace(scene_info, kind="pictures", several_files=True, fps=None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", VideoSink),
        ("a.MP4", VideoSink),
        ("a.mkv", VideoSink),
        ("a.webm", VideoSink),
        ("a.gif", AnimationSink),
        ("a.apng", AnimationSink),
        ("a.png", ImageSink),
        ("a.JPEG", ImageSink),
        ("a.webp", ImageSink),
        ("a.bmp", ImageSink),
        ("a.jsonl", RecordSink),
        ("a.csv", RecordSink),
        ("new", FolderSink),
        ("new.d/", FolderSink),
        ("there.is/", FolderSink),
        ("there.is", FolderSink),
    ],
)
def test_the_form_chooses_the_output(
    tmp_path: Path, scene_info: SourceInfo, name: str, kind: type[Sink]
) -> None:
    (tmp_path / "there.is").mkdir()
    one = dataclasses.replace(scene_info, frame_count=1)
    with open_sink(f"{tmp_path}/{name}", one) as sink:
        assert type(sink) is kind


def test_a_webp_file_is_animated_where_there_is_more_than_one_frame(
    tmp_path: Path, scene_info: SourceInfo
) -> None:
    with open_sink(f"{tmp_path}/a.webp", scene_info) as sink:
        assert isinstance(sink, AnimationSink)
    with open_sink(f"{tmp_path}/b.webp", scene_info, max_frames=1) as sink:
        assert isinstance(sink, ImageSink)


def test_a_dash_is_standard_output_and_a_path_never_is(
    scene_info: SourceInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_sink("-", scene_info).path is None
    monkeypatch.chdir(tmp_path)
    with open_sink(Path("-"), scene_info) as sink:
        assert isinstance(sink, FolderSink)


@pytest.mark.parametrize("spec", ["out.tiff", "out.avi", "out.mp4.txt", "", "  ", "a\0b.mp4"])
def test_unknown_forms_are_refused_with_those_that_exist(tmp_path: Path, spec: str) -> None:
    with pytest.raises(UsageError, match=r"\.mp4, .*\.png, .*\.jsonl.*folder") as caught:
        validate_outputs([f"{tmp_path}/{spec}" if spec.strip() else spec])
    assert caught.value.exit_code == 2


def test_an_existing_file_without_a_known_ending_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("mine")
    with pytest.raises(UsageError, match="README"):
        validate_outputs([str(tmp_path / "README")], overwrite=True)


@pytest.mark.parametrize("way", ["itself", "symlink", "hard link", "dotted"])
def test_an_output_that_is_the_input_is_refused_even_with_overwrite(
    tmp_path: Path, way: str
) -> None:
    film = tmp_path / "clip.mp4"
    film.write_bytes(b"film")
    (tmp_path / "d").mkdir()
    output = {
        "itself": film,
        "symlink": tmp_path / "soft.mp4",
        "hard link": tmp_path / "hard.mp4",
        "dotted": tmp_path / "d" / ".." / "clip.mp4",
    }[way]
    if way == "symlink":
        output.symlink_to(film)
    if way == "hard link":
        os.link(film, output)
    with pytest.raises(UsageError, match="output equals input") as caught:
        validate_outputs([str(output)], [film], overwrite=True)
    assert caught.value.exit_code == 2
    assert film.read_bytes() == b"film"


def test_the_folder_of_the_images_is_no_place_for_the_explained_ones(tmp_path: Path) -> None:
    source = tmp_path / "dog.jpg"
    source.write_bytes(b"dog")
    for spec in (f"{tmp_path}/", str(tmp_path)):
        with pytest.raises(UsageError, match=r"replace .*dog\.jpg"):
            validate_outputs([spec], [source], overwrite=True)
    validate_outputs([f"{tmp_path}/explained/"], [source])
    (tmp_path / "clip.mp4").write_bytes(b"film")
    validate_outputs([str(tmp_path)], [tmp_path / "clip.mp4"])


@pytest.mark.parametrize("name", ["out.mp4", "out.png", "out.jsonl"])
def test_an_existing_output_is_kept_unless_overwrite_is_asked_for(
    tmp_path: Path, scene_info: SourceInfo, name: str
) -> None:
    output = tmp_path / name
    output.write_bytes(b"precious")
    one = dataclasses.replace(scene_info, frame_count=1)
    for refuse in (lambda: validate_outputs([str(output)]), lambda: open_sink(str(output), one)):
        with pytest.raises(UsageError, match="--overwrite") as caught:
            refuse()
        assert caught.value.exit_code == 2
    assert output.read_bytes() == b"precious"
    validate_outputs([str(output)], overwrite=True)


def test_a_folder_may_exist_but_not_the_images_in_it(
    tmp_path: Path, images: SourceInfo, explained: Explanation
) -> None:
    (tmp_path / "other.txt").write_text("x")
    source = Path("elsewhere/dog.jpg")
    validate_outputs([str(tmp_path)], [source])
    (tmp_path / "dog.jpg").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"dog\.jpg"):
        validate_outputs([str(tmp_path)], [source])
    frame = Frame(np.zeros((8, 8, 3), np.uint8), 0, 0.0, "dog.jpg")
    with open_sink(str(tmp_path), images) as sink, pytest.raises(UsageError, match="--overwrite"):
        sink.write(frame, frame.image, explained)
    assert (tmp_path / "dog.jpg").read_bytes() == b"precious"
    with open_sink(str(tmp_path), images, overwrite=True) as sink:
        sink.write(frame, frame.image, explained)
    assert decode_image(tmp_path / "dog.jpg").shape == (8, 8, 3)


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="the folder does not exist") as caught:
        validate_outputs([str(tmp_path / "no" / "out.mp4")])
    assert caught.value.exit_code == 4
    with pytest.raises(SinkError, match="the folder does not exist"):
        validate_outputs([f"{tmp_path}/no/folder/"])


def test_the_same_output_twice_is_refused(tmp_path: Path) -> None:
    for pair in (["-", "-"], [f"{tmp_path}/a.mp4", f"{tmp_path}/./a.mp4"]):
        with pytest.raises(UsageError, match="two outputs are the same"):
            validate_outputs(pair)
    validate_outputs([f"{tmp_path}/a.mp4", f"{tmp_path}/a.jsonl", "-"])


def test_nothing_is_created_by_validation(tmp_path: Path) -> None:
    validate_outputs([f"{tmp_path}/a.mp4", f"{tmp_path}/b/", f"{tmp_path}/c.csv"])
    assert list(tmp_path.iterdir()) == []


def test_one_image_cannot_hold_a_film(
    tmp_path: Path, scene_info: SourceInfo, explained: Explanation
) -> None:
    with pytest.raises(UsageError, match=r"more than one frame.*folder") as caught:
        open_sink(f"{tmp_path}/out.png", scene_info)
    assert caught.value.exit_code == 2
    with open_sink(f"{tmp_path}/out.png", scene_info, max_frames=1) as sink:
        frame = numbered(1)[0]
        sink.write(frame, frame.image, explained)
        with pytest.raises(SinkError, match="more than one frame"):
            sink.write(frame, frame.image, explained)


@pytest.mark.parametrize("name", ["out.png", "out.bmp"])
def test_lossless_images_come_back_to_the_last_bit(
    tmp_path: Path, scene_info: SourceInfo, explained: Explanation, name: str
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (31, 47, 3), np.uint8)
    with open_sink(f"{tmp_path}/{name}", scene_info, max_frames=1) as sink:
        sink.write(Frame(image, 0, 0.0), image, explained)
    np.testing.assert_array_equal(cv2.imread(f"{tmp_path}/{name}"), image)
    assert [path.name for path in tmp_path.iterdir()] == [name], "no temporary file is left"


def test_images_keep_their_names_and_never_replace_each_other(
    tmp_path: Path, images: SourceInfo, explained: Explanation
) -> None:
    names = ["dog.jpg", "a/cat.JPG", "b/cat.jpg", "scan.tiff", "b/cat.jpg", "été 日.png"]
    with open_sink(f"{tmp_path}/out/", images) as sink:
        for number, name in enumerate(names):
            frame = Frame(np.full((8, 8, 3), 40 * number, np.uint8), number, 0.0, name)
            sink.write(frame, frame.image, explained)
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"dog.jpg", "cat.JPG", "cat-2.jpg", "scan.png", "cat-3.jpg", "été 日.png"}
    assert decode_image(tmp_path / "out/cat-2.jpg").mean() == pytest.approx(80, abs=2)
    assert sink.description.endswith("(6 pictures)")


def test_frames_of_films_are_numbered(
    tmp_path: Path, scene_info: SourceInfo, explained: Explanation
) -> None:
    with open_sink(f"{tmp_path}/out", scene_info) as sink:
        for frame in numbered(3):
            sink.write(frame, frame.image, explained)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["frame_000000.png", "frame_000001.png", "frame_000002.png"]


def test_a_folder_made_for_nothing_is_removed(tmp_path: Path, scene_info: SourceInfo) -> None:
    open_sink(f"{tmp_path}/out/", scene_info).close()
    assert list(tmp_path.iterdir()) == []


def test_an_image_is_replaced_as_a_whole_and_through_links(tmp_path: Path) -> None:
    target, link = tmp_path / "real.png", tmp_path / "link.png"
    write_image(target, np.zeros((4, 4, 3), np.uint8))
    link.symlink_to(target)
    write_image(link, np.full((4, 4, 3), 9, np.uint8))
    assert link.is_symlink()
    assert decode_image(target).max() == 9
