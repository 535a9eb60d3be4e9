"""Everything that can be given as a picture becomes the same image, or a sentence says why not."""

from __future__ import annotations

import io
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import live_gradcam as lg
from live_gradcam import picture
from live_gradcam.image_like import ImageLike
from live_gradcam.images.inputs import TakenImage, take_batch, take_image
from live_gradcam.images.read import read_image
from live_gradcam.values import Image

NoiseImage = Callable[..., Image]


@pytest.fixture
def image(noise_image: NoiseImage) -> Image:
    return noise_image(13, 7)


def to_tensor(image: Image) -> torch.Tensor:
    """As torchvision's `to_image` makes it: RGB, channels first."""
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)


FORMS: dict[str, Callable[[Image, Path], Any]] = {
    "path": lambda image, path: path,
    "text": lambda image, path: str(path),
    "file address": lambda image, path: path.as_uri(),
    "bytes": lambda image, path: path.read_bytes(),
    "bytearray": lambda image, path: bytearray(path.read_bytes()),
    "memoryview": lambda image, path: memoryview(path.read_bytes()),
    "file object": lambda image, path: io.BytesIO(path.read_bytes()),
    "pil": lambda image, path: Pillow.fromarray(image[..., ::-1]),
    "opened by pil": lambda image, path: Pillow.open(path),
    "frame": lambda image, path: lg.Frame(image, 0, 0.0),
    "array": lambda image, path: image,
    "mirrored twice": lambda image, path: image[:, ::-1].copy()[:, ::-1],
    "0..255 as int64": lambda image, path: image.astype(np.int64),
    "0..1 as float64": lambda image, path: image / 255,
    "0..1 as float32": lambda image, path: image.astype(np.float32) / 255,
    "with alpha": lambda image, path: np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]),
    "array of another library": lambda image, path: OfAnotherLibrary(image),
    "tensor": lambda image, path: to_tensor(image),
    "tensor 0..1": lambda image, path: to_tensor(image) / 255,
    "tensor 0..1 in half precision": lambda image, path: (to_tensor(image).double() / 255).half(),
    "batch of one": lambda image, path: to_tensor(image)[None],
    "tensor with a gradient": lambda image, path: (to_tensor(image) / 255).requires_grad_(),
    "tensor of int32": lambda image, path: to_tensor(image).int(),
}


