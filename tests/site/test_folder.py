"""The folder as it is written: whole, described truly, and put there without harm."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.errors import ModelError, SinkError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.graph.files import read_metadata
from live_gradcam.site.filling import fill_places, version_of
from live_gradcam.site.folder import Site, write_site
from live_gradcam.site.policy import CONTENT, content_policy
from live_gradcam.site.runtime import Runtime
from tests.exports.support import CLASSES, SIDE, small_classifier
from tests.site.support import small_runtime


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return small_classifier("pooled")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return small_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def site(
    classifier: Classifier, runtime: Runtime, tmp_path_factory: pytest.TempPathFactory
) -> Site:
    folder = tmp_path_factory.mktemp("site") / "page"
    folder.mkdir()
    (folder / "README.md").write_text("a repository's own file", encoding="utf-8")
    return write_site(folder, classifier, runtime=runtime, title="Zoo <1>", classes="all")


@pytest.fixture(scope="module")
def described(site: Site) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((site.folder / "site.json").read_text(encoding="utf-8"))
    return content


def test_every_file_is_described_as_it_is(site: Site, described: dict[str, Any]) -> None:
    here = {
        path.relative_to(site.folder).as_posix(): path
        for path in site.folder.rglob("*")
        if path.is_file() and path.name not in ("site.json", "README.md")
    }
    assert set(described["files"]) == set(here)
    for name, path in here.items():
        content = path.read_bytes()
        assert described["files"][name] == {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    assert sum(site.sizes.values()) == site.size
    assert (
        site.size
        == sum(path.stat().st_size for path in [*here.values()])
        + (site.folder / "site.json").stat().st_size
    )


def test_the_graph_and_its_description_are_one(site: Site, described: dict[str, Any]) -> None:
    graph = site.folder / described["graph"]["file"]
    facts = read_metadata(graph)
    assert facts is not None
    assert described["graph"]["sha256"] == hashlib.sha256(graph.read_bytes()).hexdigest()
    model = described["model"]
    assert (model["labels"], model["classes"]) == (list(CLASSES), list(range(len(CLASSES))))
    assert (model["layer"], model["method"], model["unit"]) == ("features", "gradcam", "logits")
    assert model["weights_hash"] == facts.weights_hash
    assert (described["preprocessing"]["height"], described["preprocessing"]["width"]) == (
        SIDE,
        SIDE,
    )
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    with lg.open_graph(graph) as explainer:
        assert explainer.explain(pixels).evidence.shape[0] == 1


def test_what_is_not_of_the_page_stays(site: Site) -> None:
    assert (site.folder / "README.md").read_text(encoding="utf-8") == "a repository's own file"
    assert not [path for path in site.folder.iterdir() if path.name.startswith(".")]


def test_the_runtime_has_its_licence(site: Site, described: dict[str, Any]) -> None:
    text = (site.folder / "runtime" / "LICENSE.txt").read_text(encoding="utf-8")
    assert "MIT License" in text
    assert "Microsoft" in text
    assert described["runtime"]["version"].count(".") == 2


def test_a_page_is_replaced_only_when_that_was_asked_for(
    site: Site, classifier: Classifier, runtime: Runtime
) -> None:
    with pytest.raises(UsageError, match="--overwrite"):
        write_site(site.folder, classifier, runtime=runtime)


def test_a_place_that_cannot_be_right_is_refused_at_once(
    tmp_path: Path, classifier: Classifier, runtime: Runtime
) -> None:
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(SinkError, match="it is a file"):
        write_site(file, classifier, runtime=runtime)
    with pytest.raises(SinkError, match="does not exist"):
        write_site(tmp_path / "no" / "page", classifier, runtime=runtime)
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_exported_leaves_nothing_behind(
    tmp_path: Path, classifier: Classifier, runtime: Runtime
) -> None:
    with pytest.raises(ModelError):
        write_site(tmp_path / "page", classifier, runtime=runtime, method="scorecam")
    assert list(tmp_path.iterdir()) == []


def test_the_title_is_written_as_each_language_writes_it() -> None:
    def filled(content: str, kind: str) -> str:
        words = {"page.first": 'Say "yes" & <go>'}
        return fill_places(content, kind, version="v1", title=title, words=words)

    title = 'Zoo <1> & "more" {{version}}'
    html = "&lt;1&gt; &amp; &quot;more&quot; {{version}}"
    assert filled("<h1>{{title}}</h1>", ".html") == f"<h1>Zoo {html}</h1>"
    assert json.loads(filled('{"name": "{{title}}"}', ".webmanifest")) == {"name": title}
    assert filled('const V = "{{version}}";', ".js") == 'const V = "v1";'
    assert filled('content="{{policy}}"', ".html") == f'content="{content_policy()}"'
    said = filled("<p>{{text:page.first}}</p>", ".html")
    assert said == "<p>Say &quot;yes&quot; &amp; &lt;go&gt;</p>"


def test_a_headline_that_is_no_text_is_refused_at_once(
    tmp_path: Path, classifier: Classifier, runtime: Runtime
) -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        write_site(tmp_path / "page", classifier, runtime=runtime, title="Z\udce4hne")


def test_version_follows_every_word_and_figure(described: dict[str, Any]) -> None:
    content = {name: each for name, each in described.items() if name != "version"}
    before = version_of(content)
    for part in ("texts", "figures", "settings", "colormaps", "keys", "title", "files", "model"):
        assert version_of({**content, part: {"changed": 1}}) != before
    assert version_of(dict(reversed(content.items()))) == before


def test_a_page_is_written_anew_in_its_own_words(
    site: Site, described: dict[str, Any], classifier: Classifier, runtime: Runtime, tmp_path: Path
) -> None:
    folder = tmp_path / "page"
    notices: list[str] = []
    shutil.copytree(site.folder, folder)
    own = {"page.language": "de", "tab.picture": "Bild", "gone.key": "x"}
    translated = {**described, "texts": {**described["texts"], **own}}
    (folder / "site.json").write_text(json.dumps(translated), encoding="utf-8")
    write_site(
        folder,
        classifier,
        runtime=runtime,
        classes=["bee"],
        overwrite=True,
        on_notice=notices.append,
    )
    content = json.loads((folder / "site.json").read_text(encoding="utf-8"))
    assert content["model"]["classes"] == [1]
    assert content["version"] != described["version"]
    assert f'"{content["version"]}"' in (folder / "service-worker.js").read_text(encoding="utf-8")
    assert content["texts"]["tab.picture"] == "Bild"
    assert content["texts"].keys() == described["texts"].keys()
    assert any("--texts" in each for each in notices)
    assert '<html lang="de">' in (folder / "index.html").read_text(encoding="utf-8")
    assert (folder / "README.md").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["index.html", "style.css", "js/app.js", "graph.onnx"])
def test_files_that_only_have_the_same_names_are_refused(
    tmp_path: Path, classifier: Classifier, runtime: Runtime, overwrite: bool, name: str
) -> None:
    place = tmp_path / "project" / name
    place.parent.mkdir(parents=True)
    place.write_text("somebody's work", encoding="utf-8")
    with pytest.raises(UsageError, match="stays") as caught:
        write_site(tmp_path / "project", classifier, runtime=runtime, overwrite=overwrite)
    assert "--overwrite" not in str(caught.value)
    assert place.read_text(encoding="utf-8") == "somebody's work"


def test_nothing_may_come_from_another_host() -> None:
    allowed = {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:", "data:"}
    for sources in CONTENT.values():
        assert set(sources.split()) <= allowed
    assert content_policy().startswith("default-src 'none'")
