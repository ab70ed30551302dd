"""Folders of arrays as data sets: read row by row, never unpickled, with errors that name the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from anybind.builtin.arrays import Arrays
from anybind.errors import DataError, ShapeError

IMAGE = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
TEXT = np.random.default_rng(1).standard_normal((5, 2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "image.npy", IMAGE)
    save_file({"vectors": TEXT}, tmp_path / "text.safetensors")
    (tmp_path / "README.md").write_text("not an array")
    return tmp_path


def test_rows_of_both_formats(folder: Path) -> None:
    rows = Arrays(path=str(folder))
    assert rows.modalities == ("image", "text")
    assert list(rows.ids) == ["0", "1", "2", "3", "4"]
    assert len(rows) == 5
    for number in range(5):
        np.testing.assert_array_equal(rows[number]["image"], IMAGE[number])
        np.testing.assert_array_equal(rows[number]["text"], TEXT[number])
    np.testing.assert_array_equal(rows[-1]["text"], TEXT[4])
    with pytest.raises(IndexError):
        rows[5]


def test_a_row_can_be_changed_without_changing_the_file(folder: Path) -> None:
    rows = Arrays(path=str(folder))
    rows[0]["image"][:] = 0
    np.testing.assert_array_equal(rows[0]["image"], IMAGE[0])


def test_ids_and_modalities_are_given(folder: Path) -> None:
    (folder / "ids.txt").write_bytes("a\r\nb\r\n犬\r\nd d\r\ne\r\n".encode())
    rows = Arrays(path=str(folder), modalities=("text",))
    assert list(rows.ids) == ["a", "b", "犬", "d d", "e"]
    assert rows.modalities == ("text",)
    assert list(rows[0]) == ["text"]


def test_rows_of_nan_are_missing_when_asked_for(folder: Path) -> None:
    holes = IMAGE.copy()
    holes[1] = np.nan
    holes[2, 0] = np.nan
    np.save(folder / "image.npy", holes)
    assert [sorted(Arrays(path=str(folder), missing_from_nan=True)[row]) for row in range(3)] == [
        ["image", "text"], ["text"], ["image", "text"],
    ]  # fmt: skip
    assert "image" in Arrays(path=str(folder))[1]


def test_the_collection_follows_the_files(folder: Path) -> None:
    collection = Arrays(path=str(folder)).collection
    assert Arrays(path=str(folder), modalities=("text",)).collection == collection
    os.utime(folder / "image.npy", (1, 1))
    assert Arrays(path=str(folder)).collection != collection
    assert Arrays(path=str(folder), collection="mine").collection == "mine"


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize(
    "array", [np.array([[Bomb()]] * 5, dtype=object), np.array([["a"]] * 5), np.ones((5, 2), dtype=complex)]
)
def test_only_real_numbers_are_read(folder: Path, array: np.ndarray) -> None:
    np.save(folder / "image.npy", array)
    with pytest.raises(DataError) as caught:
        Arrays(path=str(folder))
    assert caught.value.where == folder / "image.npy"


@pytest.mark.parametrize("shape", [(5,), (5, 2, 2), (5, 0), (0, 3), ()])
def test_only_tables_are_read(folder: Path, shape: tuple[int, ...]) -> None:
    np.save(folder / "image.npy", np.zeros(shape))
    with pytest.raises(ShapeError) as caught:
        Arrays(path=str(folder))
    assert caught.value.where == folder / "image.npy"
    assert caught.value.got == shape


def test_unequal_lengths_are_refused(folder: Path) -> None:
    np.save(folder / "audio.npy", np.zeros((4, 2)))
    with pytest.raises(ShapeError) as caught:
        Arrays(path=str(folder))
    assert caught.value.got == "audio: 4, image: 5, text: 5"
    assert len(Arrays(path=str(folder), modalities=("image", "text"))) == 5


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("image.npy", b""),
        ("image.npy", b"\x93NUMPY\x01\x00garbage"),
        ("text.safetensors", b""),
        ("text.safetensors", b"\xff" * 64),
    ],
)
def test_broken_files_are_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as caught:
        Arrays(path=str(folder))
    assert caught.value.where == folder / name


def test_a_truncated_array_is_named(folder: Path) -> None:
    path = folder / "image.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError) as caught:
        Arrays(path=str(folder))
    assert caught.value.where == path


def test_a_safetensors_file_needs_the_right_tensor(folder: Path) -> None:
    save_file({"other": TEXT}, folder / "text.safetensors")
    assert np.array_equal(Arrays(path=str(folder))[1]["text"], TEXT[1]), "a single tensor may have any name"
    save_file({"other": TEXT, "more": TEXT}, folder / "text.safetensors")
    with pytest.raises(DataError, match="'vectors'") as caught:
        Arrays(path=str(folder))
    assert "other" in str(caught.value.got)


@pytest.mark.parametrize(
    "ids",
    [b"a\nb\nc\nd\n", b"a\nb\nc\nd\ne\nf\n", b"a\nb\na\nd\ne\n", b"a\n\nc\nd\ne\n", b"a\nb\nc\nd\n\xff"],
)
def test_ids_that_do_not_fit(folder: Path, ids: bytes) -> None:
    (folder / "ids.txt").write_bytes(ids)
    with pytest.raises(DataError) as caught:
        Arrays(path=str(folder))
    assert caught.value.where == folder / "ids.txt"


def test_two_files_for_one_modality(folder: Path) -> None:
    np.save(folder / "text.npy", TEXT)
    with pytest.raises(DataError, match="two files"):
        Arrays(path=str(folder))


@pytest.mark.parametrize("options", [{"path": "nowhere"}, {"modalities": ("audio",)}])
def test_what_is_not_there(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        Arrays(**{"path": str(folder), **options})


def test_a_folder_without_arrays(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="modalities"):
        Arrays(path=str(tmp_path))


@pytest.fixture
def retrieval(tmp_path: Path) -> Path:
    """Vectors as clip-retrieval leaves them: numbered shards, and the ids in tables beside them."""
    for part, rows in {0: slice(0, 2), 2: slice(2, 4), 10: slice(4, 5)}.items():
        for name, array in {"img_emb": IMAGE, "text_emb": TEXT}.items():
            (tmp_path / name).mkdir(exist_ok=True)
            np.save(tmp_path / name / f"{name}_{part}.npy", array[rows])
        (tmp_path / "metadata").mkdir(exist_ok=True)
        lines = "".join(f"{row},https://example.org/{row}\n" for row in range(5)[rows])
        (tmp_path / f"metadata/metadata_{part}.csv").write_text(f"key,url\n{lines}")
    return tmp_path


def test_numbered_shards_are_one_array(retrieval: Path) -> None:
    rows = Arrays(
        path=str(retrieval), files=["text=text_emb", "image=img_emb"], ids=str(retrieval / "metadata"), id_column="key"
    )
    assert rows.modalities == ("text", "image")
    assert rows.ids == ("0", "1", "2", "3", "4")
    for row in range(5):
        np.testing.assert_array_equal(rows[row]["image"], IMAGE[row])
        np.testing.assert_array_equal(rows[row]["text"], TEXT[row])
    assert Arrays(path=str(retrieval)).modalities == ("img_emb", "text_emb")


def test_a_changed_shard_is_another_collection(retrieval: Path) -> None:
    before = Arrays(path=str(retrieval)).collection
    os.utime(retrieval / "img_emb/img_emb_2.npy", (1, 1))
    assert Arrays(path=str(retrieval)).collection != before


def test_shards_that_do_not_fit(retrieval: Path) -> None:
    np.save(retrieval / "img_emb/img_emb_02.npy", IMAGE)
    with pytest.raises(DataError, match="put in order") as caught:
        Arrays(path=str(retrieval))
    assert caught.value.where == retrieval / "img_emb"
    (retrieval / "img_emb/img_emb_02.npy").unlink()
    np.save(retrieval / "img_emb/img_emb_11.npy", np.zeros((1, 4)))
    with pytest.raises(ShapeError, match="unequal dims"):
        Arrays(path=str(retrieval))


@pytest.mark.parametrize("files", [["image=../secret.npy"], ["image=gone.npy"], ["image=img_emb", "image=text_emb"]])
def test_named_files_that_cannot_be_used(retrieval: Path, files: list[str]) -> None:
    np.save(retrieval.parent / "secret.npy", IMAGE)
    with pytest.raises(DataError):
        Arrays(path=str(retrieval), files=files)


@pytest.mark.parametrize(("name", "ids"), [("ids.npy", np.array(list("abcde"))), ("keys.npy", np.arange(5))])
def test_ids_from_an_array(folder: Path, name: str, ids: np.ndarray) -> None:
    np.save(folder.parent / name, ids)
    assert Arrays(path=str(folder), ids=str(folder.parent / name)).ids == tuple(map(str, ids))


@pytest.mark.parametrize("ids", [np.zeros(5), np.array([["a"]]), np.array([Bomb()] * 5, dtype=object)])
def test_ids_from_an_array_that_holds_none(folder: Path, ids: np.ndarray) -> None:
    np.save(folder.parent / "ids.npy", ids)
    with pytest.raises(DataError, match="ids cannot be read"):
        Arrays(path=str(folder), ids=str(folder.parent / "ids.npy"))


def test_ids_of_a_row_without_one(folder: Path) -> None:
    (folder / "ids.jsonl").write_text('{"id": "a"}\n{"id": null}\n')
    with pytest.raises(DataError, match="no id") as caught:
        Arrays(path=str(folder), ids=str(folder / "ids.jsonl"))
    assert caught.value.where == f"{folder / 'ids.jsonl'}:2"


def test_an_archive_of_arrays(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "all.npz", image=IMAGE, text=TEXT, ids=np.array(list("abcde")))
    rows = Arrays(path=str(tmp_path / "all.npz"))
    assert rows.modalities == ("image", "text")
    assert rows.ids == ("a", "b", "c", "d", "e")
    np.testing.assert_array_equal(rows[3]["text"], TEXT[3])
    np.savez(tmp_path / "bare.npz", image=IMAGE)
    assert Arrays(path=str(tmp_path / "bare.npz")).ids == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize("array", [np.array([[Bomb()]], dtype=object), np.array([["a"]]), np.zeros(3)])
def test_archives_of_other_things(tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "all.npz", image=array)
    with pytest.raises(DataError):
        Arrays(path=str(tmp_path / "all.npz"))


@pytest.mark.parametrize("content", [b"", b"PK garbage", None])
def test_broken_archives(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "all.npz").write_bytes(content)
    with pytest.raises(DataError) as caught:
        Arrays(path=str(tmp_path / "all.npz"))
    assert caught.value.where == tmp_path / "all.npz"
