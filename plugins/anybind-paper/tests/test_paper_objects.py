"""ObjectFolder 1.0 and Real on tiny folders in the benchmark's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anybind_paper import examples
from anybind_paper.objectfolder import ObjectFolder, ObjectFolderReal
from anybind_paper.tiny_files import document

import anybind


@pytest.fixture
def virtual(tmp_path: Path) -> Path:
    examples.objectfolder(tmp_path)
    return tmp_path.resolve()


@pytest.fixture
def real(tmp_path: Path) -> Path:
    examples.objectfolder_real(tmp_path)
    return tmp_path.resolve()


def test_version_1_has_the_first_hundred_objects(virtual: Path) -> None:
    rows = ObjectFolder(root=str(virtual), split="all")
    assert rows.ids == ("1/0", "1/1", "25/0", "25/1")
    assert rows.groups == ("1", "1", "25", "25")
    assert dict(rows[3]) == {
        "image": virtual / "vision/25/1.png", "audio": virtual / "audio/25/1.wav", "touch": virtual / "touch/25/1.png",
        "text": "030 fork, steel",
    }  # fmt: skip
    assert ObjectFolder(root=str(virtual), split="test", objects=1000).ids == ("101/0", "101/1")


def test_text_of_version_1_needs_the_list_of_objects(virtual: Path) -> None:
    (virtual / "objects.csv").unlink()
    assert ObjectFolder(root=str(virtual), split="train").modalities == ("image", "audio", "touch")
    with pytest.raises(anybind.DataError, match="modalities"):
        ObjectFolder(root=str(virtual), split="train", modalities=["text"])


def test_real_objects_have_their_published_names(real: Path) -> None:
    rows = ObjectFolderReal(root=str(real), split="train")
    assert rows.ids == ("1/0", "1/2", "18/0", "18/1")
    assert (rows[0]["text"], rows[2]["text"]) == ("soup spoon, ceramic", "10.25inch skillet, iron")
    assert ObjectFolderReal(root=str(real), split="val").ids == ("1/1",)
    everything = ObjectFolderReal(root=str(real), split="all")
    assert everything.ids == ("1/0", "1/1", "1/2", "18/0", "18/1", "18/2")
    assert everything.collection == rows.collection


def test_the_published_list_of_real_objects() -> None:
    """As the data set's page has it: 100 objects of seven materials."""
    from anybind_paper import objectfolder

    path = Path(objectfolder.__file__).parent / "objectfolder_real.csv"
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    assert [int(row[0]) for row in rows] == list(range(1, 101))
    assert {row[2] for row in rows} == {"Ceramic", "Glass", "Wood", "Plastic", "Iron", "Polycarbonate", "Steel"}
    assert rows[90][1:] == ["Glass_Green", "Glass"]


def test_missing_files_by_item(real: Path) -> None:
    (real / "touch/18/1.png").unlink()
    (real / "audio/1/0.wav").unlink()
    with pytest.raises(anybind.DataError, match="a file is missing") as caught:
        ObjectFolderReal(root=str(real), split="train")
    assert "2 faults in all" in str(caught.value.hint)
    assert "objectfolder.stanford.edu" in str(caught.value.hint)
    rows = ObjectFolderReal(root=str(real), split="train", on_error="skip")
    assert [(key, modality) for key, modality, _ in rows.skipped] == [("1/0", "audio"), ("18/1", "touch")]
    assert "audio" not in rows[0]
    assert ObjectFolderReal(root=str(real), split="train", modalities=["image", "text"]).skipped == ()


@pytest.mark.parametrize("content", ["{", [], {"train": {"1": 3}}, {"val": {}}, {"train": ["1"]}])
def test_splits_in_another_form(real: Path, content: Any) -> None:
    document(real / "split.json", content)
    with pytest.raises(anybind.DataError) as caught:
        ObjectFolderReal(root=str(real), split="train")
    assert caught.value.where == real / "split.json"


def test_instances_do_not_lead_out(real: Path) -> None:
    document(real / "split.json", json.dumps({"train": {"..": ["../../secret"]}}))
    with pytest.raises(anybind.DataError, match="out of the data set's folder"):
        ObjectFolderReal(root=str(real), split="train")


def test_a_split_without_rows_and_a_folder_without_a_split(virtual: Path, tmp_path: Path) -> None:
    with pytest.raises(anybind.DataError, match="no rows") as caught:
        ObjectFolder(root=str(virtual), split="val")
    assert "github.com/rhgao/ObjectFolder" in str(caught.value.hint)
    (tmp_path / "empty").mkdir()
    with pytest.raises(anybind.DataError, match="is missing") as caught:
        ObjectFolder(root=str(tmp_path / "empty"), split="train")
    assert caught.value.expected == "split.json"
