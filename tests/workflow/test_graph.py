"""A graph YAML becomes edges and plans: counted right, found from any folder, and without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from anybind.bridge_plan import expected_quality
from anybind.catalogue import Catalogue, KnownDataset, KnownModality
from anybind.errors import DataError, UnknownNameError
from anybind.forecast_record import RecordedForecasts
from anybind.registry import Registry
from anybind.specs import EncoderSpec, OptionSpec
from anybind.workflow import load_graph, plan_catalogue
from anybind.workflow.graph import resolved_paths

Registries = Callable[..., Registry]
Writer = Callable[..., Path]


def edges_of(graph):
    return {(e.a, e.b, e.kind, e.name, e.pairs) for hop in graph.bridge().hops for e in hop.edges}


def known(*modalities: str, pairs: int | None = 1000) -> KnownDataset:
    return KnownDataset(title="known", modalities=modalities, pairs=pairs)


def catalogue(**datasets: KnownDataset) -> Catalogue:
    names = sorted({name for dataset in datasets.values() for name in dataset.modalities})
    return Catalogue(modalities={name: KnownModality(description=name) for name in names}, datasets=datasets)


def tower(name: str, modality: str = "vector") -> EncoderSpec:
    return EncoderSpec(name=name, modality=modality, dim=5, factory="anybind.builtin.toy:Vectors", weights="none",
                       revision="1", licence="unknown", shared_space="joint")  # fmt: skip


def test_a_plan_counts_the_rows_that_pair_two_spaces(vector_graph: Writer, tmp_path: Path) -> None:
    graph = load_graph(vector_graph(tmp_path))
    assert edges_of(graph) == {("a", "b", "dataset", "first", 60), ("b", "c", "dataset", "second", 60)}
    (path,) = graph.plan("a", "c").paths
    assert path.spaces == ("a", "b", "c")
    assert path.cost == pytest.approx(-2 * np.log(expected_quality(60, 5, 6)), abs=1e-9)
    assert graph.targets == (("a", "c"),)
    assert graph.name == "tiny"


def test_paths_are_relative_to_the_file_and_not_to_the_current_folder(
    vector_graph: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector_graph(tmp_path / "inner")
    for place, name in ((tmp_path, "inner/graph.yaml"), (tmp_path / "inner", "graph.yaml")):
        monkeypatch.chdir(place)
        graph = load_graph(name)
        assert list(graph.training(0)["first"].ids)[:2] == ["first-00", "first-01"]
    monkeypatch.undo()


def test_a_path_names_one_file_wherever_the_command_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = {"weights": OptionSpec(type="path"), "note": OptionSpec(type="str")}
    given = {"weights": "w.bin", "note": "w.bin"}
    monkeypatch.chdir(tmp_path)
    here = resolved_paths(given, specs, Path())
    assert here == {"weights": str(tmp_path / "w.bin"), "note": "w.bin"}
    assert resolved_paths(given, specs, tmp_path) == here
    assert resolved_paths({"weights": "/there/w.bin"}, specs, tmp_path) == {"weights": "/there/w.bin"}
    assert resolved_paths({"weights": None}, specs, tmp_path) == {"weights": None}
    monkeypatch.undo()


def test_a_data_set_is_opened_once_for_a_seed(vector_graph: Writer, tmp_path: Path) -> None:
    graph = load_graph(vector_graph(tmp_path))
    assert graph.training(0)["first"] is graph.training(0)["first"]
    assert set(graph.training(1)) == {"first", "second"}


def test_a_data_set_that_takes_a_seed_gets_it(letters: Registry, letters_graph: Path) -> None:
    graph = load_graph(letters_graph, registry=letters)
    assert [graph.training(seed)["first"].ids[0] for seed in (0, 1)] == ["item-000", "item-010"]


def test_a_data_set_of_one_row_is_refused_by_name(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path)
    for letter in "ab":
        np.save(tmp_path / "first" / f"{letter}.npy", np.ones((1, 5 if letter == "a" else 6), np.float32))
    (tmp_path / "first" / "ids.txt").write_text("only")
    with pytest.raises(DataError) as caught:
        load_graph(path).plan("a", "c")
    assert caught.value.where == "data set 'first' (arrays)"
    assert caught.value.got == "1 row"


def test_a_folder_that_is_not_there_is_named(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text.replace("path: second", "path: nowhere"))
    with pytest.raises(DataError, match="a folder of arrays is missing") as caught:
        load_graph(path).plan("a", "c")
    assert Path(str(caught.value.where)) == tmp_path / "nowhere"


TWO_EYES = """\
version: 1
name: eyes
modalities: {a: {kind: vector}, b: {kind: vector}}
encoders:
  left: {modality: a, use: vectors, dim: 5}
  right: {modality: a, use: vectors, dim: 5}
  b: {use: vectors, dim: 6}
