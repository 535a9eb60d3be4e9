"""The model zoo: a sample of it, and its table."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import zoo


@pytest.mark.parametrize("name", ["timm:test_vit", "timm:test_vit_relpos", "timm:pit_ti_224"])
def test_a_sample_is_explained(name: str) -> None:
    result = zoo.examine(name, "sample")
    assert result.reason == ""
    assert result.layer


def test_every_family_of_timm_has_a_member() -> None:
    timm = importlib.import_module("timm")
    families = zoo.timm_families()
    assert len(families) > 80
    assert set(families.values()) <= set(timm.list_models())


def test_what_cannot_be_explained_stands_in_the_table_with_its_reason() -> None:
    rows = [zoo.Result("timm:a", "a", "norm"), zoo.Result("timm:b", "b", "", "it is a | b")]
    table = zoo.table({row.name: row for row in rows})
    assert "| timm, the smallest network of each family | 1 | 2 |" in table
    assert "| `timm:b` | it is a / b |" in table
    assert "torchvision" not in table


@pytest.mark.parametrize("name", ["exports", "zoo"])
def test_the_scripts_that_write_tables_run_from_anywhere(name: str, tmp_path: Path) -> None:
    script = Path(zoo.__file__).with_name(f"{name}.py")
    words = [sys.executable, str(script), "--help"]
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(words, cwd=tmp_path, env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
