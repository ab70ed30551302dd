"""What an ONNX runtime makes of an exported file is what the binder makes of the same vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hidden_items import views_of

import anybind
from anybind.errors import ArtifactError, NoPathError, PluginError, UnknownNameError, UsageError
from anybind.integrations.onnx import export_onnx

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

KERNEL = {"features": "nystroem", "landmarks": 60, "width": 1.0}
TRAINED = {"epochs": 2, "joint_dim": 5, "batch_size": 64}
FITS: dict[str, tuple[str, dict[str, Any]]] = {
    "pcca": ("pcca", {"features": "identity"}),
    "nystroem": ("pcca", KERNEL),
    "laplacian": ("pcca", {**KERNEL, "kernel": "laplacian"}),
    "fourier": ("pcca", {"features": "fourier", "feature_dims": 30, "width": 1.0}),
    "cca-chain": ("cca-chain", {"features": "identity"}),
    "linear head": ("centrobind", {**TRAINED, "head": "linear"}),
    "mlp head": ("centrobind", {**TRAINED, "head": "mlp"}),
    "several methods": ("auto", {"features": "identity", "combine": "average", "tolerance": 1.0}),
    "auto": ("auto", {"landmarks": 60}),
    "few neighbours": ("relative", {"neighbours": 10, "power": 4.0}),
    "all neighbours": ("relative", {"neighbours": 1000, "power": 1.0}),
}


def run(path: Path, vectors: torch.Tensor) -> torch.Tensor:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(["embeddings"], {"vectors": vectors.numpy()})
    assert found.dtype == np.float32
    return torch.from_numpy(found)


@pytest.mark.parametrize("name", FITS)
def test_the_file_is_embed(fitted: Any, name: str, tmp_path: Path) -> None:
    method, options = FITS[name]
    binder, rows = fitted(method, **options), views_of(50, 2)
    for space in "ac":
        path = export_onnx(binder, space, tmp_path / "new" / f"{space}.onnx")
        expected = binder.embed(space, rows[space])
        torch.testing.assert_close(run(path, rows[space]), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(run(path, rows[space][:1]), expected[:1], rtol=1e-4, atol=1e-5)
        assert run(path, rows[space][:0]).shape == (0, expected.shape[1])


def test_vectors_far_off_and_tiny_ones(fitted: Any, tmp_path: Path) -> None:
    """Where a graph in float32 would lose its digits, or divide by zero."""
    rows = views_of(20, 2)["a"]
    odd = torch.cat([rows * 1e-18, rows * 1e18, torch.zeros(1, rows.shape[1])])
    for name in ("pcca", "cca-chain", "nystroem"):
        method, options = FITS[name]
        binder = fitted(method, **options)
        found = run(export_onnx(binder, "a", tmp_path / f"{name}.onnx"), odd)
        torch.testing.assert_close(found, binder.embed("a", odd), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["nystroem", "laplacian"])
def test_rows_that_are_landmarks(fitted: Any, name: str, tmp_path: Path) -> None:
    """Their distance is zero, or a little below it by rounding."""
    method, options = FITS[name]
    binder = fitted(method, **options)
    rows = binder.tensors()["input/a/landmarks"]
    found = run(export_onnx(binder, "a", tmp_path / "a.onnx"), rows)
    torch.testing.assert_close(found, binder.embed("a", rows), rtol=1e-3, atol=1e-4)


def test_raw_vectors_that_are_not_normalised(tmp_path: Path) -> None:
    rows = {space: view + 1000 for space, view in views_of(200, 1).items()}
    data = {"d1": {s: rows[s][:100] for s in "ab"}, "d2": {s: rows[s][100:] for s in "bc"}}
    options = {"features": "identity", "rank": 3, "shrinkage": 1.0}
    binder = anybind.fit(data, method="pcca", options=options, normalise=False)
    found = run(export_onnx(binder, "a", tmp_path / "a.onnx"), rows["a"])
    torch.testing.assert_close(found, binder.embed("a", rows["a"]), rtol=1e-4, atol=1e-4)


def test_the_file_says_what_it_is(fitted: Any, tmp_path: Path) -> None:
    model = onnx.load(export_onnx(fitted("pcca", features="identity"), "a", tmp_path / "a.onnx"))
    assert {each.key: each.value for each in model.metadata_props} == {"method": "pcca", "space": "a"}
    assert model.producer_name == "anybind"
    (given,), (found,) = model.graph.input, model.graph.output
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["n", 12]
    assert found.type.tensor_type.shape.dim[0].dim_param == "n"


def test_what_cannot_be_exported(fitted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binder = fitted("pcca", features="identity")
    with pytest.raises(UnknownNameError, match="no such space"):
        export_onnx(binder, "d", tmp_path / "d.onnx")
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written"):
        export_onnx(binder, "a", tmp_path / "file" / "a.onnx")
    monkeypatch.setattr(type(binder._method), "embedding_steps", lambda self, space: (abs,))
    with pytest.raises(UsageError, match="cannot be written as ONNX"):
        export_onnx(binder, "a", tmp_path / "a.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_space_without_a_path(tmp_path: Path) -> None:
    rows = views_of(200, 1)
    data = {"d1": {s: rows[s][:100] for s in "ab"}, "d2": {"c": rows["c"][100:]}}
    binder = anybind.fit(data, method="pcca", options={"features": "identity", "rank": 2})
    with pytest.raises(NoPathError):
        export_onnx(binder, "c", tmp_path / "c.onnx")


def test_without_the_library(fitted: Any, without: Any, tmp_path: Path) -> None:
    without("onnx")
    with pytest.raises(PluginError) as caught:
        export_onnx(fitted("pcca", features="identity"), "a", tmp_path / "a.onnx")
    assert caught.value.hint == 'pip install "onnx>=1.17" (extra \'onnx\' of anybind)'
