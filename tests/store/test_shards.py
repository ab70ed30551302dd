"""A shard keeps what it was given, and damage of any kind is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from anybind.errors import DamagedShardError, StoreError
from anybind.store.shards import Shards, shard_name, write_shard

DIM = 3


def write_numbered(folder: Path, number: int, ids: list[str]) -> np.ndarray:
    vectors = np.random.default_rng(number).standard_normal((len(ids), DIM)).astype(np.float32)
    write_shard(folder, number, ids, vectors, "token")
    return vectors


def opened(folder: Path) -> Shards:
    shards = Shards(folder, DIM)
    shards.refresh()
    return shards


def test_what_is_written_is_read(tmp_path: Path) -> None:
    first = write_numbered(tmp_path, 0, ["a", "日本", "c"])
    second = write_numbered(tmp_path, 7, ["d"])
    shards = opened(tmp_path)
    read = shards.read(["d", "c", "日本", "d"])
    assert read.dtype == torch.float32
    np.testing.assert_array_equal(read.numpy(), np.stack([second[0], first[2], first[1], second[0]]))
    assert shards.numbers == {0, 7}


def test_the_files_are_as_documented(tmp_path: Path) -> None:
    vectors = write_numbered(tmp_path, 2, ["ab", "é"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard-00002.json", "shard-00002.safetensors"]
    tensors = load_file(tmp_path / "shard-00002.safetensors")
    np.testing.assert_array_equal(tensors["vectors"], vectors)
    assert tensors["ids"].tobytes() == "abé".encode()
    assert tensors["offsets"].tolist() == [0, 2, 4]
    assert json.loads((tmp_path / "shard-00002.json").read_text())["rows"] == 2


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        write_numbered(tmp_path / name, 0, ["a", "b"])
    for name in ("shard-00000.json", "shard-00000.safetensors"):
        assert (tmp_path / "x" / name).read_bytes() == (tmp_path / "y" / name).read_bytes()


def test_refresh_sees_new_removed_and_replaced_shards(tmp_path: Path) -> None:
    write_numbered(tmp_path, 0, ["a"])
    shards = opened(tmp_path)
    write_numbered(tmp_path, 1, ["b", "a"])
    assert shards.refresh() == ["b"]
    assert shards.index["a"] == (0, 0), "the first of two shards that hold an id counts"
    shards.remove(0)
    assert shards.index == {"b": (1, 0), "a": (1, 1)}
    vectors = write_numbered(tmp_path, 1, ["c", "d", "e"])
    shards.refresh()
    np.testing.assert_array_equal(shards.read(["e"]).numpy(), vectors[2:])


@pytest.mark.parametrize("place", [10, -1, -20])
def test_a_flipped_byte_is_found_on_first_read(tmp_path: Path, place: int) -> None:
    write_numbered(tmp_path, 0, [f"id{number}" for number in range(20)])
    path = tmp_path / "shard-00000.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    shards = opened(tmp_path)
    assert shards.verify() == [0]
    assert shards.index == {}
    assert list(shards.damaged) == [0]


def test_reading_a_damaged_shard_names_it(tmp_path: Path) -> None:
    write_numbered(tmp_path, 0, ["a", "b"])
    path = tmp_path / "shard-00000.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 128  # a vector's byte: the header still holds
    path.write_bytes(content)
    with pytest.raises(DamagedShardError) as caught:
        opened(tmp_path).read(["a"])
    assert caught.value.where == path
    assert "extraction again" in str(caught.value.hint)


def truncate(folder: Path) -> None:
    path = folder / "shard-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def lose_vectors(folder: Path) -> None:
    (folder / "shard-00000.safetensors").unlink()


def garble_facts(folder: Path) -> None:
    (folder / "shard-00000.json").write_text("[]")


def empty_facts(folder: Path) -> None:
    (folder / "shard-00000.json").write_text("")


def other_dim(folder: Path) -> None:
    write_shard(folder, 0, ["a"], np.zeros((1, DIM + 1), np.float32), "token")


def same_id_twice(folder: Path) -> None:
    write_shard(folder, 0, ["a", "a"], np.zeros((2, DIM), np.float32), "token")


@pytest.mark.parametrize(
    "damage", [truncate, lose_vectors, garble_facts, empty_facts, other_dim, same_id_twice]
)
def test_damage_that_shows_without_reading_all(tmp_path: Path, damage: object) -> None:
    write_numbered(tmp_path, 0, ["a", "b"])
    write_numbered(tmp_path, 1, ["c"])
    damage(tmp_path)  # type: ignore[operator]
    shards = opened(tmp_path)
    assert list(shards.damaged) == [0]
    assert list(shards.index) == ["c"]
    assert shards.verify() == [0]


def test_a_shard_without_its_facts_is_not_there(tmp_path: Path) -> None:
    write_numbered(tmp_path, 0, ["a"])
    (tmp_path / f"{shard_name(0)}.json").unlink()
    assert opened(tmp_path).numbers == set()


def test_a_shard_of_a_later_version_is_refused_not_removed(tmp_path: Path) -> None:
    write_numbered(tmp_path, 0, ["a"])
    path = tmp_path / "shard-00000.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    with pytest.raises(StoreError, match="another version"):
        opened(tmp_path)


def test_reading_nothing(tmp_path: Path) -> None:
    assert opened(tmp_path / "nowhere").read([]).shape == (0, DIM)
