"""Weights are read by name, from every format they come in, and nothing that does not fit gets into a network."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from anybind.encoder_kit.checkpoints import checkpoint_folder, load_tensors, read_json, read_tensors
from anybind.errors import PluginError, UsageError

TENSORS = {
    "vision.proj.weight": torch.arange(6.0).reshape(2, 3), "vision.proj.bias": torch.tensor([1.0, 2.0]),
    "text.proj.weight": torch.full((2, 3), 7.0),
}  # fmt: skip


def vision_only(name: str) -> str | None:
    return name.removeprefix("vision.proj.") if name.startswith("vision.") else None


def write(folder: Path, kind: str) -> Path:
    if kind == "safetensors":
        save_file(TENSORS, folder / "model.safetensors")
    elif kind == "bin":
        torch.save(TENSORS, folder / "pytorch_model.bin")
    elif kind == "wrapped":
        torch.save({"epoch": 3, "state_dict": TENSORS}, folder / "pytorch_model.bin")
    else:
        names = list(TENSORS)
        save_file({names[0]: TENSORS[names[0]]}, folder / "part-1.safetensors")
        save_file({name: TENSORS[name] for name in names[1:]}, folder / "part-2.safetensors")
        where = {name: f"part-{1 if name == names[0] else 2}.safetensors" for name in names}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder


@pytest.mark.parametrize("kind", ["safetensors", "bin", "wrapped", "sharded"])
def test_every_format_gives_the_wanted_tensors_under_their_new_names(kind: str, tmp_path: Path) -> None:
    found = read_tensors(write(tmp_path, kind), vision_only)
    assert set(found) == {"weight", "bias"}
    torch.testing.assert_close(found["weight"], TENSORS["vision.proj.weight"], rtol=0, atol=0)
    assert set(read_tensors(tmp_path)) == set(TENSORS)


def test_safetensors_goes_before_a_pickle_of_the_same_folder(tmp_path: Path) -> None:
    write(tmp_path, "safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    assert set(read_tensors(tmp_path)) == set(TENSORS)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return print, ("boom",)


def test_a_checkpoint_cannot_run_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pth"
    torch.save({"weight": Bomb()}, path)
    with pytest.raises(PluginError, match="cannot be read") as caught:
        read_tensors(path)
    assert caught.value.where == path
    assert "boom" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps({"a": 1}, protocol=2)])
def test_what_is_no_checkpoint_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PluginError, match=name):
        read_tensors(path)


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="cannot be read"):
        read_tensors(tmp_path / "model.pth")
    with pytest.raises(PluginError, match=r"model\.safetensors or"):
        read_tensors(tmp_path)


def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(PluginError, match="beside it"):
        read_tensors(index)


def test_tensors_must_fit_the_network_by_name_and_shape(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    load_tensors("demo", network, read_tensors(write(tmp_path, "safetensors"), vision_only), tmp_path)
    torch.testing.assert_close(network.weight.detach(), TENSORS["vision.proj.weight"], rtol=0, atol=0)
    wrong = {"weight": torch.zeros(2, 4), "extra": torch.zeros(1)}
    with pytest.raises(PluginError, match="demo") as caught:
        load_tensors("demo", network, wrong, tmp_path)
    assert caught.value.got == (
        "1 missing, e.g. bias; 1 not known, e.g. extra; 1 of another shape, e.g. weight (2, 4) for (2, 3)"
    )


def test_a_folder_goes_before_a_repository(tmp_path: Path) -> None:
    found = checkpoint_folder("demo", weights="owner/name", revision="x", folder=str(tmp_path), files=["*"])
    assert found == tmp_path
    with pytest.raises(PluginError, match="folder is missing"):
        checkpoint_folder("demo", weights=None, revision=None, folder=str(tmp_path / "nowhere"), files=["*"])


def test_a_repository_needs_its_revision() -> None:
    with pytest.raises(UsageError, match="no checkpoint is named") as caught:
        checkpoint_folder("demo", weights="owner/name", revision=None, folder=None, files=["*"])
    assert "commit" in str(caught.value.hint)


@pytest.mark.parametrize("weights", ["owner/name", "not a name!"])
def test_a_repository_that_cannot_be_had(weights: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PluginError, match="cannot be fetched") as caught:
        checkpoint_folder("demo", weights=weights, revision="main", folder=None, files=["*.json"])
    assert caught.value.expected == f"{weights} at main"


@pytest.mark.parametrize("content", ["", "[1]", "{", "1"])
def test_json_that_is_no_object(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(PluginError, match=r"config\.json"):
        read_json(path)
    path.write_text('{"a": 1}')
    assert read_json(path) == {"a": 1}