class OfAnotherLibrary:
    """An array of JAX or TensorFlow, as far as NumPy sees it."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self._values, dtype)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_picture(form: str, image: Image, tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    Pillow.fromarray(image[..., ::-1]).save(path)
    given = FORMS[form](image, path)
    taken = take_image(given)
    if hasattr(given, "close"):
        given.close()
    # Half precision has 11 bits: 0..1 in 256 steps comes back exactly.
    np.testing.assert_array_equal(taken.image, image)
    assert taken.image.dtype == np.uint8
    assert taken.notes == ()
    assert taken.picture.size == (13, 7)


def test_an_array_is_taken_without_a_copy(image: Image) -> None:
    assert take_image(image).image is image


def test_the_order_of_colours_can_be_said(image: Image) -> None:
    rgb = np.ascontiguousarray(image[..., ::-1])
    np.testing.assert_array_equal(take_image(rgb, color="rgb").image, image)
    bgr_tensor = torch.from_numpy(image).permute(2, 0, 1)
    np.testing.assert_array_equal(take_image(bgr_tensor, color="bgr").image, image)
    wrong: Any = "rbg"
    with pytest.raises(lg.UsageError, match=r"color='rbg'.*bgr or rgb"):
        take_image(image, color=wrong)


def test_transparency_lies_on_white() -> None:
    clear = np.zeros((2, 2, 4), np.uint8)
    clear[0, 0] = (10, 20, 30, 255)
    for given, first in (
        (clear, (10, 20, 30)),
        (torch.from_numpy(clear).permute(2, 0, 1), (30, 20, 10)),
    ):
        taken = take_image(given).image
        assert tuple(taken[0, 0]) == first
        assert (taken[1] == 255).all()


@pytest.mark.parametrize(
    "grey",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.arange(12, dtype=np.uint8).reshape(3, 4, 1),
        np.arange(12, dtype=np.float32).reshape(3, 4) / 255,
        torch.arange(12).reshape(3, 4),
        torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4),
    ],
    ids=["2d", "one channel", "fractions", "tensor", "tensor with a channel"],
)
def test_grey_is_grey(grey: ImageLike) -> None:
    expected = np.repeat(np.arange(12, dtype=np.uint8).reshape(3, 4, 1), 3, axis=2)
    np.testing.assert_array_equal(take_image(grey).image, expected)


def test_masks_are_black_and_white() -> None:
    mask = np.array([[True, False]])
    np.testing.assert_array_equal(take_image(mask).image[0], [[255] * 3, [0] * 3])


def test_sixteen_bits_are_scaled_as_in_a_file(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 65535]], np.uint16)
    Pillow.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(take_image(deep).image, read_image(tmp_path / "deep.png"))
    assert "1023 is taken for white" in take_image(np.array([[0, 1000]], np.uint16)).notes[0]


def test_rounding_of_fractions_is_forgiven() -> None:
    almost = np.array([[-1e-6, 1 + 1e-6]], np.float32)
    np.testing.assert_array_equal(take_image(almost).image[0, :, 0], [0, 255])


NOISE = np.random.default_rng(0).normal(0, 1, (8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, r"cv2\.imread gives None"),
        (5, r"int.*Give a path"),
        (object(), r"object.*Give a path"),
        ([np.zeros((4, 4, 3), np.uint8)], r"list of 1.*explain_batch"),
        (io.StringIO("text"), r"StringIO.*read\(\) gives str.*'rb'"),
        (b"", "picture in memory: the file is empty"),
        (b"<html>", "picture in memory"),
        ("rtsp://user:secret@camera/1", r"rtsp://camera/1: only http.*lg\.open_source"),
        (np.zeros((4, 4, 5), np.uint8), r"array of uint8 \(4, 4, 5\)"),
        (np.zeros((3, 8, 9), np.uint8), r"channels last.*transpose\(1, 2, 0\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"batch of 2 pictures.*explain_batch"),
        (np.zeros((0, 4, 3), np.uint8), "it is empty"),
        (np.zeros(4, np.uint8), r"array of uint8 \(4,\)"),
        (np.zeros((4, 4), "U1"), "no real numbers"),
        (np.zeros((4, 4), complex), "no real numbers"),
        (np.full((4, 4), 300), r"from 300 to 300.*0\.\.255"),
        (np.full((4, 4), -1), r"from -1 to -1.*0\.\.255"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.zeros((9000, 9000), np.uint8), "40 megapixels"),
        (np.full((4, 4, 3), 200.0), r"0 to 200|200 to 200.*Divide by 255"),
        (NOISE, r"fractions have to be in 0\.\.1\. If it is normalised"),
        (torch.from_numpy(NOISE).permute(2, 0, 1), "If it is normalised"),
        (torch.full((3, 4, 4), 200.0), "Divide by 255"),
        (torch.zeros(8, 9, 3), r"channels first.*permute\(2, 0, 1\)"),
        (torch.zeros(2, 3, 4, 4), r"tensor of float32 \(2, 3, 4, 4\).*batch of 2.*explain_batch"),
        (torch.zeros(5, 8, 8), "1, 3 or 4 channels"),
        (torch.zeros(3, 4, 4, device="meta"), "meta device"),
        (torch.zeros(3, 4, 4).to_sparse(), "not dense"),
        (torch.zeros(3, 4, 4, dtype=torch.complex64), "no real numbers"),
        (torch.full((3, 4, 4), torch.inf), "NaN or infinity"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_refused_with_what_it_is(wrong: Any, said: str) -> None:
    with pytest.raises(lg.SourceError, match=said) as caught:
        take_image(wrong)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_folders_and_films_are_shown_the_way(tmp_path: Path) -> None:
    with pytest.raises(lg.SourceError, match=r"it is a folder.*lg\.open_source"):
        take_image(tmp_path)
    (tmp_path / "film.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST" + bytes(600))
    with pytest.raises(lg.SourceError, match=r"the file is a video.*lg\.open_source"):
        take_image(tmp_path / "film.avi")


def test_a_file_opened_as_text_is_refused(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "picture.png"
    Pillow.fromarray(image).save(path)
    with (
        path.open(encoding="utf-8") as file,
        pytest.raises(lg.SourceError, match=r"picture\.png.*opened as text"),
    ):
        take_image(file)  # type: ignore[arg-type]


def test_an_upload_whose_read_has_to_be_awaited_is_refused() -> None:
    class Upload:
        async def read(self, size: int = -1) -> bytes:
            return b""

    upload: Any = Upload()
    with pytest.raises(lg.SourceError, match=r"Upload.*awaited.*\.file"):
        take_image(upload)


# Batches


def test_arrays_and_tensors_of_several_pictures_are_batches(noise_image: NoiseImage) -> None:
    images = [noise_image(8, 6, seed=seed) for seed in range(3)]
    for batch in (
        np.stack(images),
        torch.stack([to_tensor(each) for each in images]),
        (each for each in images),
    ):
        taken = take_batch(batch)
        assert len(taken) == 3
        for one, expected in zip(taken, images, strict=True):
            assert isinstance(one, TakenImage)
            np.testing.assert_array_equal(one.image, expected)
    assert len(take_batch(np.zeros((5, 28, 28), np.uint8))) == 5
    assert take_batch([]) == []


@pytest.mark.parametrize(
    "single",
    [
        "mug.jpg",
        Path("mug.jpg"),
        b"\x89PNG",
        Pillow.new("RGB", (4, 4)),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
        torch.zeros(3, 4, 4),
        lg.Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0),
        {"a": 1},
        7,
    ],
    ids=lambda single: type(single).__name__,
)
def test_a_single_picture_is_no_batch(single: Any) -> None:
    with pytest.raises(lg.UsageError, match=r"explain_batch takes several pictures.*Use explain"):
        take_batch(single)


# What is remembered


def test_files_are_remembered_by_path(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Pillow.fromarray(image).save(path)
    remembered = take_image(path).picture
    assert (remembered.name, remembered.path) == (str(path), str(path))
    assert remembered.file_bytes == path.stat().st_size


def test_arrays_are_remembered_weakly_and_the_newest_kept_for_a_while(
    monkeypatch: pytest.MonkeyPatch, noise_image: NoiseImage
) -> None:
    monkeypatch.setattr(picture, "KEPT_BYTES", 3 * 64 * 48 * 3)
    remembered = [take_image(noise_image(seed=seed)).picture for seed in range(5)]
    alive = [each.pixels is not None for each in remembered]
    assert alive == [False, False, True, True, True]
    mine = noise_image(seed=9)
    pictures = [
        each.picture
        for each in take_batch([mine, noise_image(seed=10)])
        if isinstance(each, TakenImage)
    ]
    assert pictures[0].pixels is mine
    assert pictures[1].pixels is None
    weakly = weakref.ref(mine)
    del mine
    assert weakly() is None
