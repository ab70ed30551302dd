"""The data set ``hf-dataset`` on data sets written here, offline: what was put in comes out, whatever the format."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from anybind_hf_datasets.dataset import HFDataset
from PIL import Image

import anybind

IDS = [f"k{row}" for row in range(5)]
CAPTIONS = [[f"first {row}", f"second {row}"] for row in range(4)] + [[]]
TRANSLATIONS = [{"en": f"dog {row}", "fr": f"chien {row}"} for row in range(5)]
COLUMNS = ["image=photo", "text=captions.0", "text_fr=translation.fr", "kind=label", "vector=v"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


def png(row: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (row * 10, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def table() -> datasets.Dataset:
    """Pictures and sound as bytes; the fourth picture is missing."""
    photos = [None if row == 3 else {"bytes": png(row), "path": None} for row in range(5)]
    sounds = [{"bytes": b"RIFF%d" % row, "path": f"{row}.wav"} for row in range(5)]
    media = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    columns = {
        "key": IDS, "photo": pa.array(photos, media), "sound": pa.array(sounds, media), "captions": CAPTIONS,
        "translation": TRANSLATIONS, "label": [0, 1, 0, 1, 0], "v": [[row, 0.5] for row in range(5)],
        "clip": ["a", "a", "b", None, "b"],
    }  # fmt: skip
    made = datasets.Dataset(pa.table(columns))
    for column, feature in {
        "photo": datasets.Image(), "sound": datasets.Audio(), "label": datasets.ClassLabel(names=["cat", "dog"]),
    }.items():  # fmt: skip
        made = made.cast_column(column, feature)
    return made


def saved(folder: Path) -> str:
    table().save_to_disk(str(folder / "saved"))
    return str(folder / "saved")


def shuffled(folder: Path) -> str:
    table().select([4, 3, 2, 1, 0]).select([4, 3, 2, 1, 0]).save_to_disk(str(folder / "saved"))
    return str(folder / "saved")


def split(folder: Path) -> str:
    datasets.DatasetDict({"train": table()}).save_to_disk(str(folder / "saved"))
    return str(folder / "saved")


def parquet(folder: Path) -> str:
    table().to_parquet(str(folder / "rows.parquet"))
    return str(folder / "rows.parquet")


@pytest.mark.parametrize("streaming", [False, True], ids=["table", "stream"])
@pytest.mark.parametrize("write", [saved, shuffled, split, parquet])
def test_every_format_gives_what_was_put_in(tmp_path: Path, write: Callable[[Path], str], streaming: bool) -> None:
    rows = HFDataset(path=write(tmp_path), columns=COLUMNS, id_column="key", streaming=streaming)
    assert rows.modalities == ("image", "text", "text_fr", "kind", "vector")
    assert list(rows.ids) == IDS
    for row in (0, 1, 2, 0, 4):
        assert rows[row]["image"] == png(row)
        assert rows[row]["text_fr"] == f"chien {row}"
        assert rows[row]["kind"] == ("cat", "dog")[row % 2]
        assert rows[row]["vector"] == [row, 0.5]
    assert rows[2]["text"] == "first 2"
    with pytest.raises(IndexError):
        rows[5]
    if streaming:
        with pytest.raises(anybind.DataError, match="a cell is empty") as caught:
            rows[3]["image"]
        assert "row 3, column photo" in str(caught.value.where)
    else:
        assert "image" not in rows[3]
        assert "text" not in rows[4], "a list that is too short holds no such caption"


def test_ids_without_a_column_name_split_and_row(tmp_path: Path) -> None:
    path = split(tmp_path)
    for streaming in (False, True):
        rows = HFDataset(path=path, columns=["text=label"], limit=3, streaming=streaming)
        assert list(rows.ids) == ["train/0", "train/1", "train/2"]


def test_a_stream_does_not_keep_more_than_its_window(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"key": f"k{row}", "text": f"t{row}"}) + "\n" for row in range(200)))
    rows = HFDataset(path=str(path), columns=["text=text"], id_column="key", streaming=True)
    assert [rows[row]["text"] for row in range(200)] == [f"t{row}" for row in range(200)]
    assert len(rows._rows._window) == 32  # type: ignore[attr-defined]
    assert [rows[row]["text"] for row in (170, 5, 199, 4)] == ["t170", "t5", "t199", "t4"]


def test_sound_is_handed_on_as_bytes_without_torchcodec(tmp_path: Path) -> None:
    for streaming in (False, True):
        rows = HFDataset(path=saved(tmp_path), columns=["audio=sound"], streaming=streaming)
        assert rows[1]["audio"] == b"RIFF1"


def test_a_folder_of_pictures_gives_their_paths(tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "train"
    folder.mkdir(parents=True)
    for row in range(3):
        (folder / f"{row}.png").write_bytes(png(row))
    lines = [json.dumps({"file_name": f"{row}.png", "text": f"t{row}"}) for row in range(3)]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    for streaming in (False, True):
        rows = HFDataset(path=str(folder.parent), columns=["image=image", "text=text"], streaming=streaming)
        assert rows[2] == {"image": folder.resolve() / "2.png", "text": "t2"}


def test_files_outside_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(0))
    (tmp_path / "data").mkdir()
    media = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    cells = pa.array([{"bytes": None, "path": str(tmp_path / "secret.png")}], media)
    made = datasets.Dataset(pa.table({"photo": cells})).cast_column("photo", datasets.Image())
    made.to_parquet(str(tmp_path / "data/rows.parquet"))
    rows = HFDataset(path=str(tmp_path / "data/rows.parquet"), columns=["image=photo"])
    with pytest.raises(anybind.DataError, match="out of the data set's folder"):
        rows[0]["image"]


def test_groups_and_splits(tmp_path: Path) -> None:
    rows = HFDataset(path=saved(tmp_path), columns=["text=label"], id_column="key", group_column="clip")
    assert rows.groups == ("a", "a", "b", "id k3", "b")
    stream = HFDataset(path=saved(tmp_path), columns=["text=label"], group_column="clip", streaming=True)
    assert stream.groups == ("a", "a", "b", "id rows/3", "b")
    both = datasets.DatasetDict({"train": table(), "test": table()})
    both.save_to_disk(str(tmp_path / "both"))
    with pytest.raises(anybind.DataError, match="split must be named") as caught:
        HFDataset(path=str(tmp_path / "both"), columns=["text=label"])
    assert caught.value.expected == "one of train, test"
    assert HFDataset(path=str(tmp_path / "both"), columns=["text=label"], split="test").ids[0] == "test/0"


def test_faulty_ids_are_refused_or_left_out(tmp_path: Path) -> None:
    lines = [{"key": key, "text": f"t{row}"} for row, key in enumerate(["a", None, "a", "b"])]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    options: dict[str, Any] = {"path": str(tmp_path / "rows.jsonl"), "columns": ["text=text"], "id_column": "key"}
    with pytest.raises(anybind.DataError, match="no id") as caught:
        HFDataset(**options)
    assert "2 faults in all" in str(caught.value.hint)
    for streaming in (False, True):
        rows = HFDataset(**options, on_error="skip", streaming=streaming)
        assert [rows[row]["text"] for row in range(2)] == ["t0", "t3"]
        assert [identifier for identifier, _, _ in rows.skipped] == ["row 1", "a"]


def test_the_collection_follows_files_and_columns_but_not_the_split(tmp_path: Path) -> None:
    path = saved(tmp_path)
    first = HFDataset(path=path, columns=["text=label", "image=photo"], id_column="key")
    same = HFDataset(path=path, columns=["image=photo", "text=label"], id_column="key", modalities=["text"], limit=2)
    assert same.collection == first.collection
    other = HFDataset(path=path, columns=["text=translation.en", "image=photo"], id_column="key")
    assert other.collection != first.collection, "another column under the same name is another vector"
    assert HFDataset(path=path, columns=["text=label"], collection="mine").collection == "mine"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"columns": ["text=nothing"]}, "lacks a column"),
        ({"columns": ["text=label"], "id_column": "nothing"}, "lacks a column"),
        ({"columns": ["text=label"], "modalities": ["image"]}, "modalities"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, options: dict[str, Any], what: str) -> None:
    with pytest.raises(anybind.DataError, match=what):
        HFDataset(path=saved(tmp_path), **options)


@pytest.mark.parametrize(("column", "hint"), [("captions", "captions.0"), ("translation", "translation.en")])
def test_a_cell_of_several_parts_needs_one_named(tmp_path: Path, column: str, hint: str) -> None:
    with pytest.raises(anybind.DataError, match="wrong type") as caught:
        HFDataset(path=saved(tmp_path), columns=[f"text={column}"])[0]["text"]
    assert hint in str(caught.value.hint)
    with pytest.raises(anybind.DataError, match="no such part"):
        HFDataset(path=saved(tmp_path), columns=[f"text={column}.x"])[0]["text"]


@pytest.mark.parametrize(
    "options", [{}, {"repo": "a/b", "path": "c"}, {"repo": "a/b"}, {"repo": "a/b", "revision": ""}]
)
def test_options_that_do_not_go_together(options: dict[str, Any]) -> None:
    with pytest.raises(anybind.UsageError):
        HFDataset(columns=["text=text"], **options)


def test_a_column_without_a_modality() -> None:
    with pytest.raises(anybind.UsageError, match="columns"):
        HFDataset(path="x", columns=["text"])


@pytest.mark.parametrize("name", ["gone", "gone.parquet", "rows.xyz", "broken.parquet", "empty"])
def test_what_cannot_be_opened_is_a_data_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "rows.xyz").write_text("x")
    (tmp_path / "broken.parquet").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(anybind.DataError, match="cannot be opened") as caught:
        HFDataset(path=str(tmp_path / name), columns=["text=text"])
    assert caught.value.where == str(tmp_path / name)


def test_the_hub_is_asked_for_the_pinned_revision_and_never_for_code(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(*arguments: Any, **options: Any) -> datasets.Dataset:
        asked.append((arguments, options))
        return table()

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows = HFDataset(
        repo="owner/name", revision="0123abc", name="small", split="train", columns=["text=label"], id_column="key"
    )
    expected = {"name": "small", "revision": "0123abc", "split": "train", "streaming": False}
    assert asked == [(("owner/name",), expected)]
    assert rows.collection.startswith("hf-dataset:name:")
    later = HFDataset(repo="owner/name", revision="4567def", split="train", columns=["text=label"], id_column="key")
    assert later.collection != rows.collection


def test_opening_a_table_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from anybind_hf_datasets.dataset import HFDataset; "
        f"rows = HFDataset(path={saved(tmp_path)!r}, columns={COLUMNS!r}, id_column='key'); "
        "assert rows[0]['text'] == 'first 0'; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
