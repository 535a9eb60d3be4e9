"""What was measured about engines is kept, and found again only where all is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from live_gradcam.explain.engine import decisions
from live_gradcam.explain.engine.decisions import (
    Decision,
    decision_key,
    list_decisions,
    read_decision,
    write_decision,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(decisions, "cache_folder", lambda: tmp_path)
    return tmp_path


def decision(winner: str = "OpenVINO fp32", when: float = 1.0) -> Decision:
    times = {"OpenVINO fp32": 11.5, "torch": 40.25}
    return Decision(winner, times, "resnet18 layer4 gradcam 224x224", "A processor", 2, when)


def test_a_decision_is_found_again(folder: Path) -> None:
    key = decision_key("network", "1.0", 2)
    assert read_decision(folder, key) is None
    write_decision(folder, key, decision())
    assert read_decision(folder, key) == decision()
    assert [path.name for path in folder.iterdir()] == [f"{key}.engine.json"]


def test_another_version_machine_or_thread_count_is_measured_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {decision_key("network", version, threads) for version in "12" for threads in (1, 2)}
    monkeypatch.setattr(decisions, "processor_name", lambda: "Another processor")
    keys.add(decision_key("network", "1", 1))
    assert len(keys) == 5


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"winner": 3, "milliseconds": 4}', "\0"])
def test_what_cannot_be_read_is_measured_anew(folder: Path, content: str) -> None:
    (folder / "key.engine.json").write_text(content)
    assert read_decision(folder, "key") is None
    assert list_decisions() == []


def test_all_are_listed_the_newest_first(folder: Path) -> None:
    write_decision(folder, "a", decision("torch", 1.0))
    write_decision(folder, "b", decision("OpenVINO fp32", 3.0))
    write_decision(folder, "c", decision("ONNX Runtime fp32", 2.0))
    assert [each.when for each in list_decisions()] == [3.0, 2.0, 1.0]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    write_decision(tmp_path / "absent", "key", decision())
