"""High dynamic range and wide gamut become what an ordinary screen shows: SDR, BT.709.

The same steps as FFmpeg's ``zscale`` and ``tonemap`` filters, of which PyAV's build lacks the
first: ``zscale=t=linear:npl=100, zscale=p=bt709, tonemap=hable:desat=0, zscale=t=bt709``. With
R', G', B' in 0..1, each pixel goes through

1. the transfer to linear light, 1.0 being 100 cd/m2: PQ (SMPTE ST 2084, equation 4.1 in
   ITU-R BT.2100) times 100; HLG: ``10 s^1.2`` of the inverse OETF ``s`` of BT.2100; SDR: ``x^2.4``
   (BT.1886);
2. the matrix from its primaries to those of BT.709;
3. for HDR, John Hable's curve on the largest component ``m``, all three scaled alike:
   ``h(m) / h(peak) / m``, ``h(x) = (x(0.15x + 0.05) + 0.004) / (x(0.15x + 0.5) + 0.06) - 1/15``;
   the peak is the film's own (MaxCLL, else the mastering display's) or 1000 cd/m2;
4. ``x^(1/2.4)``, eight bits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from live_gradcam.capture.scaler import Scaler
from live_gradcam.native import av, cv2
from live_gradcam.values import Image

Transfer: TypeAlias = Literal["PQ", "HLG", "SDR"]
_Floats: TypeAlias = NDArray[np.float32]

# Numbers of ITU-T H.273: transfers, primaries and matrices.
_PQ, _HLG = 16, 18
_UNSAID = frozenset([0, 2, 3])
_BT2020 = 9
_BT2020_CONSTANT = 10
_RGB = 0
# Chromaticities x, y of red, green and blue, and of white (H.273, table 2).
_D65 = (0.3127, 0.3290)
_PRIMARIES: Mapping[int, tuple[str, tuple[float, ...], tuple[float, float]]] = {
    1: ("BT.709", (0.640, 0.330, 0.300, 0.600, 0.150, 0.060), _D65),
    9: ("BT.2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046), _D65),
    11: ("DCI-P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060), (0.314, 0.351)),
    12: ("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060), _D65),
}
_DEFAULT_PEAK = 10.0
_LEVELS = 65536
# Rows that are converted together, so that what is computed stays in the cache.
_STRIP_PIXELS = 64 * 1024
_FLAGS = "bicubic+full_chroma_int+accurate_rnd"
_SMALLEST = np.float32(1e-6)


@dataclass(frozen=True, slots=True)
class WideColour:
    """Colours that an ordinary screen cannot show as they are stored.

    Attributes:
        transfer: Meaning of the values.
        primaries: Number of the primaries in ITU-T H.273.
    """

    transfer: Transfer
    primaries: int

    @property
    def description(self) -> str:
        """What is done, for a note."""
        name = _PRIMARIES[self.primaries][0]
        if self.transfer == "SDR":
            return f"colours of {name} are converted to BT.709"
        kind = "HDR10 (PQ" if self.transfer == "PQ" else "HLG ("
        return f"{kind}{', ' if self.transfer == 'PQ' else ''}{name}) is tone mapped to SDR BT.709"


@lru_cache(maxsize=64)
def wide_colour(transfer: int, primaries: int) -> WideColour | None:
    """Return what has to be converted, ``None`` for ordinary colours.

    Args:
        transfer: Number of the transfer in ITU-T H.273, as a frame has it.
        primaries: Number of the primaries.
    """
    kind: Transfer = "PQ" if transfer == _PQ else "HLG" if transfer == _HLG else "SDR"
    if kind != "SDR" and primaries not in _PRIMARIES:
        primaries = _BT2020
    if kind == "SDR" and (primaries == 1 or primaries not in _PRIMARIES):
        return None
    return WideColour(kind, primaries)


def to_sdr(
    frame: av.VideoFrame, colour: WideColour, scaler: Scaler, width: int | None = None
) -> Image:
    """Convert a film frame to what an ordinary screen shows.

    Args:
        frame: A decoded frame.
        colour: What its values mean.
        scaler: Makes RGB of it.
        width: Of the result, in pixels; ``None`` for the frame's own.

    Returns:
        ``uint8 (H, W, 3)``, BGR, BT.709 as BT.1886 displays it.
    """
    matrix = frame.colorspace
    if matrix in _UNSAID or matrix == _BT2020_CONSTANT:
        matrix = _BT2020
    is_rgb = frame.format.is_rgb or matrix == _RGB
    pixels = np.asarray(
        scaler.convert(frame, "rgb48le", width, matrix=None if is_rgb else matrix, flags=_FLAGS),
        np.uint16,
    )
    mapping = _mapping(colour, _peak(frame) if colour.transfer != "SDR" else 1.0)
    result = np.empty(pixels.shape, np.uint8)
    rows = max(1, _STRIP_PIXELS // pixels.shape[1])
    for top in range(0, pixels.shape[0], rows):
        mapping(pixels[top : top + rows], result[top : top + rows])
    return result


def _peak(frame: av.VideoFrame) -> float:
    """Return the brightest light of the film in units of 100 cd/m2, as FFmpeg reads it."""
    side_data = cast("Mapping[str, Any]", frame.side_data)
    try:
        (brightest,) = struct.unpack_from("=I", bytes(side_data["CONTENT_LIGHT_LEVEL"]))
        if brightest >= 100:
            return float(brightest // 100)
    except (KeyError, struct.error):
        pass
    try:
        # AVMasteringDisplayMetadata: ten rationals, of which the last is the most, and two flags.
        data = bytes(side_data["MASTERING_DISPLAY_METADATA"])
        over, under, _, has_luminance = struct.unpack_from("=iiii", data, 72)
        if has_luminance and under and over > 0:
            return float(over / under / 100)
    except (KeyError, struct.error):
        pass
    return _DEFAULT_PEAK


@lru_cache(maxsize=8)
def _mapping(colour: WideColour, peak: float) -> Callable[[NDArray[np.uint16], Image], None]:
    linear = _to_linear(colour.transfer)
    matrix = _matrix_to_bt709(colour.primaries)
    gamma = _gamma_table()
    scale = np.float32(1.0 / _hable(np.float32(peak)))

    def convert(pixels: NDArray[np.uint16], out: Image) -> None:
        light = np.asarray(cv2.transform(np.take(linear, pixels), matrix), np.float32)
        if colour.transfer != "SDR":
            # Along the last axis, NumPy's own maximum takes thirty times as long.
            strongest = np.maximum(light[..., 0], light[..., 1])
            strongest = np.maximum(np.maximum(strongest, light[..., 2]), _SMALLEST)
            share = np.asarray(_hable(strongest) * scale / strongest, np.float32)
            light *= np.asarray(cv2.merge([share, share, share]))
        np.clip(light, 0.0, 1.0, out=light)
        np.sqrt(light, out=light)
        light *= _LEVELS - 1
        light += 0.5
        np.take(gamma, light.astype(np.uint16), out=out)

    return convert


def _to_linear(transfer: Transfer) -> _Floats:
    """Return linear light of each 16-bit level, 1.0 being 100 cd/m2 (1.0 white for SDR)."""
    x = np.arange(_LEVELS) / (_LEVELS - 1)
    if transfer == "PQ":
        m1, m2 = 2610 / 16384, 2523 / 32
        c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
        power = x ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 100
    elif transfer == "HLG":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(x <= 0.5, x * x / 3, (np.exp((x - c) / a) + b) / 12)
        light = 10 * scene**1.2
    else:
        light = x**2.4
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _gamma_table() -> Image:
    """Return the eight-bit level for the square root of linear light, in 16 bits, as BGR needs."""
    root = np.arange(_LEVELS) / (_LEVELS - 1)
    return np.rint(root ** (2 / 2.4) * 255).astype(np.uint8)


def _hable(light: Any) -> Any:  # noqa: ANN401 - a number or an array of them
    """Return Hable's filmic curve, ``Uncharted 2: HDR Lighting`` (GDC 2010), as FFmpeg has it."""
    return (light * (light * 0.15 + 0.05) + 0.004) / (
        light * (light * 0.15 + 0.5) + 0.06
    ) - 0.02 / 0.3


def _matrix_to_bt709(primaries: int) -> _Floats:
    """Return the matrix from linear RGB of primaries to linear BGR of BT.709 (SMPTE RP 177)."""
    to_bt709 = np.linalg.inv(_rgb_to_xyz(1)) @ _adapt_white(primaries) @ _rgb_to_xyz(primaries)
    return np.ascontiguousarray(to_bt709[::-1], np.float32)


def _rgb_to_xyz(primaries: int) -> NDArray[np.float64]:
    _, points, white = _PRIMARIES[primaries]
    columns = np.array([_xyz(x, y) for x, y in zip(points[::2], points[1::2], strict=True)]).T
    return cast("NDArray[np.float64]", columns * np.linalg.solve(columns, _xyz(*white)))


def _adapt_white(primaries: int) -> NDArray[np.float64]:
    """Bradford's adaptation to BT.709's white."""
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    gain = (bradford @ _xyz(*_D65)) / (bradford @ _xyz(*_PRIMARIES[primaries][2]))
    return cast("NDArray[np.float64]", np.linalg.inv(bradford) @ np.diag(gain) @ bradford)


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])
