"""NYU Depth V2 and SUN RGB-D on tiny folders in the true layout."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from anybind_paper import examples
from anybind_paper.nyu_d import NYUDepth
from anybind_paper.sun_d import SUNRGBD
from anybind_paper.tiny_files import document, picture
from PIL import Image
from scipy.io import savemat

import anybind


@pytest.fixture
def nyu(tmp_path: Path) -> Path:
    pytest.importorskip("h5py", reason="h5py is not installed: NYU Depth V2 cannot be written")
    examples.nyu_d(tmp_path)
    return tmp_path.resolve()


@pytest.fixture
def sun(tmp_path: Path) -> Path:
    examples.sun_d(tmp_path)
    return tmp_path.resolve()


def test_nyu_pictures_stand_upright(nyu: Path) -> None:
    import h5py

    rows = NYUDepth(root=str(nyu), split="train")
    assert rows.ids == ("0001", "0003", "0004")
    assert [rows[n]["text"] for n in range(3)] == ["kitchen", "living room", "office"]
    assert rows.groups == ("kitchen_0004", "living_room_0001a", "office_0002")
    with h5py.File(nyu / "nyu_depth_v2_labeled.mat") as file:
        image, depth = file["images"][2], file["depths"][2]
    got = rows[1]["image"]
    assert (got.mode, got.size) == ("RGB", (8, 6))
    for x, y in ((0, 0), (7, 0), (0, 5), (3, 2)):
        assert got.getpixel((x, y)) == tuple(image[:, x, y])
        assert rows[1]["depth"].metres[y, x] == depth[x, y]
    assert rows[1]["depth"].metres.dtype == np.float32


def test_nyu_splits_and_depths(nyu: Path) -> None:
    filled, raw = NYUDepth(root=str(nyu), split="all"), NYUDepth(root=str(nyu), split="all", depth="raw")
    assert filled.ids == ("0001", "0002", "0003", "0004")
    assert filled.groups[:2] == ("kitchen_0004", "kitchen_0004")
    assert (raw[0]["depth"].metres == 0).any()
    assert (filled[0]["depth"].metres > 0).all()
    assert raw.collection != filled.collection
    assert NYUDepth(root=str(nyu), split="test").ids == ("0002",)
    assert NYUDepth(root=str(nyu), split="test").collection == filled.collection


def test_nyu_files_that_do_not_fit(nyu: Path) -> None:
    import h5py

    savemat(nyu / "splits.mat", {"trainNdxs": [[1], [9]], "testNdxs": [[2]]})
    with pytest.raises(anybind.DataError, match="does not fit") as caught:
        NYUDepth(root=str(nyu), split="train")
    assert (caught.value.got, caught.value.expected) == ("1 to 9", "1 to 4")
    savemat(nyu / "splits.mat", {"testNdxs": [[2]]})
    with pytest.raises(anybind.DataError, match="lacks a variable"):
        NYUDepth(root=str(nyu), split="train")
    (nyu / "splits.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(anybind.DataError, match="cannot be read"):
        NYUDepth(root=str(nyu), split="train")
    with h5py.File(nyu / "nyu_depth_v2_labeled.mat", "a") as file:
        del file["images"]
        file["images"] = h5py.ExternalLink(str(nyu / "other.h5"), "images")
    with pytest.raises(anybind.DataError, match="lacks a variable") as caught:
        NYUDepth(root=str(nyu), split="test")
    assert caught.value.expected == "images"
    (nyu / "nyu_depth_v2_labeled.mat").write_bytes(b"no HDF5 file")
    with pytest.raises(anybind.DataError, match="cannot be read"):
        NYUDepth(root=str(nyu), split="test")
    (nyu / "nyu_depth_v2_labeled.mat").unlink()
    with pytest.raises(anybind.DataError, match="is missing") as caught:
        NYUDepth(root=str(nyu), split="test")
    assert "cs.nyu.edu" in str(caught.value.hint)


def test_nyu_without_h5py_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"")
    (tmp_path / "splits.mat").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(anybind.PluginError) as caught:
        NYUDepth(root=str(tmp_path), split="test")
    assert caught.value.hint == "pip install h5py"


def test_sun_frames_of_the_list(sun: Path) -> None:
    rows = SUNRGBD(root=str(sun), split="train")
    assert rows.ids == ("kv1/NYUdata/NYU0001", "xtion/sun3ddata/mit/lab/0001", "xtion/sun3ddata/mit/lab/0005")
    assert rows.groups == ("kv1/NYUdata/NYU0001", "xtion/sun3ddata/mit/lab", "xtion/sun3ddata/mit/lab")
    assert rows[1]["image"] == sun / "SUNRGBD/xtion/sun3ddata/mit/lab/0001/image/1.jpg"
    assert rows[0]["text"] == "computer room"
    assert SUNRGBD(root=str(sun), split="test").ids == ("kv2/a/000002",)
    assert len(SUNRGBD(root=str(sun), split="all")) == 4


def test_sun_depth_is_turned_back_into_metres(sun: Path) -> None:
    expected = np.arange(2, 50).reshape(6, 8) * 0.1
    depth = SUNRGBD(root=str(sun), split="train")[1]["depth"]
    assert depth.metres.dtype == np.float32
    np.testing.assert_allclose(depth.metres, expected, rtol=1e-6)
    raw = SUNRGBD(root=str(sun), split="train", depth="raw")[1]["depth"]
    np.testing.assert_allclose(raw.metres, np.where(expected > 1.001, expected, 0), rtol=1e-6)


def test_sun_depth_of_all_sixteen_bits(sun: Path) -> None:
    """What the publishers' code does, on whole numbers: the low three bits come last."""
    path = next((sun / "SUNRGBD/kv1/NYUdata/NYU0001/depth_bfx").iterdir())
    stored = np.array([[0, 1, 8, 0xFFFF, 0x1234]], np.uint16)
    Image.fromarray(stored).save(path)
    got = SUNRGBD(root=str(sun), split="train")[0]["depth"].metres
    expected = [[((v >> 3) | ((v << 13) & 0xFFFF)) / 1000 for v in stored[0].tolist()]]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_sun_broken_and_missing_files(sun: Path) -> None:
    frame = sun / "SUNRGBD/kv1/NYUdata/NYU0001"
    picture(frame / "depth_bfx/0.png", 3)
    with pytest.raises(anybind.DataError, match="cannot be read"):
        SUNRGBD(root=str(sun), split="train")[0]["depth"]
    document(frame / "depth_bfx/0.png", "no picture")
    with pytest.raises(anybind.DataError, match="cannot be read"):
        SUNRGBD(root=str(sun), split="train")[0]["depth"]
    (frame / "depth_bfx/0.png").unlink()
    (frame / "scene.txt").unlink()
    with pytest.raises(anybind.DataError, match="a file is missing") as caught:
        SUNRGBD(root=str(sun), split="train")
    assert "2 faults in all" in str(caught.value.hint)
    assert "rgbd.cs.princeton.edu" in str(caught.value.hint)
    rows = SUNRGBD(root=str(sun), split="train", on_error="skip")
    assert sorted(rows[0]) == ["image"]
    assert [(key, modality) for key, modality, _ in rows.skipped] == [
        ("kv1/NYUdata/NYU0001", "depth"), ("kv1/NYUdata/NYU0001", "text"),
    ]  # fmt: skip


def test_sun_paths_do_not_lead_out(sun: Path) -> None:
    listed = sun / "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat"
    savemat(listed, {"alltrain": np.array(["/n/SUNRGBD/../../x", "/n/SUNRGBD/kv1/y"], dtype=object), "alltest": [1]})
    with pytest.raises(anybind.DataError, match="out of the data set's folder"):
        SUNRGBD(root=str(sun), split="train")
    savemat(listed, {"alltrain": np.array(["/elsewhere/a", "/n/SUNRGBD/kv2/a/000002"], dtype=object), "alltest": [1]})
    with pytest.raises(anybind.DataError, match="no path"):
        SUNRGBD(root=str(sun), split="train")
    assert SUNRGBD(root=str(sun), split="train", on_error="skip").ids == ("kv2/a/000002",)
