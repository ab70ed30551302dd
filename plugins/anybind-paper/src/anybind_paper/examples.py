"""Tiny folders in the published layouts, for the conformance checks and for trying things out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anybind.testing import DatasetExample
from anybind_paper.tiny_files import document, picture, sound, turned_depth, video

NYU_SHAPE = (4, 8, 6)  # pictures, width, height: MATLAB stores columns first


def msr_vtt(folder: Path) -> DatasetExample:
    """Four videos of the training split, one of the test split; two captions each."""
    videos = [{"video_id": f"video{n}", "split": "train" if n < 4 else "test", "category": 0} for n in range(5)]
    sentences = [
        {"video_id": f"video{n}", "sen_id": 2 * n + k, "caption": f"caption {k} of {n}"}
        for n in range(5) for k in (1, 0)
    ]  # fmt: skip
    document(folder / "train_val_videodatainfo.json", {"info": {}, "videos": videos, "sentences": sentences})
    for n in range(5):
        video(folder / ("TestVideo" if n == 4 else "TrainValVideo") / f"video{n}.mp4", 20 * n, 200 + 100 * n)
    return DatasetExample(options={"root": str(folder), "split": "train"})


def ave(folder: Path) -> DatasetExample:
    """Three videos with four events."""
    events = ["Church bell&aa&good&0&10", "Cat&bb&good&2&7", "Cat&bb&good&8&9", "Bus&-c_&good&0&4"]
    document(folder / "trainSet.txt", "\n".join(events) + "\n")
    document(folder / "testSet.txt", events[0] + "\n")
    document(folder / "Annotations.txt", "Category&VideoID&Quality&StartTime&EndTime\n" + "\n".join(events) + "\n")
    for n, name in enumerate(("aa", "bb", "-c_")):
        video(folder / "AVE" / f"{name}.mp4", 30 * n, 200 + 100 * n)
    return DatasetExample(options={"root": str(folder), "split": "train"})


def objectfolder(folder: Path) -> DatasetExample:
    """Two objects of version 1.0 and one of version 2.0, two instances each."""
    _objects(folder, {"train": {"1": [0, 1], "25": [0, 1]}, "val": {}, "test": {"101": [0, 1]}})
    lines = ["1,GothicCabinet_01,2.361,Wood,None", "25,030_fork,0.198,Steel,None", "101,AllergenFree,0.1,Glass,None"]
    document(folder / "objects.csv", "\n".join(lines) + "\n")
    return DatasetExample(options={"root": str(folder), "split": "train"})


def objectfolder_real(folder: Path) -> DatasetExample:
    """Two objects, three instances each."""
    _objects(folder, {"train": {"1": ["0", "2"], "18": ["0", "1"]}, "val": {"1": ["1"]}, "test": {"18": ["2"]}})
    return DatasetExample(options={"root": str(folder), "split": "train"})


def nyu_d(folder: Path) -> DatasetExample:
    """Four pictures of two scenes."""
    import h5py  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from scipy.io import savemat  # type: ignore[import-untyped,unused-ignore]

    count, width, height = NYU_SHAPE
    rng = np.random.default_rng(0)
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = rng.integers(0, 256, (count, 3, width, height), dtype=np.uint8)
        file["depths"] = rng.uniform(1, 9, (count, width, height)).astype(np.float32)
        file["rawDepths"] = file["depths"][()] * (rng.uniform(size=(count, width, height)) > 0.3)
        cells = {"sceneTypes": ["kitchen", "kitchen", "living_room", "office"]}
        cells["scenes"] = ["kitchen_0004", "kitchen_0004", "living_room_0001a", "office_0002"]
        for name, values in cells.items():
            for n, value in enumerate(values):
                file[f"#refs#/{name}{n}"] = np.array([[ord(letter)] for letter in value], np.uint16)
            references = [[file[f"#refs#/{name}{n}"].ref for n in range(count)]]
            file.create_dataset(name, data=np.array(references, dtype=h5py.ref_dtype))
    savemat(folder / "splits.mat", {"trainNdxs": [[1], [3], [4]], "testNdxs": [[2]]})
    return DatasetExample(options={"root": str(folder), "split": "train"})


def sun_d(folder: Path) -> DatasetExample:
    """Four frames: two of one video, two of other sensors."""
    from scipy.io import savemat  # type: ignore[import-untyped,unused-ignore]

    frames = ["kv1/NYUdata/NYU0001", "xtion/sun3ddata/mit/lab/0001", "xtion/sun3ddata/mit/lab/0005", "kv2/a/000002"]
    for n, frame in enumerate(frames):
        at = folder / "SUNRGBD" / frame
        picture(at / "image" / f"{n}.jpg", 40 * n)
        depth = np.arange(n + 1, n + 49, dtype=np.uint16).reshape(6, 8) * 100
        turned_depth(at / "depth_bfx" / f"{n}.png", depth)
        turned_depth(at / "depth" / f"{n}.png", depth * (depth > 1000))
        document(at / "scene.txt", "computer_room\n")
    (folder / "SUNRGBDtoolbox/traintestSUNRGBD").mkdir(parents=True)
    paths = np.array([f"/n/fs/sun3d/data/SUNRGBD/{frame}/" for frame in frames], dtype=object)
    lists = {"alltrain": paths[:3], "alltest": paths[3:]}
    savemat(folder / "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat", lists)
    return DatasetExample(options={"root": str(folder), "split": "train"})


def llvip(folder: Path) -> DatasetExample:
    """Three pairs for training from two places, one for the test."""
    people_in = {"010001": 2, "010002": 1, "020001": 3, "190001": 1}
    for name, people in people_in.items():
        part = "test" if name == "190001" else "train"
        picture(folder / f"visible/{part}/{name}.jpg", 100)
        picture(folder / f"infrared/{part}/{name}.jpg", 200)
        one = "<object>\n<name>person</name>\n</object>\n"
        document(folder / f"Annotations/{name}.xml", f"<annotation>\n{one * people}</annotation>\n")
    return DatasetExample(options={"root": str(folder), "split": "train"})


def flir(folder: Path) -> DatasetExample:
    """Version 2: four frames of two videos, of which one has no annotated object."""
    pairs = {f"video-{v}x-frame-00{n}-q{n}.jpg": f"video-{v}t-frame-00{n}-w{n}.jpg" for v in "ab" for n in range(2)}
    document(folder / "rgb_to_thermal_vid_map.json", pairs)
    for n, (visible, thermal) in enumerate(pairs.items()):
        picture(folder / "video_rgb_test/data" / visible, 10 * n)
        picture(folder / "video_thermal_test/data" / thermal, 20 * n)
    images = [{"id": n, "file_name": f"data/{name}"} for n, name in enumerate(pairs.values())]
    seen = [(0, 3), (0, 3), (0, 1), (1, 3), (2, 1)]
    annotations = [{"image_id": image, "category_id": category} for image, category in seen]
    categories = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    document(folder / "video_thermal_test/coco.json", content)
    return DatasetExample(options={"root": str(folder), "split": "video"})


def _objects(folder: Path, splits: dict[str, dict[str, list[int]]] | dict[str, dict[str, list[str]]]) -> None:
    document(folder / "split.json", splits)
    for objects in splits.values():
        for item, instances in objects.items():
            for instance in map(int, instances):
                picture(folder / f"vision/{item}/{instance}.png", 10 * instance)
                picture(folder / f"touch/{item}/{instance}.png", 100 + 10 * instance)
                sound(folder / f"audio/{item}/{instance}.wav", 200 + 50 * instance)
