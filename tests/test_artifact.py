"""A saved binder: the same bytes every time, strict when read, and never half-written or lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

import anybind
from anybind import artifact
from anybind.artifact import read_artifact, write_artifact
from anybind.errors import ArtifactError

CONFIG, MODEL = "config.json", "model.safetensors"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good artifact; tests copy it."""
    random = np.random.default_rng(0)
    rows = {space: random.normal(size=(40, 5)) for space in ("image", "text")}
    binder = anybind.fit({"d": rows}, method="pcca", options={"rank": 2, "shrinkage": 1.0})
    binder.texts.update({"graph.yaml": "version: 1\n", "metrics.json": "{}"})
    return binder.save_pretrained(tmp_path_factory.mktemp("artifact") / "binder")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "binder")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return config


def write_config(folder: Path, **changes: Any) -> None:
    (folder / CONFIG).write_text(json.dumps({**config_of(folder), **changes}), encoding="utf-8")


def put(folder: Path, name: str, content: bytes) -> None:
    """Replace a file so that its sum is right: damage that only a closer look finds."""
    (folder / name).write_bytes(content)
    write_config(folder, files={**config_of(folder)["files"], name: hashlib.sha256(content).hexdigest()})


def header_of(folder: Path) -> dict[str, Any]:
    return {k: v for k, v in config_of(folder).items() if k not in ("format_version", "tensors", "files")}


def write_again(source: Path, target: Path, **texts: str) -> Path:
    return write_artifact(target, header_of(source), load((source / MODEL).read_bytes()), texts)


# ----------------------------------------------------------------------------------------- writing


def test_an_artifact_holds_these_files_and_sums(original: Path) -> None:
    assert sorted(contents(original)) == [
        "README.md", "config.json", "forecast.json", "graph.yaml", "metrics.json", "model.safetensors",
    ]  # fmt: skip
    config = config_of(original)
    assert config["format_version"] == 1
    assert config["method"] == "pcca"
    assert config["training"]["datasets"]["d"]["rows"] == {"image": 40, "text": 40}
    assert config["training"]["paths"] == [
        {"pair": ["image", "text"], "spaces": ["image", "text"], "datasets": [["d"]]}
    ]
    for name, digest in config["files"].items():
        assert hashlib.sha256((original / name).read_bytes()).hexdigest() == digest
    assert "import" not in (original / CONFIG).read_text()


def test_what_is_read_is_what_was_written(original: Path) -> None:
    saved = read_artifact(str(original))
    tensors = load((original / MODEL).read_bytes())
    assert saved.tensors.keys() == tensors.keys()
    assert all(torch.equal(saved.tensors[name], tensor) for name, tensor in tensors.items())
    assert saved.texts["graph.yaml"] == "version: 1\n"
    assert set(saved.texts) == {"graph.yaml", "metrics.json", "forecast.json", "README.md"}
    assert saved.config.spaces["image"].dim == 5


def test_the_same_binder_gives_the_same_bytes(original: Path, tmp_path: Path) -> None:
    again = write_again(original, tmp_path / "deep" / "er", **read_artifact(original).texts)
    assert contents(again) == contents(original)
    assert not [path for path in again.iterdir() if path.is_dir()]


def test_what_is_not_finite_or_not_plain_is_not_saved(original: Path, tmp_path: Path) -> None:
    good = load((original / MODEL).read_bytes())
    name = next(iter(good))
    header = header_of(original)
    for tensors, bad_header, words in [
        ({**good, name: torch.full_like(good[name], float("nan"))}, header, "NaN"),
        ({**good, name: good[name].half()}, header, "float16"),
        (good, {**header, "fitted": {"rank": float("inf")}}, "JSON"),
        (good, {**header, "fitted": {"rank": object()}}, "serializable"),
        (good, {**header, "colour": "red"}, "colour"),
    ]:
        with pytest.raises(ArtifactError) as caught:
            write_artifact(tmp_path / "binder", bad_header, tensors, {})
        assert words in str(caught.value)
        assert not (tmp_path / "binder").exists()


