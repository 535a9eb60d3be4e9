"""Files with names of classes: every form that people keep them in, and what is no such form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.labels import (
    label_notes,
    read_labels,
    resolve_labels,
    tidy_labels,
)


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.txt"
    path.write_bytes(text.encode())
    return path


TEXTS = {
    "shuffled, index,name": "2,dog\n0,cat\n1,bird, small\n",
    "shuffled, index,name, quoted": '2,dog\n0,cat\n1,"bird, small"\n',
    "shuffled, name,index": "dog,2\ncat,0\nbird, small,1\n",
    "index;name": "0;cat\n1;bird, small\n2;dog",
    "index<TAB>name": "0\tcat\n1\tbird, small\n2\tdog",
    "index: name": "2: dog\n1: bird, small\n0: cat",
    "index name": "0 cat\n1 bird, small\n2 dog\n",
    "from one": "1,cat\n2,bird, small\n3,dog",
    "dashes": "- cat\n- 'bird, small'\n- \"dog\"\n",
    "heading": "index,name\n2,dog\n1,bird, small\n0,cat",
    "heading, other order": 'name,colour,id\ncat,red,0\ndog,blue,2\n"bird, small",green,1\n',
    "heading, semicolons": "class_id;class_name\n0;cat\n2;dog\n1;bird, small",
    "heading without indices": "name\tgroup\ncat\ta\nbird, small\tb\ndog\ta\n",
    "YOLO's list": "train: a/b  # where\nnc: 3\nnames: ['cat', 'bird, small', dog]\n",
    "YOLO's map": "path: ../x\nnames:\n  0: cat\n  1: bird, small\n  2: dog\n\n"
    "download: |\n  a b\n",
    "YAML's list": "names:\n- cat\n- bird, small\n- dog\n",
    "JSON lines": '{"id": 2, "name": "dog"}\n{"id": 0, "name": "cat"}\n'
    '{"id": 1, "name": "bird, small"}\n',
    "JSON texts": '"cat",\n"bird, small",\n"dog"\n',
    "WordNet": "n02123045 cat\nn01503061 bird, small\nn02084071 dog\n",
    "carriage returns": "cat\rbird, small\rdog\r",
}


@pytest.mark.parametrize("form", TEXTS)
def test_every_form_of_text_gives_the_names_by_index(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, TEXTS[form])
    assert resolve_labels(path, 3) == ("cat", "bird, small", "dog")
    marked = written(tmp_path, "\ufeff" + TEXTS[form].replace("\r", "\n").replace("\n", "\r\n"))
    assert resolve_labels(marked, 3) == ("cat", "bird, small", "dog")


@pytest.mark.parametrize(
    "content",
    [
        {"id2label": {"0": "cat", "1": "dog"}, "model_type": "resnet"},
        {"class_to_idx": {"dog": 1, "cat": 0}},
        {"cat": "0", "dog": "1"},
        {"1": "dog", "0": "cat"},
        {"1": "cat", "2": "dog"},
        [{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}],
        {"classes": ["cat", "dog"]},
        {
            "info": {},
            "images": [],
            "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        },
        {"0": ["n02123045", "cat"], "1": ["n02084071", "dog"]},
        {"0": {"name": "cat"}, "1": {"name": "dog"}},
        [["n02123045", "cat"], ["n02084071", "dog"]],
    ],
)
def test_every_form_of_json_gives_the_names_by_index(content: Any) -> None:
    assert tidy_labels(content, "labels.json") == ("cat", "dog")


@pytest.mark.parametrize(
    "names",
    [
        ("7: up", "3,été"),
        ("7: up", "3: été"),
        ("level 0", "level 1"),
        ("1 euro", "2 euro"),
        ("0,5 l", "1,5 l"),
        ("tench, Tinca tinca", "goldfish, Carassius auratus"),
        ("кошка", "собака"),
        ("猫", "犬"),
        ("a\u2028b", "c\u0085d"),
        ("name, given", "title, honorary"),
    ],
)
def test_names_with_numbers_and_signs_stay_what_they_are(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    assert resolve_labels(written(tmp_path, "\n".join(names)), 2) == names


def test_what_was_interpreted_is_said(tmp_path: Path) -> None:
    assert "class 0 is 'cat'" in label_notes(written(tmp_path, "1,cat\n2,dog"), 2)[0]
    assert "line 2 " in label_notes(written(tmp_path, "cat\n\ndog"), 2)[0]
    assert "'crane' (0 and 2)" in label_notes(written(tmp_path, "crane\ncat\ncrane"), 3)[0]
    assert "'name'" in label_notes(written(tmp_path, "name\ncat\ndog"), 2)[0]
    assert label_notes(written(tmp_path, "name\ncat\ndog"), 3) == ()
    gaps = [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}]
    assert "gaps" in label_notes(written(tmp_path, json.dumps(gaps)), 2)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["", "", "", "", ""]', "class 0 is empty"),
        ("0,\n1,dog\n2,\n3,x\n4,y", "line 1: the name is empty"),
        ("- cat\n- ''\n- dog\n- a\n- b", "line 2: the name is empty"),
        ("cat\n\ndog\na\nb", "4 labels for a network of 5 classes; .*line 5; line 2 .*blank"),
        ("a\nb\nc\nd\ne\nf\ng", "7 labels .* 5 classes; the first one too many is 'f' in line 6"),
        ("a\nb\nc", "3 labels .* 5 classes; the last one is 'c' in line 3"),
        ("a\nb\nc\nd", "background"),
        ("background\na\nb\nc\nd\ne", "background"),
        ("index,name\n0,a\n1", "line 3: it has not 2 columns"),
        ('{"id": 0}\n{"id": 1}', "no entry"),
        ('{"a": 0}\n{"b": 1', "line 2: it is not valid JSON"),
    ],
)
def test_what_does_not_fit_points_to_the_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ModelError, match=said) as caught:
        resolve_labels(path, 5)
    assert str(path) in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    names=strategies.lists(
        strategies.text(
            strategies.characters(codec="utf-8", categories=("L", "P", "Zs")), min_size=2
        ).map(lambda text: f"x{text}x"),
        min_size=2,
        max_size=8,
        unique=True,
    ),
    order=strategies.randoms(use_true_random=False),
)
def test_shuffled_tables_give_any_names_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], order: Any
) -> None:
    rows = list(enumerate(names))
    order.shuffle(rows)
    path = written(tmp_path_factory.mktemp("t"), "\n".join(f"{i}\t{name}" for i, name in rows))
    assert resolve_labels(path, len(names)) == tuple(names)
    assert read_labels(path) == tuple(names)
