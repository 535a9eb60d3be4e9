"""The API pages are built from the docstrings, without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import live_gradcam
from tests.conftest import ROOT


def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "docs.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "live_gradcam.html").read_text(encoding="utf-8")
    missing = [name for name in live_gradcam.__all__ if f'id="{name}"' not in page]
    assert missing == []


def test_an_option_is_no_folder(tmp_path: Path) -> None:
    for option, code in (("--help", 0), ("--no-such-option", 2)):
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "docs.py"), option],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == code
    assert not list(tmp_path.iterdir())
