"""Spaces are found by what their vectors are; what does not belong together never meets."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anybind.errors import DamagedShardError, StoreError, UsageError
from anybind.store import EmbeddingStore, SpaceKey, files

KEY = SpaceKey("emoji", "image", "toy-image", "1.0", 2, (("size", 128), ("layers", [1, 2])))


def lengths(ids: list[str]) -> torch.Tensor:
    return torch.tensor([[float(len(item)), 1.0] for item in ids])


@pytest.mark.parametrize(
    "change",
    [
        {"collection": "emoji2"},
        {"modality": "image_small"},
        {"encoder": "toy-imago"},
        {"revision": "1.1"},
        {"dim": 3},
        {"options": (("size", 64), ("layers", [1, 2]))},
        {"options": ()},
        {"collection": "emo/ji"},
    ],
)
def test_another_setting_is_another_folder(tmp_path: Path, change: dict[str, object]) -> None:
    store = EmbeddingStore(tmp_path)
    store.folder(KEY).fill(["a"], lengths)
    other = store.folder(replace(KEY, **change))
    assert other.path != store.folder(KEY).path
    assert other.path.parent.parent == tmp_path
    assert other.ids() == []


def test_the_order_of_options_means_nothing() -> None:
    turned = replace(KEY, options=(("layers", (1, 2)), ("size", 128)))
    assert turned == KEY
    assert hash(turned) == hash(KEY)
    assert turned.folder_name == KEY.folder_name


def test_folder_names_do_not_depend_on_machine_or_run() -> None:
    """Stores are shared between machines and versions: this name may never change for schema version 1."""
    assert KEY.folder_name.as_posix() == "emoji-4030f0c0b99b/image-toy-image-1477fc44e5e5"


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "日本", "x" * 500, ".", "-", "nul\0"])
def test_any_collection_name_stays_in_the_store(tmp_path: Path, name: str) -> None:
    folder = EmbeddingStore(tmp_path).folder(replace(KEY, collection=name))
    folder.fill(["a"], lengths)
    assert folder.path.resolve().parent.parent == tmp_path.resolve()
    assert EmbeddingStore(tmp_path).spaces() == [folder.key]


@pytest.mark.parametrize(
    "change",
    [{"dtype": "float16"}, {"dim": 0}, {"options": (("x", float("nan")),)}, {"options": (("x", {1}),)}],
)
def test_keys_that_cannot_be_stored_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(KEY, **change)


def test_spaces_lists_what_lies_there(tmp_path: Path) -> None:
    assert EmbeddingStore(tmp_path / "none").spaces() == []
    store = EmbeddingStore(tmp_path)
    keys = [KEY, replace(KEY, collection="birds"), replace(KEY, options=())]
    for key in keys:
        store.folder(key).fill(["a"], lengths)
    listed = EmbeddingStore(tmp_path).spaces()
    assert set(listed) == set(keys)
    assert [key.folder_name for key in listed] == sorted(key.folder_name for key in keys)


def test_the_manifest_holds_settings_only_and_never_changes(tmp_path: Path) -> None:
    folder = EmbeddingStore(tmp_path).folder(KEY)
    folder.fill(["a"], lengths, shard_size=3)
    content = (folder.path / "manifest.json").read_bytes()
    manifest = json.loads(content)
    assert {name: manifest[name] for name in ("schema_version", "encoder", "revision", "dtype", "dim")} == {
        "schema_version": 1, "encoder": "toy-image", "revision": "1.0", "dtype": "float32", "dim": 2,
    }  # fmt: skip
    assert manifest["options"] == {"layers": [1, 2], "size": 128}
    folder.fill([str(number) for number in range(7)], lengths, shard_size=512)
    assert (folder.path / "manifest.json").read_bytes() == content
    assert len(list(folder.path.glob("shard-*.json"))) == 4, "the first fill settles the shard size"


@pytest.mark.parametrize("name", ["encoder", "revision", "dim", "collection", "options"])
def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path, name: str) -> None:
    folder = EmbeddingStore(tmp_path).folder(KEY)
    folder.fill(["a"], lengths)
    path = folder.path / "manifest.json"
    other = {"dim": 3, "options": {}}.get(name, "other")
    path.write_text(json.dumps({**json.loads(path.read_text()), name: other}))
    for act in (folder.ids, lambda: folder.read(["a"]), lambda: folder.fill(["b"], lengths), folder.verify):
        with pytest.raises(StoreError, match="another space") as caught:
            act()
        assert caught.value.where == path
        assert caught.value.got == {name: other}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 1, "shard_size": 0}']
)
def test_a_damaged_manifest_is_an_error_naming_it(tmp_path: Path, content: str) -> None:
    folder = EmbeddingStore(tmp_path).folder(KEY)
    folder.fill(["a"], lengths)
    (folder.path / "manifest.json").write_text(content)
    for act in (folder.ids, lambda: folder.fill(["b"], lengths), EmbeddingStore(tmp_path).spaces):
        with pytest.raises(StoreError, match="damaged") as caught:
            act()
        assert caught.value.where == folder.path / "manifest.json"


def test_a_manifest_of_a_later_version_asks_for_an_upgrade(tmp_path: Path) -> None:
    folder = EmbeddingStore(tmp_path).folder(KEY)
    folder.fill(["a"], lengths)
    (folder.path / "manifest.json").write_text('{"schema_version": 2, "shard_size": 1}')
    with pytest.raises(StoreError, match="another version") as caught:
        folder.ids()
    assert "upgrade" in str(caught.value.hint)


def test_reading_what_is_not_there_says_how_much_and_what(tmp_path: Path) -> None:
    folder = EmbeddingStore(tmp_path).folder(KEY)
    folder.fill(["a"], lengths)
    with pytest.raises(StoreError) as caught:
        folder.read(["a", *(f"no{number}" for number in range(9))])
    assert "9 of 10" in str(caught.value.got)
    assert "'no0'" in str(caught.value.got)
    assert caught.value.where == folder.path


def test_a_row_missing_because_its_shard_is_broken_says_so(tmp_path: Path) -> None:
    folder = EmbeddingStore(tmp_path).folder(KEY)
    folder.fill(["a"], lengths)
    (folder.path / "shard-00000.safetensors").write_bytes(b"")
    assert folder.missing(["a"]) == ["a"]
    with pytest.raises(DamagedShardError, match="shard-00000"):
        folder.read(["a"])


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_file_where_a_folder_should_be(tmp_path: Path, depth: int) -> None:
    root = tmp_path / "store"
    folder = EmbeddingStore(root).folder(KEY)
    obstacle = [folder.path, folder.path.parent, root][2 - depth]
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_bytes(b"")
    with pytest.raises(StoreError) as caught:
        folder.fill(["a"], lengths)
    assert str(caught.value.where).startswith(str(root))
    assert obstacle.read_bytes() == b""


def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "_write", denied)
    with pytest.raises(StoreError) as caught:
        EmbeddingStore(tmp_path).folder(KEY).fill(["a"], lengths)
    assert caught.value.got == "Permission denied"
    assert "writable" in str(caught.value.hint)


def test_the_store_checks_how_long_it_waits(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        EmbeddingStore(tmp_path, stale_after=0)
