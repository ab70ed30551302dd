"""Manifests in Parquet say what the same manifest says in JSON Lines; pyarrow is needed for them alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from anybind.builtin.manifest import Manifest
from anybind.errors import DataError, PluginError

pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")

ROWS: list[dict[str, Any]] = [
    {"id": 7, "image": "a.png", "text": "a dog", "v": [1.0, 2.5], "part": "train"},
    {"id": 8, "image": None, "text": "two cats", "v": None, "part": "test"},
    {"id": 9, "image": "sub/b.png", "text": "", "v": [0.0, 1.0], "part": "train"},
]


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)
    return path


def test_it_says_what_json_lines_say(tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    options: dict[str, Any] = {"split_column": "part", "split": "train"}
    lines = Manifest(path=str(tmp_path / "list.jsonl"), **options)
    table = Manifest(path=str(parquet(tmp_path / "list.parquet", ROWS)), **options)
    assert table.modalities == lines.modalities == ("image", "text", "v")
    assert table.ids == lines.ids == ("7", "9")
    assert [dict(table[i]) for i in range(2)] == [dict(lines[i]) for i in range(2)]
    assert table[1] == {"image": tmp_path.resolve() / "sub/b.png", "v": [0.0, 1.0]}


def test_bytes_are_the_content_of_a_file(tmp_path: Path) -> None:
    rows = Manifest(path=str(parquet(tmp_path / "list.parquet", [{"id": "a", "image": b"\x89PNG", "text": "x"}])))
    assert rows[0] == {"image": b"\x89PNG", "text": "x"}


def test_errors_name_the_row(tmp_path: Path) -> None:
    path = parquet(tmp_path / "list.parquet", [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}])
    with pytest.raises(DataError, match="twice") as caught:
        Manifest(path=str(path))
    assert caught.value.where == f"{path}:2"


@pytest.mark.parametrize("content", [b"", b"PAR1 garbage PAR1", None])
def test_what_is_no_parquet_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "list.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as caught:
        Manifest(path=str(path))
    assert caught.value.where == path


def test_without_pyarrow_the_hint_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "list.parquet", ROWS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PluginError) as caught:
        Manifest(path=str(path))
    assert caught.value.hint == "pip install \"pyarrow>=17\" (extra 'parquet' of anybind)"
