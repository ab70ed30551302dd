"""Depth maps are metres, wherever they come from; pictures whose scale is unknown are refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anybind.builtin import depth
from anybind.builtin.depth import Depth, DepthMap
from anybind.errors import DataError
from anybind.specs import ModalitySpec

DEPTH = Depth(ModalitySpec(name="depth", factory="anybind.builtin.depth:Depth"))
METRES = np.array([[0.5, 1.25, 0.0], [2.0, 4.0, 8.125]], dtype=np.float32)


def picture(values: np.ndarray[Any, Any], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format=kind)
    return buffer.getvalue()


def array_file(values: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_pictures_of_16_bits_are_millimetres_and_fractions_are_metres(tmp_path: Path) -> None:
    sixteen = picture((METRES * 1000).astype(np.uint16))
    path = tmp_path / "a.png"
    path.write_bytes(sixteen)
    for source in (sixteen, path, str(path), picture(METRES, "TIFF"), array_file(METRES), METRES, DepthMap(METRES)):
        loaded = DEPTH.load(source)
        DEPTH.check(loaded)
        np.testing.assert_allclose(loaded.metres, METRES, rtol=1e-6)
        assert loaded.metres.dtype == np.float32


def test_what_the_camera_did_not_see_is_0() -> None:
    loaded = DEPTH.load(np.array([[np.nan, 1.0], [np.inf, 2.0]]))
    np.testing.assert_array_equal(loaded.metres, [[0, 1], [0, 2]])


def test_a_picture_of_8_bits_is_refused_because_its_scale_is_unknown() -> None:
    with pytest.raises(DataError, match="8 bits"):
        DEPTH.load(picture(np.zeros((4, 4), dtype=np.uint8)))


@pytest.mark.parametrize(
    "source", [b"", b"x", Path("nowhere.png"), "nowhere.npy", 3, None, np.zeros(3), np.zeros((2, 2), complex)]
)
def test_what_is_no_depth_map(source: Any) -> None:
    with pytest.raises(DataError):
        DEPTH.load(source)


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "MAX_PIXELS", 5)
    with pytest.raises(DataError, match="too large"):
        DEPTH.load(picture((METRES * 1000).astype(np.uint16)))


@pytest.mark.parametrize(
    "sample",
    [
        METRES, DepthMap(METRES.astype(float)), DepthMap(-METRES), DepthMap(METRES[0]),  # type: ignore[arg-type]
        DepthMap(METRES * np.nan),
    ],
)  # fmt: skip
def test_check_refuses(sample: Any) -> None:
    with pytest.raises(DataError):
        DEPTH.check(sample)


def test_the_preview_tells_the_range_and_near_is_brighter_than_far() -> None:
    import base64
    import re

    shown = DEPTH.preview(DepthMap(METRES))
    assert 'alt="depth 0.5 to 8.1 m"' in shown
    found = re.search(r"base64,([^\"]+)", shown)
    assert found
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))
    assert grey[0, 0] == 255
    assert grey[0, 2] == 0  # unknown
    assert grey[1, 0] > grey[1, 1] > grey[1, 2] > 0
