"""The data set ``webdataset``: the same samples as the webdataset library gives, and shards that are not what they
should be."""

from __future__ import annotations

import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest
from anybind_webdataset.dataset import WebDataset
from anybind_webdataset.examples import write
from anybind_webdataset.shards import MAX_MEMBER, find_shards, read_samples

import anybind


def shard(path: Path, files: dict[str, bytes] | list[tuple[str, bytes]], **options: Any) -> Path:
    with tarfile.open(path, "w", **options) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            write(archive, name, content)
    return path


def contents(rows: WebDataset) -> list[dict[str, Any]]:
    return [dict(rows[row]) for row in range(len(rows))]


def test_samples_are_those_of_the_webdataset_library(tmp_path: Path) -> None:
    """Random names with dots, folders, capitals and none of these, in random order: grouped by both alike."""
    theirs = pytest.importorskip("webdataset.tariterators", reason="the webdataset library is not installed")
    rng = random.Random(0)
    parts = ["a", "b", "a/b", "x.y/c", "A", "000"]
    for number in range(30):
        names = [f"{rng.choice(parts)}{rng.choice(['.txt', '.TXT', '.seg.png', '.json', ''])}" for _ in range(12)]
        names += rng.sample(["__meta__", "__meta__/a.txt", "d/__k__.txt", ".hidden.txt", "e/.hidden"], 2)
        rng.shuffle(names)
        path = shard(tmp_path / f"{number}.tar", [(name, f"{i}".encode()) for i, name in enumerate(names)])
        try:
            files = theirs.tar_file_iterator(io.BytesIO(path.read_bytes()))
            expected = list(theirs.group_by_keys({**file, "__url__": ""} for file in files))
        except ValueError:
            assert any(sample.faults for sample in read_samples(path)), "two files of one ending"
            continue
        got = [
            {"__key__": s.key, **{ending: member.read() for ending, member in s.members.items()}}
            for s in read_samples(path)
        ]
        kept = [{k: v for k, v in s.items() if k == "__key__" or not k.startswith("__")} for s in expected]
        assert got == kept


def test_rows_by_the_usual_endings(tmp_path: Path) -> None:
    shard(tmp_path / "b.tar", {"3.txt": b"three", "3.JPG": b"jpg3"})
    shard(tmp_path / "a.tar", {"1.png": b"png1", "1.txt": b"one", "1.cls": b"0", "2.txt": b"two", "4.cls": b"1"})
    rows = WebDataset(path=str(tmp_path))
    assert rows.modalities == ("image", "text")
    assert rows.ids == ("1", "2", "3"), "a sample with none of the modalities is no row"
    assert contents(rows) == [
        {"image": b"png1", "text": b"one"}, {"text": b"two"}, {"image": b"jpg3", "text": b"three"},
    ]  # fmt: skip
    with pytest.raises(IndexError):
        rows[3]


def test_named_endings_and_fields(tmp_path: Path) -> None:
    caption = json.dumps({"caption": "a dog", "vector": [1, 2], "width": 3}).encode()
    shard(tmp_path / "a.tar", {"1.left.png": b"l", "1.right.png": b"r", "1.json": caption, "2.webp": b"w"})
    endings = ["left=left.png", "left=.WEBP", "text=json:caption", "vector=json:vector", "text_width=json:width"]
    rows = WebDataset(path=str(tmp_path / "a.tar"), endings=endings)
    assert rows.modalities == ("left", "text", "vector", "text_width")
    assert (rows[0]["left"], rows[0]["text"], rows[0]["vector"]) == (b"l", "a dog", [1, 2])
    assert dict(rows[1]) == {"left": b"w"}
    with pytest.raises(anybind.DataError, match="lacks a field") as caught:
        rows[0]["text_width"]
    assert caught.value.where == f"{tmp_path / 'a.tar'}: 1.json"


