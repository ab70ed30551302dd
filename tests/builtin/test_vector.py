"""Vectors come from arrays, tensors, lists and .npy files, never from pickles."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anybind.builtin.vector import Vector
from anybind.errors import DataError, ShapeError
from anybind.specs import ModalitySpec

VECTOR = Vector(ModalitySpec(name="vector", factory="anybind.builtin.vector:Vector"))


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_every_source_gives_float32(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy(np.array([1, 2, 3])))
    expected = np.array([1, 2, 3], dtype=np.float32)
    read = [path, str(path), path.read_bytes()]
    arrays = [expected, expected.astype(np.float16), np.array([1, 2, 3], dtype=np.uint8)]
    for source in [*read, *arrays, [1, 2.0, 3], (1, 2, 3), torch.tensor([1.0, 2, 3])]:
        loaded = VECTOR.load(source)
        assert loaded.dtype == np.float32
        np.testing.assert_array_equal(loaded, expected)
        VECTOR.check(loaded)


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize(
    "source",
    [b"", b"no array", Path("nowhere.npy"), "nowhere.npy", ["a"], [True], [1j], [[1], [2, 3]], None, {}],
)
def test_what_is_no_vector(source: Any) -> None:
    with pytest.raises(DataError):
        VECTOR.load(source)


def test_pickles_are_refused(tmp_path: Path) -> None:
    content = npy(np.array([Bomb()], dtype=object))
    (tmp_path / "bomb.npy").write_bytes(content)
    for source in (content, tmp_path / "bomb.npy"):
        with pytest.raises(DataError):
            VECTOR.load(source)


@pytest.mark.parametrize("numbers", [[1.0, np.nan], [np.inf], [-np.inf, 0], [1e300]])
def test_check_refuses_what_is_not_finite(numbers: list[float]) -> None:
    with pytest.raises(DataError, match="not finite"):
        VECTOR.check(VECTOR.load(np.array(numbers)))


@pytest.mark.parametrize("shape", [(0,), (2, 2), (), (1, 3)])
def test_check_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        VECTOR.check(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("sample", [[1.0], np.zeros(3), None])
def test_check_refuses_other_types(sample: Any) -> None:
    with pytest.raises(DataError):
        VECTOR.check(sample)


def test_the_preview_shows_the_beginning_and_the_length() -> None:
    assert VECTOR.preview(np.arange(6, dtype=np.float32)) == "<code>[0, 1, 2, 3, …] (6)</code>"
    assert VECTOR.preview(np.array([0.5], dtype=np.float32)) == "<code>[0.5] (1)</code>"
