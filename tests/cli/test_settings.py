"""Settings: files and variables below what is typed, checked before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.choices import DEFAULT_COLORMAP
from live_gradcam.cli.parser import COMMANDS, Command, make_parser
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.setting_files import FILE_NAME, user_folder
from live_gradcam.cli.settings import IN_FORCE, NONE, Settings, load_settings
from live_gradcam.errors import UsageError

Run = Callable[..., RunArguments]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an empty home, with no variables of ours."""
    import os

    for name in list(os.environ):
        if name.startswith("LIVE_GRADCAM_"):
            monkeypatch.delenv(name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "live-gradcam").mkdir(parents=True)
    return tmp_path


def received(*typed: str) -> RunArguments:
    """What ``run`` receives, among all the other commands."""
    seen: list[RunArguments] = []
    run = Command("run", RunArguments, lambda value, _: seen.append(value))
    commands = [run, *(each for each in COMMANDS if each.name != "run")]
    make_parser(commands)(list(typed), standalone_mode=False)
    return seen[0]


@pytest.fixture
def parse(places: Path) -> Run:
    """What ``live-gradcam run`` receives for what is typed."""

    def run(*typed: str) -> RunArguments:
        IN_FORCE.set(NONE)
        return received("run", *typed)

    return run


def of_folder(text: str) -> None:
    Path(FILE_NAME).write_text(text, encoding="utf-8")


def of_user(places: Path, text: str) -> None:
    (places / "config" / "live-gradcam" / FILE_NAME).write_text(text, encoding="utf-8")


