"""The binder saved and loaded: the same bits come back, and files that do not fit are refused."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quick_binders import DIMS, QUICK, assert_alike, items, quick, rank_of_truth
from safetensors.torch import load, save

from anybind.artifact import write_artifact
from anybind.binder import Binder
from anybind.errors import ArtifactError, NoPathError, ShapeError, UnknownNameError
from anybind.fit_data import collect
from anybind.registry import Registry


@pytest.fixture(scope="module")
def binder() -> Binder:
    return quick()


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("normalise", [True, False])
def test_a_loaded_binder_scores_the_same_bits(method: str, normalise: bool, tmp_path: Path) -> None:
    binder = quick(method, normalise=normalise, seed=5)
    loaded = Binder.from_pretrained(binder.save_pretrained(str(tmp_path / "saved")))
    assert_alike(binder, loaded)
    assert loaded.fitted == binder.fitted
    assert (loaded.spaces, loaded.training, loaded.texts) == (binder.spaces, binder.training, binder.texts)
    assert loaded.training.seed == 5


@pytest.mark.parametrize("method", QUICK)
def test_saving_and_loading_give_the_same_bytes(method: str, tmp_path: Path) -> None:
    binder = quick(method)
    binder.texts["metrics.json"] = '{"results": []}'
    first = binder.save_pretrained(tmp_path / "first")
    binder.save_pretrained(tmp_path / "again")
    Binder.from_pretrained(first).save_pretrained(tmp_path / "loaded")
    quick(method).save_pretrained(tmp_path / "fitted again")
    names = sorted(path.name for path in first.iterdir())
    assert names == ["README.md", "config.json", "forecast.json", "metrics.json", "model.safetensors"]
    for other in ("again", "loaded"):
        assert sorted(path.name for path in (tmp_path / other).iterdir()) == names
        assert all((first / name).read_bytes() == (tmp_path / other / name).read_bytes() for name in names)
    model = (tmp_path / "fitted again" / "model.safetensors").read_bytes()
    assert model == (first / "model.safetensors").read_bytes()


@pytest.mark.parametrize("part", ["landmarks", "root", "gamma"])
def test_kernel_features_that_do_not_fit_are_refused(part: str, tmp_path: Path) -> None:
    saved = quick("gaussian").save_pretrained(tmp_path / "saved")
    key = f"input/image/{part}"
    for number, change in enumerate(
        [
            lambda t: {name: tensor for name, tensor in t.items() if name != key},
            lambda t: {**t, key: t[key][:, :-1] if t[key].ndim == 2 else -t[key]},
            lambda t: {**t, key: t[key][:-1]},
        ]
    ):
        with pytest.raises(ArtifactError):
            Binder.from_pretrained(rewritten(saved, tmp_path / f"forged {number}", change))


def test_projected_spaces_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anybind.fitting.collect", partial(collect, full_width=16, projected_dim=6))
    binder = quick()
    assert binder.dims == DIMS
    loaded = Binder.from_pretrained(binder.save_pretrained(tmp_path / "saved"))
    assert_alike(binder, loaded)
    rows = items(3, 60)
    assert rank_of_truth(binder.score("image", rows["image"], "audio", rows["audio"])) > 0.3
    with pytest.raises(ShapeError):
        loaded.embed("image", np.ones((1, 6)))


def test_a_method_that_is_not_installed_is_named(binder: Binder, tmp_path: Path) -> None:
    binder.save_pretrained(tmp_path / "saved")
    with pytest.raises(UnknownNameError, match="'pcca'") as caught:
        Binder.from_pretrained(tmp_path / "saved", registry=Registry([]))
    assert caught.value.exit_code == 3
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    (tmp_path / "saved" / "config.json").write_text(json.dumps({**config, "method": "magic"}))
    with pytest.raises(UnknownNameError, match="'magic'") as caught:
        Binder.from_pretrained(tmp_path / "saved")
    assert "pcca" in str(caught.value.expected)


Tensors = dict[str, torch.Tensor]


def rewritten(source: Path, target: Path, tensors: Any = None, **header: Any) -> Path:
    """A copy of an artifact with right sums and wrong content."""
    config = json.loads((source / "config.json").read_text())
    kept = {k: v for k, v in config.items() if k not in ("format_version", "tensors", "files")}
    own = load((source / "model.safetensors").read_bytes())
    return write_artifact(target, {**kept, **header}, own if tensors is None else tensors(own), {})


def without(name: str, tensors: Tensors) -> Tensors:
    return {key: tensor for key, tensor in tensors.items() if key != name}


FORGED: dict[str, Any] = {
    "a tensor less": lambda t: without("method/image/mean", t),
    "a tensor of nobody": lambda t: {**t, "method/smell/mean": torch.ones(3)},
    "a tensor of no kind": lambda t: {**t, "other": torch.ones(3)},
    "an input of nobody": lambda t: {**t, "input/smell/projection": torch.ones(3, 3)},
    "an input too many": lambda t: {**t, "input/image/projection": torch.ones(10, 4)},
    "an input of no kind": lambda t: {**t, "input/image/colour": torch.ones(10, 10)},
    "an input of float64": lambda t: {**t, "input/image/projection": torch.eye(10, dtype=torch.float64)},
    "a tensor renamed": lambda t: {k.replace("method/image/", "image/"): v for k, v in t.items()},
    "a mean too short": lambda t: {**t, "method/image/mean": t["method/image/mean"][:-1]},
    "a map too wide": lambda t: {**t, "method/image/map": torch.ones(10, 9, dtype=torch.float64)},
    "a map for other vectors": lambda t: {
        **t, "method/image/map": torch.ones(7, 4).double(), "method/image/mean": torch.ones(7).double(),
    },
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGED)
def test_tensors_that_do_not_fit_are_refused(forgery: str, binder: Binder, tmp_path: Path) -> None:
    saved = binder.save_pretrained(tmp_path / "saved")
    with pytest.raises(ArtifactError):
        Binder.from_pretrained(rewritten(saved, tmp_path / "forged", FORGED[forgery]))
    assert_alike(Binder.from_pretrained(rewritten(saved, tmp_path / "copy")), binder)


@pytest.mark.parametrize(
    "fitted",
    [{}, {"rank": "four"}, {"rank": 9}, *({"spaces": names} for names in (3, [], ["image", "smell"], [[]]))],
)
def test_fitted_choices_that_do_not_fit_are_refused(
    fitted: dict[str, Any], binder: Binder, tmp_path: Path
) -> None:
    saved = binder.save_pretrained(tmp_path / "saved")
    changed_fitted = {**binder.fitted, **fitted} if fitted else {}
    with pytest.raises(ArtifactError):
        Binder.from_pretrained(rewritten(saved, tmp_path / "forged", fitted=changed_fitted))


def test_spaces_that_the_method_does_not_have_are_refused(binder: Binder, tmp_path: Path) -> None:
    saved = binder.save_pretrained(tmp_path / "saved")
    spaces = {name: info.model_dump() for name, info in binder.spaces.items()}
    more = {**spaces, "smell": {**spaces["image"], "name": "smell"}}
    loaded = Binder.from_pretrained(rewritten(saved, tmp_path / "forged", spaces=more))
    with pytest.raises(NoPathError):  # as for a space that was never paired
        loaded.embed("smell", np.ones((1, 10)))
    longer = {**spaces, "image": {**spaces["image"], "dim": 11, "input_dim": 11}}
    with pytest.raises(ArtifactError, match="does not fit"):
        Binder.from_pretrained(rewritten(saved, tmp_path / "longer", spaces=longer))
    shorter = {**spaces, "image": {**spaces["image"], "input_dim": 9}}
    with pytest.raises(ArtifactError, match="input map does not fit"):
        Binder.from_pretrained(rewritten(saved, tmp_path / "shorter", spaces=shorter))


@pytest.fixture(scope="module", params=list(QUICK))
def artifacts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """The config.json of a method's artifact, and a folder whose config.json a test may overwrite."""
    folder = quick(request.param).save_pretrained(tmp_path_factory.mktemp("fuzz") / "binder")
    return (folder / "config.json").read_bytes(), folder


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(0, 3), st.binary(max_size=3))
def test_any_bytes_of_config_are_refused_or_make_a_binder(
    artifacts: tuple[bytes, Path], place: int, removed: int, new: bytes
) -> None:
    config, folder = artifacts
    start = place % len(config)
    (folder / "config.json").write_bytes(config[:start] + new + config[start + removed :])
    try:
        binder = Binder.from_pretrained(folder)
    except (ArtifactError, UnknownNameError):  # the latter when the method's name was hit
        return
    for name, info in binder.spaces.items():
        with suppress(NoPathError):  # a chain whose hub was renamed
            assert torch.isfinite(binder.embed(name, np.ones((2, info.dim)))).all()


def test_a_damaged_artifact_makes_no_binder(binder: Binder, tmp_path: Path) -> None:
    saved = binder.save_pretrained(tmp_path / "saved")
    broken = shutil.copytree(saved, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(save({"t": torch.ones(1)}))
    with pytest.raises(ArtifactError, match="damaged or was changed"):
        Binder.from_pretrained(broken)
    with pytest.raises(ArtifactError, match="no saved binder"):
        Binder.from_pretrained(tmp_path / "nowhere")