def test_a_row_is_read_where_it_lies_and_only_when_asked_for(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", {f"{row}.txt": bytes([row]) * 1000 * row for row in range(1, 9)})
    rows = WebDataset(path=str(path))
    assert [rows[row]["text"] for row in (7, 0, 4)] == [bytes([n]) * 1000 * n for n in (8, 1, 5)]
    row = rows[7]
    assert "text" in row
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(anybind.DataError, match="ends too soon"):
        row["text"]
    path.unlink()
    with pytest.raises(anybind.DataError, match="cannot be read"):
        row["text"]


def test_braces_name_shards(tmp_path: Path) -> None:
    for name in ("t-008", "t-009", "t-010", "v-0"):
        shard(tmp_path / f"{name}.tar", {f"{name}.txt": b"x"})
    assert WebDataset(path=str(tmp_path / "t-{008..010}.tar")).ids == ("t-008", "t-009", "t-010")
    assert WebDataset(path=str(tmp_path / "{v-0,t-009}.tar")).ids == ("v-0", "t-009")
    with pytest.raises(anybind.DataError, match="missing") as caught:
        WebDataset(path=str(tmp_path / "t-{007..012}.tar"))
    assert str(caught.value.got).startswith("3 of 6 missing, the first: ")
    with pytest.raises(anybind.UsageError, match="too many"):
        find_shards(str(tmp_path / "t-{0..9}{0..9}{0..9}{0..9}{0..9}{0..9}.tar"))
    with pytest.raises(anybind.UsageError, match="cannot be read"):
        find_shards(str(tmp_path / "t-{0..9.tar"))


@pytest.mark.parametrize("address", ["https://example.org/a.tar", "s3://b/{0..9}.tar", "pipe:cat a.tar", "gs:a.tar"])
def test_addresses_on_the_net_and_commands_are_refused(address: str, tmp_path: Path) -> None:
    for path in (address, f"{tmp_path}/{address}"):
        with pytest.raises(anybind.UsageError, match="from disk"):
            WebDataset(path=path)


def test_keys_that_come_again(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [("1.txt", b"a1"), ("2.txt", b"a2"), ("1.png", b"late")])
    shard(tmp_path / "b.tar", {"2.txt": b"b2"})
    with pytest.raises(anybind.DataError, match="comes again") as caught:
        WebDataset(path=str(tmp_path))
    assert "2 faults in all" in str(caught.value.hint)
    rows = WebDataset(path=str(tmp_path), on_error="skip")
    assert contents(rows) == [{"text": b"a1"}, {"text": b"a2"}]
    assert [identifier for identifier, _, _ in rows.skipped] == ["1", "2"]
    assert "shard_in_id" in rows.skipped[1][2]
    assert WebDataset(path=str(tmp_path), shard_in_id=True, on_error="skip").ids == ("a/1", "a/2", "b/2")


def special(kind: bytes, name: str = "2.txt", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, "/etc/passwd", size
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_never_read(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        write(archive, "1.txt", b"one")
        archive.addfile(special(kind))
    with pytest.raises(anybind.DataError, match="cannot be used") as caught:
        WebDataset(path=str(tmp_path / "a.tar"))
    assert caught.value.where == f"{tmp_path / 'a.tar'}: 2.txt"
    rows = WebDataset(path=str(tmp_path / "a.tar"), on_error="skip")
    assert rows.ids == ("1",)
    assert [identifier for identifier, _, _ in rows.skipped] == ["2"]


def test_sizes_that_lie_or_are_too_large(tmp_path: Path) -> None:
    header = special(tarfile.REGTYPE, size=10_000).tobuf()
    (tmp_path / "a.tar").write_bytes(header + b"short")
    with pytest.raises(anybind.DataError, match="ends too soon"):
        WebDataset(path=str(tmp_path / "a.tar"))
    with (tmp_path / "b.tar").open("wb") as file:  # a hole: it takes no space on disk
        file.write(special(tarfile.REGTYPE, size=MAX_MEMBER + 1).tobuf())
        file.truncate(MAX_MEMBER + 10_240)
    with pytest.raises(anybind.DataError, match="cannot be used") as caught:
        WebDataset(path=str(tmp_path / "b.tar"))
    assert str(MAX_MEMBER) in str(caught.value.got)


def test_two_files_of_one_ending(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [("1.txt", b"first"), ("1.TXT", b"second")])
    with pytest.raises(anybind.DataError, match="cannot be used"):
        WebDataset(path=str(tmp_path / "a.tar"))
    assert contents(WebDataset(path=str(tmp_path / "a.tar"), on_error="skip")) == [{"text": b"first"}]


def compressed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            write(archive, name, content)
    return buffer.getvalue()


# Names of their own: a compressed file holds the time, and every process must collect the same tests.
@pytest.mark.parametrize(
    "content", [b"no tar file at all", compressed({"1.txt": b"one"}), b"\xff" * 2048], ids=["text", "tgz", "noise"]
)
def test_what_is_no_plain_tar_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(anybind.DataError, match="a shard cannot be read") as caught:
        WebDataset(path=str(tmp_path / "a.tar"))
    assert caught.value.where == tmp_path / "a.tar"


@pytest.mark.parametrize("options", [{}, {"endings": ["image=jpg"]}, {"modalities": ["audio"]}])
def test_shards_without_what_is_asked_for(tmp_path: Path, options: dict[str, Any]) -> None:
    shard(tmp_path / "a.tar", {"1.cls": b"0"})
    with pytest.raises(anybind.DataError):
        WebDataset(path=str(tmp_path), **options)


def test_no_shards(tmp_path: Path) -> None:
    with pytest.raises(anybind.DataError, match="missing"):
        WebDataset(path=str(tmp_path))
    with pytest.raises(anybind.UsageError, match="endings"):
        WebDataset(path=str(shard(tmp_path / "a.tar", {"1.txt": b""})), endings=["txt"])


def test_the_collection_follows_shards_and_endings_but_not_modalities(tmp_path: Path) -> None:
    path = str(shard(tmp_path / "a.tar", {"1.txt": b"one", "1.png": b"p"}))
    plain = WebDataset(path=path).collection
    assert WebDataset(path=path, modalities=["text"]).collection == plain
    assert WebDataset(path=path, endings=["text=txt"]).collection != plain
    shard(tmp_path / "a.tar", {"1.txt": b"two", "1.png": b"p", "2.txt": b"x"})
    assert WebDataset(path=path).collection != plain
    assert WebDataset(path=path, collection="mine").collection == "mine"


def test_long_names_and_pax_headers(tmp_path: Path) -> None:
    """Names that need headers of their own: these are not files."""
    name = "/".join(["long" * 10] * 5)
    for number, form in enumerate((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
        path = shard(tmp_path / f"{number}.tar", {f"{name}.txt": b"one", "ü.txt": b"two"}, format=form)
        rows = WebDataset(path=str(path))
        assert (rows.ids, contents(rows)) == ((name, "ü"), [{"text": b"one"}, {"text": b"two"}])
