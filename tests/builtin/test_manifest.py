"""Manifests in CSV, TSV and JSON Lines: rows, paths that stay inside, and errors with line numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anybind.builtin.manifest import Manifest
from anybind.errors import DataError

TABLE = "id,image,text_en,text\n1,a.png,a dog,x\n2,,two cats,y\n3,sub/b.png,,z\n"


def manifest_in(folder: Path, content: str | bytes, name: str = "list.csv", **options: Any) -> Manifest:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Manifest(path=str(path), **options)


def test_rows_of_a_table(tmp_path: Path) -> None:
    rows = manifest_in(tmp_path, TABLE)
    root = tmp_path.resolve()
    assert rows.modalities == ("image", "text_en", "text")
    assert list(rows.ids) == ["1", "2", "3"]
    assert len(rows) == 3
    assert rows[0] == {"image": root / "a.png", "text_en": "a dog", "text": "x"}
    assert rows[1] == {"text_en": "two cats", "text": "y"}, "an empty cell is an absent key"
    assert rows[2] == {"image": root / "sub/b.png", "text": "z"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.tsv", TABLE.replace(",", "\t")),
        ("list.CSV", "\ufeff" + TABLE.replace("\n", "\r\n")),
        ("list.csv", '\n"id","image","text_en","text"\n1,a.png,a dog,x\n\n2,,two cats,y\n3,sub/b.png,,z\n\n'),
        (
            "list.jsonl",
            '{"id": 1, "image": "a.png", "text_en": "a dog", "text": "x"}\n\n'
            '{"id": "2", "image": null, "text_en": "two cats", "text": "y"}\n'
            '{"id": "3", "image": "sub/b.png", "text": "z"}',
        ),
    ],
)
def test_other_formats_say_the_same(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "one").mkdir()
    expected, other = manifest_in(tmp_path / "one", TABLE), manifest_in(tmp_path, content, name)
    assert list(other.ids) == list(expected.ids)
    assert other.modalities == expected.modalities
    assert [sorted(other[row]) for row in range(3)] == [sorted(expected[row]) for row in range(3)]
    assert other[2]["image"] == tmp_path.resolve() / "sub/b.png"


def test_quoted_cells_hold_anything(tmp_path: Path) -> None:
    rows = manifest_in(tmp_path, 'id,text\n1,"one, ""two""\nthree"\n2,four\n')
    assert rows[0]["text"] == 'one, "two"\nthree'
    assert rows[1]["text"] == "four"


def test_lists_of_numbers_are_vectors(tmp_path: Path) -> None:
    rows = manifest_in(tmp_path, json.dumps({"id": "a", "v": [1, 2.5]}), "list.jsonl")
    assert rows[0] == {"v": [1, 2.5]}


def test_columns_can_be_chosen_and_named(tmp_path: Path) -> None:
    content = "key,photo,caption,part\nx,p.png,a dog,train\ny,q.png,a cat,test\n"
    rows = manifest_in(
        tmp_path, content, id_column="key", text_columns=["caption"], split_column="part", split="test",
        modalities=("caption", "photo"),
    )  # fmt: skip
    assert rows.modalities == ("caption", "photo")
    assert list(rows.ids) == ["y"]
    assert rows[0] == {"caption": "a cat", "photo": tmp_path.resolve() / "q.png"}


def test_splits_share_their_collection_and_edits_do_not(tmp_path: Path) -> None:
    content = "id,text,part\n1,a,train\n2,b,test\n"
    train = manifest_in(tmp_path, content, split_column="part", split="train")
    test = manifest_in(tmp_path, content, split_column="part", split="test")
    assert train.collection == test.collection
    assert manifest_in(tmp_path, content + "3,c,test\n").collection != train.collection
    assert manifest_in(tmp_path, content, collection="mine").collection == "mine"


def test_a_missing_file_shows_when_it_is_loaded_so_that_other_columns_work(tmp_path: Path) -> None:
    rows = manifest_in(tmp_path, "id,image,text\n1,gone.png,a\n")
    assert rows[0] == {"image": tmp_path.resolve() / "gone.png", "text": "a"}


@pytest.mark.parametrize(
    "cell", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "link/secret.png", "leak.png"]
)
def test_paths_stay_inside_the_folder(tmp_path: Path, cell: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (inside / "link").symlink_to(tmp_path)
    (inside / "leak.png").symlink_to(tmp_path / "secret.png")
    rows = manifest_in(inside, f"id,image\n1,ok.png\n2,{cell}\n")
    with pytest.raises(DataError, match="out of the data set's folder") as caught:
        rows[1]
    assert caught.value.where == f"{inside / 'list.csv'}:3, column image"
    assert rows[0]


def test_links_inside_the_folder_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "absolute").mkdir()
    rows = manifest_in(tmp_path, f"id,image\n1,b.png\n2,{tmp_path.resolve() / 'a.png'}\n")
    assert rows[0] == rows[1] == {"image": tmp_path.resolve() / "a.png"}


def test_a_path_that_no_system_has_names_the_line(tmp_path: Path) -> None:
    rows = manifest_in(tmp_path, json.dumps({"id": "1", "image": "nul\0"}), "list.jsonl")
    with pytest.raises(DataError, match="cannot be followed") as caught:
        rows[0]
    assert caught.value.where == f"{tmp_path / 'list.jsonl'}:1, column image"


@pytest.mark.parametrize(
    ("name", "content", "line", "what"),
    [
        ("list.csv", "id,image\n1,a\n2,b\n1,c\n", 4, "twice"),
        ("list.csv", "id,image\n1,a\n2\n", 3, "number of cells"),
        ("list.csv", "id,image\n1,a,b\n", 2, "number of cells"),
        ("list.csv", "id,image\n,a\n", 2, "no id"),
        ("list.csv", "id,image,image\n1,a,b\n", 1, "twice"),
        ("list.csv", "id,,image\n1,a,b\n", 1, "not at all"),
        ("list.csv", 'id,image\n1,"a\n', 2, "cannot be read"),
        ("list.jsonl", '{"id": "1"}\n{"id"\n', 2, "no JSON"),
        ("list.jsonl", "[" * 100_000, 1, "no JSON"),
        ("list.jsonl", '{"id": "1", "a": "b"}\n[1]\n', 2, "no JSON object"),
        ("list.jsonl", '{"id": "1", "a": "b"}\n{"a": "b"}\n', 2, "no id"),
        ("list.jsonl", '{"id": true, "a": "b"}\n', 1, "no id"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, name: str, content: str, line: int, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        manifest_in(tmp_path, content, name)
    assert caught.value.where == f"{tmp_path / name}:{line}"


@pytest.mark.parametrize(
    ("name", "content", "options", "what"),
    [
        ("list.csv", "", {}, "no rows"),
        ("list.csv", "id,image\n", {}, "no rows"),
        ("list.jsonl", "\n\n", {}, "no rows"),
        ("list.csv", "name,image\n1,a\n", {}, "lacks a column"),
        ("list.csv", "id\n1\n", {}, "modalities"),
        ("list.csv", "id,image\n1,a\n", {"modalities": ["audio"]}, "modalities"),
        ("list.csv", "id,image\n1,a\n", {"split": "x"}, "split"),
        ("list.csv", "id,image\n1,a\n", {"split": "x", "split_column": "part"}, "lacks a column"),
        ("list.csv", "id,image,part\n1,a,y\n", {"split": "x", "split_column": "part"}, "no rows"),
        ("list.csv", b"id,image\n1,\xff\xfe\n", {}, "not UTF-8"),
        ("list.xml", "id,image\n1,a\n", {}, "ending"),
    ],
)
def test_errors_name_the_file(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(DataError, match=what) as caught:
        manifest_in(tmp_path, content, name, **options)
    assert caught.value.where == tmp_path / name


@pytest.mark.parametrize("name", ["gone.csv", "folder.csv"])
def test_a_manifest_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="cannot be read") as caught:
        Manifest(path=str(tmp_path / name))
    assert caught.value.where == tmp_path / name


@pytest.mark.parametrize("cell", [1, True, {"a": 1}, 1.5])
def test_cells_of_no_meaning(tmp_path: Path, cell: Any) -> None:
    rows = manifest_in(tmp_path, json.dumps({"id": "1", "image": cell}), "list.jsonl")
    with pytest.raises(DataError, match="wrong type") as caught:
        rows[0]
    assert "list.jsonl:1, column image" in str(caught.value.where)


FAULTY = "id,image,text\n1,a.png,x\n2,b.png\n1,c.png,y\n,d.png,z\n3,gone.png,v\n4,../e.png,w\n5,,u\n"


def test_faulty_rows_are_refused_with_the_count_and_the_next_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="number of cells") as caught:
        manifest_in(tmp_path, FAULTY)
    assert caught.value.where == f"{tmp_path / 'list.csv'}:3"
    assert "3 faults in all" in str(caught.value.hint)
    assert f"{tmp_path / 'list.csv'}:4: an id occurs twice" in str(caught.value.hint)
    assert "on_error: skip" in str(caught.value.hint)


def test_faulty_rows_and_missing_files_are_left_out_and_listed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    rows = manifest_in(tmp_path, FAULTY, on_error="skip")
    table = tmp_path / "list.csv"
    assert rows.ids == ("1", "3", "4", "5")
    assert rows[0] == {"image": tmp_path.resolve() / "a.png", "text": "x"}, "of two rows with an id the first stays"
    assert [dict(rows[i]) for i in (1, 2, 3)] == [{"text": "v"}, {"text": "w"}, {"text": "u"}]
    assert [(identifier, modality) for identifier, modality, _ in rows.skipped] == [
        (f"{table}:3", ""), ("1", ""), (f"{table}:5", ""), ("3", "image"), ("4", "image"),
    ]  # fmt: skip
    assert rows.skipped[3][2] == f"a file is missing ({tmp_path.resolve() / 'gone.png'})"
    assert "out of the data set's folder" in rows.skipped[4][2]


def test_files_of_modalities_that_are_not_used_are_not_missed(tmp_path: Path) -> None:
    assert manifest_in(tmp_path, "id,image,text\n1,gone.png,x\n", on_error="skip", modalities=["text"]).skipped == ()


def test_groups_keep_near_duplicates_together(tmp_path: Path) -> None:
    rows = manifest_in(tmp_path, "id,text,clip\n1,a,u\n2,b,u\n3,c,\n", group_column="clip")
    assert rows.modalities == ("text",)
    assert rows.groups == ("u", "u", "id 3")
    assert manifest_in(tmp_path, "id,text\n1,a\n").groups is None
