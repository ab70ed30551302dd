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