def test_what_is_typed_wins_over_variables_over_the_folder_over_the_user(
    places: Path, parse: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse().colormap == DEFAULT_COLORMAP
    of_user(places, 'colormap = "magma"\ntop-k = 7\nopacity = 0.1\nwidth = 320\n')
    assert parse().colormap == "magma"
    of_folder('colormap = "viridis"\ntop_k = 5\nopacity = 0.2\n')
    assert parse().colormap == "viridis"
    monkeypatch.setenv("LIVE_GRADCAM_COLORMAP", "jet")
    monkeypatch.setenv("LIVE_GRADCAM_TOP_K", "4")
    found = parse("--colormap", "hot")
    assert (found.colormap, found.top_k, found.opacity, found.width) == ("hot", 4, 0.2, 320)


def test_a_command_s_own_setting_wins_over_the_one_for_all(
    parse: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_folder('model = "scenes"\n[run]\nmodel = "resnet50"\n[web]\nmodel = "vgg16"\n')
    assert parse().network.model == "resnet50"
    monkeypatch.setenv("LIVE_GRADCAM_MODEL", "a")
    monkeypatch.setenv("LIVE_GRADCAM_RUN_MODEL", "b")
    assert parse().network.model == "b"


def test_every_kind_of_value(parse: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    of_folder(
        "mirror = true\nno-smooth = true\nmax-outage = 3\nlayer = 5\n"
        '[run]\noutput = ["a.mp4", "b.jsonl"]\nsource = "scene"\nclass = "zebra"\n'
    )
    found = parse()
    assert found.mirror
    assert not found.smooth
    assert found.max_outage_seconds == 3.0
    assert found.network.layer == "5"
    assert (found.outputs, found.sources) == (("a.mp4", "b.jsonl"), ("scene",))
    assert found.class_name == "zebra"
    assert parse("clip.mp4").sources == ("clip.mp4",)
    for text, on in {"1": True, "yes": True, "ON": True, "0": False, "off": False}.items():
        monkeypatch.setenv("LIVE_GRADCAM_MIRROR", text)
        assert parse().mirror is on


def test_what_a_file_switches_on_can_be_typed_off(parse: Run) -> None:
    of_folder("mirror = true\nno-smooth = true\nno-fps = true\nno-labels = true\n")
    found = parse("--no-mirror", "--smooth", "--show-fps", "--show-labels")
    assert (found.mirror, found.smooth, found.show_rate, found.show_labels) == (
        *(False, True, True, True),
    )


def test_a_path_in_a_file_is_beside_the_file(places: Path, parse: Run) -> None:
    of_user(places, 'weights = "net.pth"\nlabels = "/somewhere/names.txt"\n')
    network = parse().network
    assert network.weights == places / "config" / "live-gradcam" / "net.pth"
    assert network.labels == Path("/somewhere/names.txt")


def test_a_preset_of_a_place_is_below_what_stands_beside_it_and_above_weaker_places(
    places: Path, parse: Run
) -> None:
    of_user(places, 'colormap = "jet"\nprecision = "fp16"\n')
    of_folder('preset = "paper"\ncolormap = "magma"\n')
    found = parse()
    assert (found.colormap, found.network.precision, found.show_labels) == ("magma", "fp32", False)
    typed = parse("--preset", "audit", "--precision", "bf16")
    assert (typed.truth, typed.network.precision, typed.colormap) == (True, "bf16", "magma")


def test_the_strongest_preset_takes_the_place_of_all_others(
    places: Path, parse: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_user(places, 'colormap = "jet"\n[run]\npreset = "kiosk"\n')
    assert (parse().kiosk, parse().mirror) == (True, True)
    of_folder('[run]\npreset = "paper"\n')
    found = parse()
    assert (found.kiosk, found.mirror, found.colormap) == (False, False, "viridis")
    typed = parse("--preset", "stage")
    assert (typed.hud, typed.kiosk, typed.show_labels) == ("stage", False, True)
    assert typed.colormap == "jet", "what another preset had covered"
    monkeypatch.setenv("LIVE_GRADCAM_RUN_PRESET", "audit")
    assert (parse().truth, parse().colormap) == (True, "jet")


def test_a_variable_that_is_empty_is_none(
    places: Path, parse: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_folder('colormap = "magma"\n')
    for name in ("AUTH", "COLORMAP", "MIRROR", "RUN_TOP_K", "KIOSK_TITLE"):
        monkeypatch.setenv(f"LIVE_GRADCAM_{name}", "")
    found = parse()
    assert (found.colormap, found.kiosk_title) == ("magma", "")
    assert not _load({"LIVE_GRADCAM_AUTH": ""}).places[-1].found


def test_where_no_place_has_settings_no_option_is_looked_at(places: Path) -> None:
    no_options: Any = None
    found = load_settings(
        {"run": no_options}, frozenset(), folder=Path(), environment={"HOME": str(places)}
    )
    assert found.error is None
    assert len(found.places) == 3


def test_settings_for_all_are_not_for_commands_that_only_answer(places: Path) -> None:
    of_folder('model = "scenes"\n')
    commands = {each.name: each.arguments for each in COMMANDS}
    shared = frozenset(each.name for each in COMMANDS if each.shares_settings)
    found = load_settings(commands, shared, folder=Path(), environment={})
    assert {each.command for each in found.found} >= {"run", "web", "evaluate"}
    assert not {"doctor", "models", "inspect"} & {each.command for each in found.found}


WRONG: Mapping[str, str] = {
    'colourmap = "magma"\n': "line 1: colourmap: there is no such setting. Did you mean colormap",
    'x = 1\n\n[run]\ncolormap = "magmaa"\n': "line 1: x: there is no such setting",
    '[run]\n# a map\ncolormap = "magmaa"\n': "line 3: colormap: 'magmaa' is not one of",
    "top-k = 0\n": "line 1: top-k: 0 is less than 1",
    "top-k = 2.5\n": "line 1: top-k: 2.5 is not a whole number",
    'top-k = "two"\n': "line 1: top-k: 'two' is not a whole number",
    "top-k = true\n": "line 1: top-k: true is not a whole number",
    "top-k = inf\n": "line 1: top-k: inf is not a whole number",
    "top-k = nan\n": "line 1: top-k: nan is not a whole number",
    "opacity = 1.5\n": "line 1: opacity: 1.5 is more than 1.0",
    "opacity = nan\n": "line 1: opacity: nan is not a number",
    'mirror = "yes"\n': "line 1: mirror: 'yes' is neither true nor false",
    "colormap = [1]\n": "line 1: colormap: a list is not text",
    'output = "x.mp4"\n': "line 1: output: it means something else for each command",
    "[runn]\ntop-k = 1\n": "line 1: runn: there is no such command. Did you mean run?",
    "[web]\ntop-k = 1\n": "line 2: top-k: there is no such setting here. Write it below [run]",
    "overwrite = true\n": "line 1: overwrite: a folder's file cannot decide this",
    "a = \n": "it is not TOML: invalid value (at line 1",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_used_is_refused_with_file_line_and_key(places: Path, text: str) -> None:
    of_folder(text)
    error = _load().error
    assert isinstance(error, UsageError)
    said = str(error)
    assert FILE_NAME in said
    assert WRONG[text] in said, said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LIVE_GRADCAM_COLOURMAP", "hot", "COLOURMAP: there is no such setting. Did you mean"),
        ("LIVE_GRADCAM_TOP_K", "many", "TOP_K: 'many' is not a whole number"),
        ("LIVE_GRADCAM_MIRROR", "maybe", "MIRROR: 'maybe' is neither true nor false"),
        ("LIVE_GRADCAM_OUTPUT", "x.mp4", "LIVE_GRADCAM_RUN_OUTPUT"),
        ("LIVE_GRADCAM_RUN_PRESET", "stag", "Did you mean stage"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    places: Path, name: str, value: str, words: str
) -> None:
    error = _load({name: value}).error
    assert error is not None
    assert name in str(error)
    assert words in str(error)


def _load(environment: Mapping[str, str] | None = None) -> Settings:
    import os

    commands: dict[str, type[Any]] = {each.name: each.arguments for each in COMMANDS}
    shared = frozenset(each.name for each in COMMANDS if each.shares_settings)
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME")}
    given = {**kept, **(environment or {})}
    return load_settings(commands, shared, folder=Path(), environment=given)


def test_passwords_are_never_shown(places: Path) -> None:
    found = _load(
        {
            "LIVE_GRADCAM_AUTH": "ann:topsecret",
            "LIVE_GRADCAM_RUN_SOURCE": "rtsp://me:topsecret@camera/1",
        }
    )
    shown = [each.shown for each in found.found]
    assert len(shown) == 3  # one of them for the page and for a served picture
    assert "topsecret" not in " ".join(shown)
    assert any("camera/1" in each for each in shown)


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"HOME": "/home/ann"}, "/home/ann/.config/live-gradcam"),
        ("linux", {"HOME": "/home/ann", "XDG_CONFIG_HOME": "/x"}, "/x/live-gradcam"),
        ("linux", {"HOME": "/home/ann", "XDG_CONFIG_HOME": "x"}, "/home/ann/.config/live-gradcam"),
        ("darwin", {"HOME": "/Users/a"}, "/Users/a/Library/Application Support/live-gradcam"),
        ("win32", {"HOME": "/c", "APPDATA": "/c/Roaming"}, "/c/Roaming/live-gradcam"),
    ],
)
def test_a_user_s_settings_are_where_the_system_keeps_them(
    platform: str, environment: Mapping[str, str], folder: str
) -> None:
    assert user_folder(environment, platform) == Path(folder)


def test_a_command_line_without_settings(parse: Run) -> None:
    of_folder('colormap = "nonsense"\n')
    assert received("--no-settings", "run").colormap == DEFAULT_COLORMAP
    with pytest.raises(UsageError, match="nonsense"):
        parse()


def test_help_and_doctor_work_with_broken_settings(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_text('colormap = "nonsense"\n')
    done = command("run", "scene", "-o", "x.mp4", "--max-frames", "1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot use a setting: live-gradcam.toml, line 1")
    assert command("run", "--help").returncode == 0
