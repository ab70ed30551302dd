"""LLVIP and FLIR ADAS on tiny folders in the true layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anybind_paper import examples
from anybind_paper.flir import FLIR
from anybind_paper.labels import label_text
from anybind_paper.llvip import LLVIP
from anybind_paper.tiny_files import document, picture

import anybind


@pytest.fixture
def llvip(tmp_path: Path) -> Path:
    examples.llvip(tmp_path)
    return tmp_path.resolve()


@pytest.fixture
def flir(tmp_path: Path) -> Path:
    examples.flir(tmp_path)
    return tmp_path.resolve()


@pytest.fixture
def flir_1(tmp_path: Path) -> Path:
    """Version 1.3: two pictures for training, one without its visible partner, and one of the video."""
    for part, name in (("train", "FLIR_00001"), ("train", "FLIR_00002"), ("video", "FLIR_video_00001")):
        picture(tmp_path / part / "thermal_8_bit" / f"{name}.jpeg", 50)
        if name != "FLIR_00002":
            picture(tmp_path / part / "RGB" / f"{name}.jpg", 90)
    content = {
        "images": [{"id": 0, "file_name": "thermal_8_bit/FLIR_00001.jpeg"}],
        "annotations": [{"image_id": 0, "category_id": 18}],
        "categories": [{"id": 18, "name": "dog"}],
    }
    document(tmp_path / "train/thermal_annotations.json", content)
    return tmp_path.resolve()


def test_llvip_pairs(llvip: Path) -> None:
    rows = LLVIP(root=str(llvip), split="train")
    assert rows.ids == ("010001", "010002", "020001")
    assert rows.groups == ("01", "01", "02")
    assert dict(rows[0]) == {
        "image": llvip / "visible/train/010001.jpg", "thermal": llvip / "infrared/train/010001.jpg", "text": "2 person",
    }  # fmt: skip
    assert LLVIP(root=str(llvip), split="test").ids == ("190001",)
    assert len(LLVIP(root=str(llvip), split="all")) == 4


def test_llvip_without_annotations_or_partners(llvip: Path) -> None:
    (llvip / "infrared/train/010002.jpg").unlink()
    (llvip / "visible/train/020001.jpg").unlink()
    with pytest.raises(anybind.DataError, match="a file is missing") as caught:
        LLVIP(root=str(llvip), split="train")
    assert "2 faults in all" in str(caught.value.hint)
    assert "bupt-ai-cz" in str(caught.value.hint)
    rows = LLVIP(root=str(llvip), split="train", on_error="skip", modalities=["image", "thermal"])
    assert [sorted(rows[n]) for n in range(3)] == [["image", "thermal"], ["image"], ["thermal"]]
    for path in (llvip / "Annotations").iterdir():
        path.unlink()
    (llvip / "Annotations").rmdir()
    assert LLVIP(root=str(llvip), split="test").modalities == ("image", "thermal")


def test_flir_2_pairs_the_frames_of_its_video(flir: Path) -> None:
    rows = FLIR(root=str(flir), split="video")
    assert rows.modalities == ("image", "thermal", "text")
    assert rows.ids[0] == "video-ax-frame-000-q0.jpg"
    assert rows.groups == ("ax", "ax", "bx", "bx")
    assert dict(rows[0]) == {
        "image": flir / "video_rgb_test/data/video-ax-frame-000-q0.jpg",
        "thermal": flir / "video_thermal_test/data/video-at-frame-000-w0.jpg",
        "text": "2 car, 1 person",
    }
    assert "text" not in rows[3], "a picture without objects has no text"
    with pytest.raises(anybind.DataError, match="no pairs") as caught:
        FLIR(root=str(flir), split="train")
    assert caught.value.expected == "video"


def test_flir_1_pairs_by_name(flir_1: Path) -> None:
    rows = FLIR(root=str(flir_1), split="train")
    assert rows.ids == ("train/FLIR_00001", "train/FLIR_00002")
    assert dict(rows[0]) == {
        "image": flir_1 / "train/RGB/FLIR_00001.jpg", "thermal": flir_1 / "train/thermal_8_bit/FLIR_00001.jpeg",
        "text": "1 dog",
    }  # fmt: skip
    assert sorted(rows[1]) == ["thermal"], "as published, and no fault"
    assert rows.skipped == ()
    everything = FLIR(root=str(flir_1), split="all")
    assert everything.groups == ("train/FLIR_00001", "train/FLIR_00002", "video")
    with pytest.raises(anybind.DataError, match="no rows") as caught:
        FLIR(root=str(flir_1), split="val")
    assert "flir.com" in str(caught.value.hint)


def test_flir_names_do_not_lead_out(flir: Path) -> None:
    document(flir / "rgb_to_thermal_vid_map.json", {"../../../x.jpg": "y.jpg"})
    with pytest.raises(anybind.DataError, match="out of the data set's folder"):
        FLIR(root=str(flir), split="video")


@pytest.mark.parametrize("content", ["{", [], {"a": 1}])
def test_flir_maps_in_another_form(flir: Path, content: Any) -> None:
    document(flir / "rgb_to_thermal_vid_map.json", content)
    with pytest.raises(anybind.DataError) as caught:
        FLIR(root=str(flir), split="video")
    assert caught.value.where == flir / "rgb_to_thermal_vid_map.json"


@pytest.mark.parametrize("content", [{}, {"images": [], "annotations": [{}], "categories": []}, []])
def test_flir_annotations_in_another_form(flir: Path, content: Any) -> None:
    document(flir / "video_thermal_test/coco.json", content)
    with pytest.raises(anybind.DataError, match="as it was published"):
        FLIR(root=str(flir), split="video")


def test_objects_as_text() -> None:
    assert label_text(["car", "person", " car", "bike", ""]) == "2 car, 1 bike, 1 person"
    assert label_text([]) == ""
