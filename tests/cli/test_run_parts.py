"""``live-gradcam run --roi``: parts of frames in records, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from live_gradcam.cli.main import run_command_line

RUN = ["run", "scene", "--model", "scenes", "--compile", "off", "--max-frames", "2", "--quiet"]


def test_each_part_has_a_record_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    code = run_command_line(
        [*RUN, "--roi", "50%,0,25%,50%", "--roi=-10,460,400,400", "-o", str(path), "--truth"]
    )
    assert code == 0
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [each["index"] for each in records] == [0, 0, 1, 1]
    assert [each["roi"] for each in records] == [[320, 0, 160, 240], [0, 460, 390, 20]] * 2
    for each in records:
        x, y, width, height = each["region"]
        left, top, across, down = each["roi"]
        assert left <= x < x + width <= left + across
        assert top <= y < y + height <= top + down
        assert "truth" in each


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--roi", "640,0,10,10"], "640x480"),
        (["--roi", "0,0,10,10", "--roi", "0,100%,10%,10%"], "640x480"),
        (["--roi", "10,10,10"], "x,y,w,h"),
        (["--roi", "0,0,10,0"], "above 0"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    path = tmp_path / "all.jsonl"
    assert run_command_line([*RUN, *options, "-o", str(path)]) == 2
    assert said in capsys.readouterr().err
    assert not path.exists()


def test_a_kiosk_shows_whole_frames(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_command_line(["run", "0", "--kiosk", "--model", "scenes", "--roi", "0,0,9,9"])
    assert code == 2
    assert "--roi and --kiosk exclude each other" in capsys.readouterr().err
