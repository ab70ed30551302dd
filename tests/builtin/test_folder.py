"""Folders of files that share stems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anybind.builtin.folder import Folder
from anybind.errors import DataError, UsageError

ENDINGS = {"photo": "png", "audio": "wav", "text": "txt"}


def files_in(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder.resolve()


def test_each_subfolder_is_a_modality_and_stems_join(tmp_path: Path) -> None:
    root = files_in(
        tmp_path, "photo/0001.png", "photo/0002.v2.jpg", "audio/0001.wav", "text/0001.txt", "text/a/3.txt",
        "audio/a/3.flac", "README.md", "photo/.hidden.png", ".cache/0001.png",
    )  # fmt: skip
    rows = Folder(path=str(tmp_path))
    assert rows.modalities == ("audio", "photo", "text")
    assert rows.ids == ("0001", "0002.v2", "a/3")
    assert rows[0] == {name: root / name / f"0001.{ending}" for name, ending in ENDINGS.items()}
    assert rows[1] == {"photo": root / "photo/0002.v2.jpg"}, "a stem without a sound lacks the sound"
    assert rows[2] == {"audio": root / "audio/a/3.flac", "text": root / "text/a/3.txt"}
    assert rows.skipped == ()


def test_flat_folders_by_endings(tmp_path: Path) -> None:
    root = files_in(tmp_path, "1.png", "1.wav", "1.txt", "2.png", "2.txt", "1.json")
    rows = Folder(path=str(tmp_path), files=["text=*.txt", "image=*.png", "audio=*.wav"], modalities=["image", "text"])
    assert rows.modalities == ("image", "text")
    assert [dict(rows[i]) for i in range(len(rows))] == [
        {"image": root / f"{i}.png", "text": root / f"{i}.txt"} for i in (1, 2)
    ]


def test_the_longer_pattern_has_the_file(tmp_path: Path) -> None:
    root = files_in(tmp_path, "a.png", "a_depth.png", "b.png", "b_depth.png")
    rows = Folder(path=str(tmp_path), files=["image=*.png", "depth=*_depth.png"])
    assert rows.ids == ("a", "b")
    assert rows[1] == {"image": root / "b.png", "depth": root / "b_depth.png"}


def test_modalities_do_not_change_the_collection_and_files_do(tmp_path: Path) -> None:
    files_in(tmp_path, "a/1.x", "b/1.x", "c/1.x")
    one, two = Folder(path=str(tmp_path), modalities=["a", "b"]), Folder(path=str(tmp_path), modalities=["b", "c"])
    assert one.collection == two.collection
    (tmp_path / "a/1.x").write_bytes(b"something longer")
    assert Folder(path=str(tmp_path)).collection != one.collection
    assert Folder(path=str(tmp_path), collection="mine").collection == "mine"


def test_two_files_of_one_stem_are_refused_with_the_count_or_left_out(tmp_path: Path) -> None:
    root = files_in(tmp_path, "a/1.jpg", "a/1.png", "a/2.jpg", "a/2.png", "a/2.tif", "b/1.txt", "b/2.txt")
    with pytest.raises(DataError, match="two files have one stem") as caught:
        Folder(path=str(tmp_path))
    assert caught.value.where == root / "a/1.png"
    assert caught.value.got == "1.jpg"
    assert "3 faults in all" in str(caught.value.hint)
    assert "on_error: skip" in str(caught.value.hint)
    rows = Folder(path=str(tmp_path), on_error="skip")
    assert rows[0]["a"] == root / "a/1.jpg"
    assert [(identifier, modality) for identifier, modality, _ in rows.skipped] == [("1", "a"), ("2", "a"), ("2", "a")]


def test_links_that_lead_out_are_faults(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    data = tmp_path / "data"
    files_in(data, "a/1.txt", "b/1.txt")
    (data / "a/2.txt").symlink_to(tmp_path / "secret.txt")
    (data / "a/3.txt").symlink_to(data / "gone.txt")
    with pytest.raises(DataError, match="out of the data set's folder"):
        Folder(path=str(data))
    rows = Folder(path=str(data), on_error="skip")
    assert rows.ids == ("1",)
    assert [identifier for identifier, _, _ in rows.skipped] == ["2", "3"]


@pytest.mark.parametrize(
    ("names", "options", "what"),
    [
        ((), {}, "modalities"),
        (("1.png", "1.txt"), {}, "modalities"),
        (("a/1.x", "b/2.x"), {}, "share a stem"),
        (("a/1.x",), {"modalities": ["b"]}, "modalities"),
        (("1.png",), {"files": ["image=*.png", "text=*.txt"]}, "no files"),
    ],
)
def test_what_makes_no_data_set(tmp_path: Path, names: tuple[str, ...], options: dict[str, Any], what: str) -> None:
    files_in(tmp_path, *names)
    with pytest.raises(DataError, match=what):
        Folder(path=str(tmp_path), **options)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder is missing"):
        Folder(path=str(tmp_path / "gone"))


@pytest.mark.parametrize("item", ["image", "image=", "=*.png", "image=a.png", "image=*/*.png"])
def test_patterns_that_cannot_be_read(tmp_path: Path, item: str) -> None:
    with pytest.raises(UsageError, match="files") as caught:
        Folder(path=str(tmp_path), files=[item])
    assert "image=photo/*.png" in str(caught.value.expected)
