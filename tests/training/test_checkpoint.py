"""Checkpoints appear whole, are told from damaged ones, and belong to one fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anybind.distributed import Runtime
from anybind.errors import StoreError
from anybind.fit_data import Sample
from anybind.training.checkpoint import CHECKPOINT, LOG, Keeper, Saved, fit_key

SAVED = Saved({"epoch": 3, "loss": 0.1, "none": None}, {"x": torch.arange(6.0).view(2, 3), "step": torch.tensor(2.0)})


def keeper(folder: Path | None) -> Keeper:
    return Keeper(folder, "method-key", Runtime())


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert keeper(tmp_path).load() is None
    keeper(tmp_path).save(SAVED)
    found = keeper(tmp_path).load()
    assert isinstance(found, Saved)
    assert found.state == SAVED.state
    assert found.tensors.keys() == SAVED.tensors.keys()
    assert all(torch.equal(tensor, SAVED.tensors[name]) for name, tensor in found.tensors.items())
    assert [path.name for path in (tmp_path / "method-key").iterdir()] == [CHECKPOINT], "no temporary file stays"


def test_without_a_folder_nothing_is_kept() -> None:
    keeper(None).save(SAVED)
    keeper(None).log({"epoch": 1})
    assert keeper(None).load() is None


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "foreign"])
def test_damage_is_told_apart(tmp_path: Path, damage: str) -> None:
    keeper(tmp_path).save(SAVED)
    path = tmp_path / "method-key" / CHECKPOINT
    content = path.read_bytes()
    flipped = content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]
    foreign = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
    path.write_bytes(
        {"empty": b"", "cut": content[:-3], "flipped": flipped, "text": b"oops" * 50, "foreign": foreign}[damage]
    )
    found = keeper(tmp_path).load()
    assert isinstance(found, str)
    assert found


def test_a_changed_state_is_damage(tmp_path: Path) -> None:
    keeper(tmp_path).save(SAVED)
    path = tmp_path / "method-key" / CHECKPOINT
    content = path.read_bytes()
    changed = content.replace(b'\\"epoch\\": 3', b'\\"epoch\\": 4')
    assert changed != content
    path.write_bytes(changed)
    assert isinstance(keeper(tmp_path).load(), str)


def test_the_log_has_an_object_a_line_and_starts_anew(tmp_path: Path) -> None:
    log = tmp_path / "method-key" / LOG
    keeper(tmp_path).start_log([{"epoch": 1}])
    keeper(tmp_path).log({"note": "schön"})
    assert [json.loads(line) for line in log.read_text("utf-8").splitlines()] == [{"epoch": 1}, {"note": "schön"}]
    keeper(tmp_path).start_log([])
    assert log.read_text() == ""


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "method-key").write_text("in the way")
    for action in (lambda k: k.save(SAVED), lambda k: k.log({}), lambda k: k.start_log([])):
        with pytest.raises(StoreError, match="of a training") as error:
            action(keeper(tmp_path))
        assert "choose another folder" in str(error.value.hint)


def test_the_key_knows_method_settings_and_every_row(make_sample: Callable[..., Sample]) -> None:
    sample = make_sample(0, 10, {"a": 3, "b": 2})
    vectors, present = dict(sample.vectors), dict(sample.present)
    vectors["a"] = vectors["a"].clone()
    vectors["a"][4, 2] += 1e-6
    present["b"] = present["b"].clone()
    present["b"][3] = False
    variants = [
        ("m", {"seed": 0}, {"d": sample}),
        ("n", {"seed": 0}, {"d": sample}),
        ("m", {"seed": 1}, {"d": sample}),
        ("m", {"seed": 0}, {"e": sample}),
        ("m", {"seed": 0}, {"d": replace(sample, vectors=vectors)}),
        ("m", {"seed": 0}, {"d": replace(sample, present=present)}),
        ("m", {"seed": 0}, {"d": replace(sample, ids=("x", *sample.ids[1:]))}),
        ("m", {"seed": 0}, {"d": replace(sample, folds=sample.folds.roll(1))}),
    ]
    assert len({fit_key(*variant) for variant in variants}) == len(variants)
    assert fit_key(*variants[0]) == fit_key("m", {"seed": 0}, {"d": make_sample(0, 10, {"a": 3, "b": 2})})
