"""The graphs of BrokenBind's tables: every one is valid, and one runs on tiny stand-ins in the published layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import anybind

FOLDER = Path(__file__).parents[2] / "examples" / "brokenbind"
GRAPHS = sorted(FOLDER.glob("*.yaml"))
# Files in each table: backbones times flows of data sets.
FILES = {2: 12, 3: 2, 4: 2, 5: 4, 6: 2, 7: 2, 8: 2}


def test_every_table_has_its_files_and_the_readme_names_them() -> None:
    assert {table: len(list(FOLDER.glob(f"table-{table}-*.yaml"))) for table in FILES} == FILES
    assert len(GRAPHS) == sum(FILES.values())
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"({graph.name})" in readme for graph in GRAPHS)


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_graph_is_valid_and_follows_the_protocol(path: Path) -> None:
    declaration = anybind.load_graph(path).declaration  # raises when a plugin lacks a name or an option
    assert declaration.name == f"brokenbind-{path.stem}"
    ((start, goal),) = declaration.target_pairs
    (entry,) = declaration.evaluate
    assert entry.pair == (start, goal)
    held = {use.use: set(use.modalities or ()) for use in declaration.datasets.values()}
    assert not any({start, goal} <= modalities for modalities in held.values()), "the pair is there in training"
    (pivot,) = set(declaration.encoders) - {start, goal}
    assert any(modalities == {start, pivot} for modalities in held.values())
    assert any(modalities == {pivot, goal} for modalities in held.values())
    flow = path.stem.partition(path.stem.split("-")[2])[2]
    assert path.stem.endswith(f"-to-{entry.dataset.use}")
    assert [flow.index(name) for name in held] == sorted(flow.index(name) for name in held)
    assert (len(held), entry.dataset.use in held) == (2, path.stem.split("-")[1] not in ("5", "6"))


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_towers_of_a_backbone_share_a_space_and_train_as_published(path: Path) -> None:
    graph = anybind.load_graph(path)
    specs = {use.use: graph.registry.encoder(use.use).spec for use in graph.declaration.encoders.values()}
    spaces = {spec.shared_space for spec in specs.values()}
    backbone = path.stem.split("-")[2]
    assert len(spaces) == (2 if backbone == "x" else 1)  # X-CLIP beside CLAP
    assert {spec.dim for spec in specs.values()} == {graph.declaration.bind.options["joint_dim"]}
    options = graph.declaration.bind.options
    assert (options["epochs"], options["first_stage"], options["preset"]) == (50, 0.5, "paper")
    assert options["batch_size"] == (5 if path.stem.count("-to-") == 2 else 8)  # 16 rows in all


def test_a_graph_runs_on_stand_ins(tmp_path: Path) -> None:
    graph = _stand_in("table-2-languagebind-flir-to-llvip", tmp_path)
    result = anybind.run(graph, tmp_path / "run", store=tmp_path / "store")
    ((judged,),) = result.per_seed
    assert judged.pair == ("thermal", "text")
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))["results"][0]
    assert numbers["n_queries"] == 5
    assert 0 < numbers["mrr"] <= 1
    assert list(numbers["baselines"]) == ["all-pairs", "mox-closed-form"]
    assert (tmp_path / "run" / "artifact" / "model.safetensors").is_file()


def _stand_in(stem: str, folder: Path) -> Path:
    """A copy of a graph whose checkpoints and data are tiny, and that trains for two epochs."""
    from anybind_languagebind.examples import write_checkpoint

    content = yaml.safe_load((FOLDER / f"{stem}.yaml").read_text("utf-8"))
    for space, use in content["encoders"].items():
        model_type = "LanguageBindThermal" if space == "thermal" else "LanguageBindImage"
        use["folder"] = str(write_checkpoint(folder / model_type, model_type, dim=768))
    _write_llvip(folder / "data" / "llvip")
    _write_flir(folder / "data" / "flir")
    content["bind"]["options"] |= {"epochs": 2, "batch_size": 4, "joint_dim": 8}
    graph = folder / f"{stem}.yaml"
    graph.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return graph


def _write_llvip(root: Path) -> None:
    random = np.random.default_rng(0)
    for part, first, count in (("train", 1, 60), ("test", 19, 5)):
        for number in range(count):
            name = f"{first + number // 5:02d}{number:04d}"  # the place, of 5 pictures each, and the picture
            _picture(random, root / "visible" / part / f"{name}.jpg")
            _picture(random, root / "infrared" / part / f"{name}.jpg")
            people = "<object>\n<name>person</name>\n</object>\n" * (number % 7 + 1)
            annotation = root / "Annotations" / f"{name}.xml"
            annotation.parent.mkdir(exist_ok=True)
            annotation.write_text(f"<annotation>\n{people}</annotation>\n", "utf-8")


def _write_flir(root: Path) -> None:
    """Version 1.3."""
    random = np.random.default_rng(1)
    for part, count in (("train", 60), ("val", 5)):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number in range(count):
            name = f"FLIR_{number:05d}"
            _picture(random, root / part / "RGB" / f"{name}.jpg")
            _picture(random, root / part / "thermal_8_bit" / f"{name}.jpeg")
            images.append({"id": number, "file_name": f"thermal_8_bit/{name}.jpeg"})
            annotations += [{"image_id": number, "category_id": 3}] * (number % 7 + 1)
        labels = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "car"}]}
        (root / part / "thermal_annotations.json").write_text(json.dumps(labels), "utf-8")


def _picture(random: np.random.Generator, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(path)