def test_tensors_of_any_layout_are_saved_as_they_read(original: Path, tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    tensors = {"t": whole.T, "row": whole[1], "grad": torch.ones(2, requires_grad=True), "same": whole[1]}
    write_artifact(tmp_path / "binder", header_of(original), tensors, {})
    found = read_artifact(tmp_path / "binder").tensors
    assert all(torch.equal(found[name], tensor.detach()) for name, tensor in tensors.items())


# ------------------------------------------------------------------- writing where something is already


def test_an_older_artifact_is_replaced_and_other_files_stay(original: Path, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "plots").mkdir()
    (folder / "plots" / "a.svg").write_text("<svg/>")
    write_again(original, folder, **{"README.md": "# new"})
    assert set(contents(folder)) == {CONFIG, MODEL, "README.md", "notes.txt"}
    assert (folder / "plots" / "a.svg").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    assert read_artifact(folder).texts == {"README.md": "# new"}


def test_files_that_no_artifact_lists_are_not_deleted(original: Path, folder: Path) -> None:
    write_again(original, folder)
    (folder / "metrics.json").write_text("of another program")
    write_again(original, folder)
    assert (folder / "metrics.json").read_text() == "of another program"
    assert read_artifact(folder).texts == {}


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": '{"model_type": "bert"}', "model.safetensors": "weights"},
        {"config.json": '{"library": "other"}'},
        {"config.json": "{ truncated"},
        {"config.json": "[]"},
        {"README.md": "# My project"},
        {"model.safetensors": "weights"},
    ],
)
def test_files_of_other_things_are_never_overwritten(
    files: dict[str, str], original: Path, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    for name, text in files.items():
        (target / name).write_text(text)
    before = contents(target)
    with pytest.raises(ArtifactError, match="would be lost") as caught:
        write_again(original, target, **{"README.md": "# card"})
    assert all(name in str(caught.value.got) for name in files)
    assert contents(target) == before
    assert len(list(target.iterdir())) == len(before)


def failing(monkeypatch: pytest.MonkeyPatch, function: str, call: int, *, once: bool = True) -> None:
    """Let a function of ``os`` fail as a full disk does, at its ``call``-th call."""
    real: Callable[..., Any] = getattr(os, function)
    calls = iter(range(1, 10**6))

    def full(*args: Any, **kwargs: Any) -> Any:
        number = next(calls)
        if number == call or (number > call and not once):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    monkeypatch.setattr(artifact.os, function, full)


@pytest.mark.parametrize(
    ("function", "call"), [("fsync", i) for i in (1, 2, 3)] + [("replace", i) for i in range(1, 9)]
)
def test_on_a_full_disk_the_older_artifact_stays(
    function: str, call: int, original: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    with monkeypatch.context() as patch:
        failing(patch, function, call)
        with pytest.raises(ArtifactError, match="cannot be written") as caught:
            write_again(original, folder, **{"README.md": "# new"})
    assert caught.value.got == os.strerror(errno.ENOSPC)
    assert "kept" in str(caught.value.hint)
    assert contents(folder) == before
    assert [path for path in folder.iterdir() if path.is_dir()] == []
    anybind.Binder.from_pretrained(folder)


def test_a_reader_never_sees_a_half_of_it(
    original: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads, or whatever kills the writer, between two moves: there is no config.json then."""
    real, seen = os.replace, []

    def watched(source: Path, target: Path) -> None:
        real(source, target)
        seen.append((folder / CONFIG).exists())

    monkeypatch.setattr(artifact.os, "replace", watched)
    write_again(original, folder, **{"README.md": "# new"})
    assert seen == [False] * (len(seen) - 1) + [True]
    assert len(seen) == 9, "six files out, three in"
    assert read_artifact(folder).texts == {"README.md": "# new"}


def test_when_nothing_can_be_moved_back_nothing_is_deleted(
    original: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    with monkeypatch.context() as patch:
        failing(patch, "replace", 6, once=False)
        with pytest.raises(ArtifactError, match="cannot be written"):
            write_again(original, folder, **{"README.md": "# new"})
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert all(content in found for content in before.values())


@pytest.mark.parametrize(("function", "call"), [("fsync", 1), ("fsync", 3), ("replace", 1), ("replace", 3)])
def test_on_a_full_disk_a_new_artifact_leaves_nothing(
    function: str, call: int, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, function, call)
        with pytest.raises(ArtifactError):
            write_again(original, tmp_path / "new", **{"README.md": "# new"})
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(ArtifactError, match="no saved binder"):
        read_artifact(tmp_path / "new")
    write_again(original, tmp_path / "new")


def test_a_file_where_the_folder_should_be(original: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ArtifactError, match="cannot be written"):
            write_again(original, target)
    assert (tmp_path / "file").read_text() == "mine"


# ---------------------------------------------------------------------------------------- refusals


def flip(content: bytes) -> bytes:
    middle = len(content) - 9
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


Tensors = dict[str, torch.Tensor]


def tensors_changed(change: Callable[[Tensors], Tensors]) -> Callable[[Path], None]:
    return lambda folder: put(folder, MODEL, save(change(load((folder / MODEL).read_bytes()))))


def first(tensors: Tensors, change: Callable[[torch.Tensor], torch.Tensor]) -> Tensors:
    name = min(tensors)
    return {**tensors, name: change(tensors[name])}


def set_nan(tensor: torch.Tensor) -> torch.Tensor:
    tensor.flatten()[-1] = float("nan")
    return tensor


def described(folder: Path, **change: Any) -> None:
    """Change what config.json says of the first tensor."""
    infos = config_of(folder)["tensors"]
    write_config(folder, tensors={**infos, min(infos): {**infos[min(infos)], **change}})


def renamed_space(folder: Path) -> None:
    spaces = config_of(folder)["spaces"]
    write_config(folder, spaces={**spaces, "image": {**spaces["image"], "name": "text"}})


def text_of(folder: Path) -> str:
    return (folder / CONFIG).read_text(encoding="utf-8")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "no config.json"),
    "no config": (lambda f: (f / CONFIG).unlink(), "no config.json"),
    "config is a folder": (lambda f: ((f / CONFIG).unlink(), (f / CONFIG).mkdir()), "no config.json"),
    "config is empty": (lambda f: (f / CONFIG).write_text(""), "damaged"),
    "config is truncated": (lambda f: (f / CONFIG).write_text(text_of(f)[:-40]), "damaged"),
    "config is a list": (lambda f: (f / CONFIG).write_text("[]"), "damaged"),
    "config is a number": (lambda f: (f / CONFIG).write_text("7"), "damaged"),
    "config is not UTF-8": (lambda f: (f / CONFIG).write_bytes(b"\xff\xfe{}"), "utf-8"),
    "config is deep": (lambda f: (f / CONFIG).write_text("[" * 10**5 + "]" * 10**5), "damaged"),
    "config is huge": (lambda f: os.truncate(f / CONFIG, 2**25), "33554432 bytes"),
    "config has a huge number": (lambda f: (f / CONFIG).write_text("9" * 5000), "damaged"),
    "config has a key twice": (
        lambda f: (f / CONFIG).write_text(text_of(f).replace("{", '{"method": "mox",', 1)),
        "'method' occurs twice",
    ),
    "config has NaN": (lambda f: write_config(f, fitted={"rank": float("nan")}), "NaN"),
    "config has an unknown key": (lambda f: write_config(f, colour="red"), "colour"),
    "config lacks a key": (lambda f: write_config(f, spaces=None), "spaces"),
    "newer format": (lambda f: write_config(f, format_version=2), "upgrade"),
    "no format": (lambda f: write_config(f, format_version="1"), "format_version"),
    "another library": (lambda f: write_config(f, library="other"), "library"),
    "a space of another name": (renamed_space, "names itself"),
    "no model listed": (lambda f: write_config(f, files={}), "lists no model"),
    "a file outside": (lambda f: write_config(f, files={"../secret": "0" * 64}), "files"),
    "an absolute file": (lambda f: write_config(f, files={"/etc/passwd": "0" * 64}), "files"),
    "a sum that is none": (lambda f: write_config(f, files={MODEL: "0" * 63}), "files"),
    "no model": (lambda f: (f / MODEL).unlink(), "missing"),
    "no graph": (lambda f: (f / "graph.yaml").unlink(), "missing"),
    "truncated model": (lambda f: os.truncate(f / MODEL, 200), "sha256"),
    "flipped byte": (lambda f: (f / MODEL).write_bytes(flip((f / MODEL).read_bytes())), "sha256"),
    "longer model": (lambda f: (f / MODEL).write_bytes((f / MODEL).read_bytes() + b"\0"), "sha256"),
    "changed card": (lambda f: (f / "README.md").write_text("# better"), "sha256"),
    "card not UTF-8": (lambda f: put(f, "README.md", b"\xff"), "UTF-8"),
    "no tensors at all": (lambda f: put(f, MODEL, b"nothing"), "model.safetensors is damaged"),
    "cut tensors": (lambda f: put(f, MODEL, (f / MODEL).read_bytes()[:-8]), "model.safetensors is damaged"),
    "NaN tensor": (tensors_changed(lambda t: first(t, set_nan)), "NaN"),
    "infinite tensor": (tensors_changed(lambda t: first(t, lambda x: x / 0)), "NaN or infinity"),
    "longer tensor": (tensors_changed(lambda t: first(t, lambda x: torch.cat([x, x]))), "does not fit"),
    "tensor of integers": (tensors_changed(lambda t: first(t, lambda x: x.long())), "int64"),
    "tensor of bfloat16": (tensors_changed(lambda t: first(t, lambda x: x.bfloat16())), "bfloat16"),
    "tensor missing": (tensors_changed(lambda t: {k: t[k] for k in sorted(t)[1:]}), "different tensors"),
    "tensor too many": (tensors_changed(lambda t: {**t, "zzz": torch.ones(1)}), "zzz"),
    "another shape": (lambda f: described(f, shape=[1, 1]), "does not fit"),
    "another type": (lambda f: described(f, dtype="float64"), "does not fit"),
    "an odd type": (lambda f: described(f, dtype="object"), "dtype"),
    "pickle beside it": (lambda f: (f / "weights.pkl").write_bytes(b""), "weights.pkl"),
    "code beside it": (lambda f: (f / "modeling.PY").write_bytes(b""), "modeling.PY"),
    "bin beside it": (lambda f: (f / "pytorch_model.bin").write_bytes(b""), "pytorch_model.bin"),
}  # fmt: skip


def test_the_undamaged_copy_loads(folder: Path) -> None:
    write_config(folder)  # as the damage below does it
    put(folder, MODEL, (folder / MODEL).read_bytes())
    anybind.Binder.from_pretrained(folder)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused_and_named(damage: str, folder: Path) -> None:
    change, words = DAMAGE[damage]
    change(folder)
    with pytest.raises(ArtifactError) as caught:
        read_artifact(folder)
    assert words in str(caught.value)
    assert str(folder) in str(caught.value.where)


def test_a_folder_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    for name in ("stat", "read_text", "read_bytes"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, name, denied)
            with pytest.raises(ArtifactError, match="read") as caught:
                read_artifact(folder)
        assert "denied" in str(caught.value.got)


# -------------------------------------------------------------------------------------------- fuzzing


@pytest.fixture(scope="module")
def scratch(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all examples of a fuzz test, which change config.json only."""
    return shutil.copytree(original, tmp_path_factory.mktemp("fuzz") / "binder")


def refused_or_read(folder: Path, config: bytes) -> None:
    (folder / CONFIG).write_bytes(config)
    try:
        saved = read_artifact(folder)
    except ArtifactError:
        return
    assert saved.tensors.keys() == saved.config.tensors.keys()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3)), min_size=1, max_size=3), st.data())
def test_any_bytes_of_config_are_refused_or_read(
    original: Path, scratch: Path, changes: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    config = (original / CONFIG).read_bytes()
    for place, new in changes:
        start = place % len(config)
        config = config[:start] + new + config[start + data.draw(st.integers(0, 4)) :]
    refused_or_read(scratch, config)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def replaced(value: Any, path: list[int], new: Any) -> Any:
    """``value`` with what stands at ``path`` replaced; each step chooses one child."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(value[key], path[1:], new)
    return copy


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), JSON)
def test_any_value_in_config_is_refused_or_read(
    original: Path, scratch: Path, path: list[int], new: Any
) -> None:
    refused_or_read(scratch, json.dumps(replaced(config_of(original), path, new)).encode())
