"""Text is read as text or from UTF-8 files, and shown escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anybind.builtin import text
from anybind.builtin.text import Text
from anybind.errors import DataError
from anybind.specs import ModalitySpec

TEXT = Text(ModalitySpec(name="text_ja", kind="text", factory="anybind.builtin.text:Text"))


def test_it_bears_the_name_of_its_spec() -> None:
    assert TEXT.name == "text_ja"


def test_strings_bytes_and_files(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "犬".encode())
    assert TEXT.load("犬") == TEXT.load("犬".encode()) == TEXT.load(path) == "犬"
    assert TEXT.load("a.txt") == "a.txt", "a string is the text itself, never a path"


@pytest.mark.parametrize("source", [b"\xff\xfe\xfd", Path("nowhere/at/all.txt"), 3, None, ["a"]])
def test_what_is_no_text(source: Any) -> None:
    with pytest.raises(DataError, match="text cannot be read"):
        TEXT.load(source)


def test_a_missing_file_is_named_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        TEXT.load(tmp_path / "gone.txt")
    assert caught.value.where == tmp_path / "gone.txt"
    assert "text_columns" in str(caught.value.hint)


def test_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_BYTES", 4)
    path = tmp_path / "long.txt"
    path.write_text("1234")
    assert TEXT.load(path) == "1234"
    path.write_text("12345")
    with pytest.raises(DataError, match="more than 4 bytes"):
        TEXT.load(path)


@pytest.mark.parametrize("sample", ["", " \n\t", "\ud800", b"bytes", None])
def test_check_refuses(sample: Any) -> None:
    with pytest.raises(DataError):
        TEXT.check(sample)


def test_check_accepts() -> None:
    TEXT.check("a dog 🐕")


def test_the_preview_is_escaped_and_short() -> None:
    assert TEXT.preview("<script>&\"'") == '<span dir="auto">&lt;script&gt;&amp;&quot;&#x27;</span>'
    assert len(TEXT.preview("x" * 10_000)) < 400