datasets:
  one: {use: arrays, path: one, collection: things}
  two: {use: arrays, path: two, collection: things}
bind: {targets: [[left, b]], method: ridge-chain}
"""


@pytest.fixture
def two_eyes(tmp_path: Path):
    """Two encoders of one modality, and two data sets of one collection that share five of ten items."""
    for name, first in (("one", 0), ("two", 5)):
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / "a.npy", np.ones((10, 5), np.float32))
        np.save(folder / "b.npy", np.ones((10, 6), np.float32))
        (folder / "ids.txt").write_text("\n".join(str(first + row) for row in range(10)))
    path = tmp_path / "graph.yaml"
    path.write_text(TWO_EYES)
    return load_graph(path)


def test_two_encoders_of_one_modality_are_joined_by_re_encoding_and_an_item_counts_once(two_eyes) -> None:
    assert ("left", "right", "re-encoding", "things", 15) in edges_of(two_eyes)
    assert ("left", "b", "dataset", "one", 10) in edges_of(two_eyes)
    assert ("right", "b", "dataset", "two", 10) in edges_of(two_eyes)
    assert len(edges_of(two_eyes)) == 5


def test_a_space_goes_by_its_name_or_by_a_modality_that_is_its_own(two_eyes) -> None:
    assert [two_eyes.resolve(name) for name in ("left", "right", "b")] == ["left", "right", "b"]
    with pytest.raises(UnknownNameError, match="several spaces are of the modality 'a'") as caught:
        two_eyes.resolve("a")
    assert caught.value.expected == "one of left, right"
    with pytest.raises(UnknownNameError, match="no space 'lefft'") as caught:
        two_eyes.resolve("lefft")
    assert caught.value.hint == "did you mean 'left'?"
    assert caught.value.expected == "one of left, right, b"


def test_a_modality_with_one_encoder_names_its_space(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text.replace("  b: {use", "  pivot: {modality: b, use"))
    graph = load_graph(path)
    assert graph.resolve("b") == "pivot"
    assert graph.plan("a", "b").paths[0].spaces == ("a", "pivot")


def test_jointly_trained_encoders_share_a_space(
    vector_graph: Writer, tmp_path: Path, hand_made_registry: Registries
) -> None:
    towers = hand_made_registry(tower("tower-a"), tower("tower-c"))
    path = vector_graph(
        tmp_path,
        lambda text: text.replace("a: {use: vectors, dim: 5}", "a: {use: tower-a}").replace(
            "c: {use: vectors, dim: 5}", "c: {use: tower-c}"
        ),
    )
    graph = load_graph(path, registry=towers)
    assert ("a", "c", "shared-space", "joint", None) in edges_of(graph)
    through, joint = graph.plan("a", "c").paths
    assert (through.spaces, joint.spaces) == (("a", "b", "c"), ("a", "c"))
    assert "assumed" in joint.hops[0].why


def apart(text: str) -> str:
    """The graph without what holds b and c together."""
    text = text.replace("  c: {use: vectors, dim: 5}", "  c: {use: vectors, dim: 5}\n  d: {use: vectors, dim: 4}")
    return text.replace("c: {kind: vector}}", "c: {kind: vector}, d: {kind: vector}}").replace(
        "path: second", "path: far")  # fmt: skip


def far_rows(folder: Path) -> None:
    (folder / "far").mkdir()
    np.save(folder / "far" / "c.npy", np.ones((9, 5), np.float32))
    np.save(folder / "far" / "d.npy", np.ones((9, 4), np.float32))


def test_without_a_path_the_plan_says_why_and_what_the_catalogue_has(
    vector_graph: Writer, tmp_path: Path, hand_made_registry: Registries
) -> None:
    shelf = catalogue(link=known("b", "d"), weak=known("a", "c", pairs=3), other=known("b", "smell"))
    path = vector_graph(tmp_path, apart)
    far_rows(tmp_path)
    plan = load_graph(path, registry=hand_made_registry(catalogue=shelf)).plan("a", "c")
    assert plan.paths == ()
    assert plan.reason == "'a' is connected only to 'b'. 'c' is connected only to 'd'."
    assert {missing.edges[0].name for missing in plan.missing} == {"link", "weak"}
    bare = load_graph(path, registry=hand_made_registry()).plan("a", "c")
    assert bare.missing == ()
    assert "no candidate edges" in str(bare.reason)


def test_the_catalogue_offers_edges_to_special_kinds_of_a_modality(
    tmp_path: Path, hand_made_registry: Registries
) -> None:
    rows = '{"id": "1", "text_en": "dog", "text_ja": "犬"}\n{"id": "2", "text_en": "cat", "text_ja": "猫"}\n'
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    (tmp_path / "graph.yaml").write_text(
        dedent("""\
        version: 1
        name: pictures
        modalities: {text_en: {kind: text}, text_ja: {kind: text}}
        encoders: {image: {use: toy-image}, text_en: {use: toy-text}, text_ja: {use: toy-text}}
        datasets: {pairs: {use: manifest, path: rows.jsonl}}
        bind: {targets: [[image, text_ja]]}
        """)
    )
    registry = hand_made_registry(catalogue=catalogue(captions=known("image", "text")))
    plan = load_graph(tmp_path / "graph.yaml", registry=registry).plan("image", "text_ja")
    assert str(plan.reason).startswith("'image' is isolated")
    assert {missing.edges[0].spaces for missing in plan.missing} == {("image", "text_en"), ("image", "text_ja")}


def test_the_catalogue_is_planned_over_as_a_whole(hand_made_registry: Registries) -> None:
    shelf = catalogue(
        clips=known("video", "audio", "text", pairs=5000), talk=known("audio", "text", pairs=100),
        unsure=known("text", "touch", pairs=None), lonely=known("smell", "touch", pairs=0),
        doubled=known("text", "text", "depth", pairs=10),
    )  # fmt: skip
    registry = hand_made_registry(catalogue=shelf)
    plan = plan_catalogue("audio", "touch", registry=registry)
    assert [path.spaces for path in plan.paths] == [("audio", "text", "touch"), ("audio", "video", "text", "touch")]
    pooled, assumed = plan.paths[0].hops
    assert {edge.name for edge in pooled.edges} == {"clips", "talk"}
    assert pooled.cost == pytest.approx(-np.log(expected_quality(5100, 512, 512)), abs=1e-9)
    assert assumed.edges[0].pairs is None
    assert assumed.cost == pytest.approx(-np.log(expected_quality(1, 512, 512)), abs=1e-9)
    assert "the count is not known" in assumed.why
    assert plan_catalogue("audio", "smell", registry=registry).paths == ()
    assert len(plan_catalogue("audio", "depth", registry=registry, k=1).paths) == 1


def test_planning_needs_no_torch(vector_graph: Writer, tmp_path: Path) -> None:
    code = (
        "import sys; from anybind.workflow import load_graph; graph = load_graph(sys.argv[1]);"
        "print(len(graph.plan('a', 'c').paths), 'torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(vector_graph(tmp_path))], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["1", "False"]


def test_data_sets_of_one_hop_pool_to_what_retrieval_showed_of_it(vector_graph, tmp_path) -> None:
    again = "  second: {use: arrays, path: second}\n"
    path = vector_graph(tmp_path, lambda text: text.replace(again, again + again.replace("second:", "more:")))
    graph = load_graph(path)
    told = {"mrr": 0.62, "chance": 0.05, "recall": {"10": 0.9}, "mrr_interval": [0.5, 0.7]}
    recorded = RecordedForecasts("auto", 0, {("b", "c"): {100: told}})
    hops = {hop.spaces: hop for hop in graph.bridge(recorded).hops}
    assert len(hops["b", "c"].edges) == 2
    assert hops["b", "c"].quality == pytest.approx((0.62 - 0.05) / 0.95)
    assert {edge.evidence for edge in hops["b", "c"].edges} == {"held-out retrieval"}
    assert {edge.evidence for edge in hops["a", "b"].edges} == {"pair counts"}
