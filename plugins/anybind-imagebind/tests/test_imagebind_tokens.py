"""CLIP's tokens from the list of merges are those of transformers' CLIPTokenizer."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from anybind_imagebind.examples import WORDS, tiny_merges
from anybind_imagebind.tokens import ClipTokens, find_merges, read_merges, tidied
from transformers import CLIPTokenizer

import anybind

MERGES = tiny_merges()
SIZE = 512 + len(MERGES) + 2
TEXTS = ["a dog", "A DOG's car, 12 birds!!", "", "  thunder \n\t bird ", "naïve 東京 😀 straße", "it's we'll they've"]


def write(folder: Path, name: str, merges: list[tuple[str, str]] = MERGES) -> Path:
    content = "\n".join(["#version: 0.2", *(" ".join(merge) for merge in merges), ""]).encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def tokens(path: Path, longest: int = 77) -> ClipTokens:
    return ClipTokens(path, vocabulary=SIZE, longest=longest)


def test_ids_are_those_of_transformers(tmp_path: Path) -> None:
    ours = tokens(write(tmp_path, "merges.txt"))
    symbols = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    names = [*symbols, *(s + "</w>" for s in symbols), *(a + b for a, b in MERGES), "<|startoftext|>", "<|endoftext|>"]
    theirs = CLIPTokenizer(vocab={name: i for i, name in enumerate(names)}, merges=MERGES)
    assert ours(TEXTS) == [theirs(text)["input_ids"] for text in TEXTS]


def test_known_words_are_one_token_and_ends_are_the_last_two(tmp_path: Path) -> None:
    (ids,) = tokens(write(tmp_path, "merges.txt"))([" ".join(WORDS)])
    assert len(ids) == len(WORDS) + 2
    assert (ids[0], ids[-1]) == (SIZE - 2, SIZE - 1)
    assert all(512 <= token < SIZE - 2 for token in ids[2:-1])


def test_every_byte_has_a_token(tmp_path: Path) -> None:
    everything = "".join(chr(code) for code in range(1, 0x250)) + "\U0001f600\u4e2d"
    (ids,) = tokens(write(tmp_path, "merges.txt"), longest=5000)([everything])
    assert len(ids) > 500


def test_long_texts_are_cut_and_still_end(tmp_path: Path) -> None:
    (ids,) = tokens(write(tmp_path, "merges.txt"))(["dog " * 500])
    assert len(ids) == 77
    assert ids[-1] == SIZE - 1
    assert len(set(ids[1:-1])) == 1


def test_special_tokens_cannot_be_written(tmp_path: Path) -> None:
    (ids,) = tokens(write(tmp_path, "merges.txt"))(["a <|endoftext|> b"])
    assert ids.count(SIZE - 1) == 1


def test_text_is_tidied() -> None:
    assert tidied("\u201cTom &amp;amp; Ann\u2019s\u201d &lt;3") == "\"tom & ann's\" <3"
    assert tidied("cafe\u0301") == "caf\u00e9"


def test_the_list_is_found_in_a_folder_or_named(tmp_path: Path) -> None:
    with pytest.raises(anybind.PluginError, match="no list of CLIP's merges") as caught:
        find_merges(tmp_path)
    assert "bpe_simple_vocab_16e6.txt.gz" in str(caught.value.expected)
    plain, packed = write(tmp_path, "merges.txt"), write(tmp_path, "bpe_simple_vocab_16e6.txt.gz")
    assert find_merges(tmp_path) == packed
    assert find_merges(plain) == plain
    assert tokens(plain)(TEXTS) == tokens(packed)(TEXTS)


def test_only_as_many_merges_as_the_network_knows_are_used(tmp_path: Path) -> None:
    path = write(tmp_path, "merges.txt", [*MERGES, ("d", "og</w>")])
    assert len(read_merges(path, len(MERGES))) == len(MERGES)
    assert tokens(path)(TEXTS) == tokens(write(tmp_path, "merges2.txt"))(TEXTS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.txt", None),
        ("short.txt", b"#version: 0.2\nd o\n"),
        ("three.txt", b"#version: 0.2\n" + b"d o g\n" * 100),
        ("binary.txt", b"\xff\xfe" * 500),
        ("no.gz", b"no gzip at all"),
        ("cut.gz", gzip.compress(b"a b\n" * 5000, mtime=0)[:40]),
        ("strange.txt", b"#version: 0.2\n" + b"qq zz\n" * 100),
    ],
)
def test_a_wrong_list_is_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(anybind.PluginError, match="merges") as caught:
        tokens(path)
    assert caught.value.where == path
