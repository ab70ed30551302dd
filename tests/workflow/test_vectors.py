"""A graph's vectors: made once, found again, never mixed up, and streamed whole to a fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from anybind.distributed import Runtime
from anybind.errors import DataError, UnknownNameError
from anybind.fit_data import collect
from anybind.registry import Registry
from anybind.specs import EncoderSpec, OptionSpec
from anybind.store import EmbeddingStore
from anybind.workflow import default_store, extract_graph, gallery, load_graph
from anybind.workflow.vectors import require_extracted, row_source, space_info, space_key

Writer = Callable[..., Path]


@pytest.fixture(scope="module")
def extracted(vector_graph: Writer, tmp_path_factory: pytest.TempPathFactory):
    """The tiny graph and its filled store. Read only."""
    folder = tmp_path_factory.mktemp("extracted")
    graph, store = load_graph(vector_graph(folder)), EmbeddingStore(folder / "store")
    report = extract_graph(graph, store)
    return graph, store, report


def test_runs_of_one_folder_share_a_store() -> None:
    assert default_store("runs/one") == default_store(Path("runs/two")) == Path("runs/store")


def test_everything_is_embedded_once_whatever_the_seeds(extracted) -> None:
    graph, store, report = extracted
    assert report.written == 2 * (60 + 60 + 30 + 60)
    again = extract_graph(graph, store, seeds=[0, 1, 2])
    assert (again.written, again.reused) == (0, report.written)
    labels = {label for space in report.spaces for label in space.datasets}
    assert labels == {"first", "second", "evaluate[0]", "evaluate[0].oracle"}


def test_what_is_stored_is_what_was_in_the_files(extracted) -> None:
    graph, store, _ = extracted
    ids, vectors = gallery(graph, store, "b", dataset="first")
    assert ids == [f"first-{row:02}" for row in range(60)]
    assert torch.equal(vectors, torch.from_numpy(np.load(graph.path.parent / "first" / "b.npy")))


def test_a_gallery_is_the_test_set_unless_another_is_named(extracted) -> None:
    graph, store, _ = extracted
    ids, vectors = gallery(graph, store, "a")
    assert ids[0] == "test-00"
    assert vectors.shape == (30, 5)
    with pytest.raises(UnknownNameError, match="no such data set") as caught:
        gallery(graph, store, "a", dataset="third")
    assert caught.value.expected == "one of first, second"
    with pytest.raises(UnknownNameError, match="no space 'd'"):
        gallery(graph, store, "d")


def test_a_gallery_of_nothing_says_how_to_fill_it(extracted, tmp_path: Path) -> None:
    graph, store, _ = extracted
    for place, space, dataset in ((EmbeddingStore(tmp_path / "empty"), "a", None), (store, "c", "first")):
        with pytest.raises(DataError, match="nothing to search in") as caught:
            gallery(graph, place, space, dataset=dataset)
        assert caught.value.hint == f"run: anybind extract {graph.path}"


def test_a_graph_that_evaluates_nothing_has_no_gallery_of_its_own(vector_graph: Writer, tmp_path: Path) -> None:
    graph = load_graph(vector_graph(tmp_path, lambda text: text[: text.index("evaluate:")]))
    with pytest.raises(UnknownNameError, match="name the data set to search in"):
        gallery(graph, EmbeddingStore(tmp_path / "s"), "a")


def test_a_fit_is_told_how_to_extract_what_it_lacks(extracted, tmp_path: Path) -> None:
    graph, store, _ = extracted
    require_extracted(graph, store, graph.training(0))
    with pytest.raises(DataError, match="a space has not been extracted") as caught:
        require_extracted(graph, EmbeddingStore(tmp_path / "empty"), graph.training(0))
    assert caught.value.where == "data set 'first', space 'a'"
    assert str(caught.value.got).startswith("none of 60 vectors in ")
    assert caught.value.hint.startswith(f"run: anybind extract {graph.path}")


def test_rows_come_in_batches_and_in_order(extracted, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, store, _ = extracted
    monkeypatch.setattr("anybind.workflow.vectors._ROWS_AT_ONCE", 25)
    dataset = graph.training(0)["first"]
    source = row_source(graph, store, "first", dataset)
    batches = list(source.batches())
    assert source.dims == {"a": 5, "b": 6}
    assert [len(batch.ids) for batch in batches] == [25, 25, 10]
    assert [item for batch in batches for item in batch.ids] == list(dataset.ids)
    expected = np.load(graph.path.parent / "first" / "a.npy")
    assert np.array_equal(torch.cat([batch.vectors["a"] for batch in batches]).numpy(), expected)
    assert len(list(source.batches())) == 3, "a source can be read twice"


@pytest.mark.parametrize("world", [2, 7, 64])
def test_ranks_divide_the_rows_among_them(extracted, world: int) -> None:
    graph, store, _ = extracted
    dataset = graph.training(0)["first"]
    sources = [row_source(graph, store, "first", dataset, runtime=Runtime(rank, world)) for rank in range(world)]
    parts = [[item for batch in source.batches() for item in batch.ids] for source in sources]
    assert [item for part in parts for item in part] == list(dataset.ids)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_side_that_a_row_lacks_is_not_read_from_another_data_set(vector_graph: Writer, tmp_path: Path) -> None:
    def named(text: str) -> str:
        lines = "path: {}, collection: all, missing_from_nan: true"
        return text.replace("path: test}", lines.format("test") + "}").replace("path: oracle", lines.format("oracle"))

    path = vector_graph(tmp_path, named)
    for split in ("test", "oracle"):  # the same items, but half of the test rows hide c
        (tmp_path / split / "ids.txt").write_text("\n".join(map(str, range(30))))
    for letter in "ac":
        rows = np.load(tmp_path / "oracle" / f"{letter}.npy")[:30]
        np.save(tmp_path / "oracle" / f"{letter}.npy", rows)
        if letter == "c":
            rows[::2] = np.nan
        np.save(tmp_path / "test" / f"{letter}.npy", rows)
    graph, store = load_graph(path), EmbeddingStore(tmp_path / "store")
    extract_graph(graph, store)
    dataset = graph.open(graph.declaration.evaluate[0].dataset, 0, "test")
    (batch,) = row_source(graph, store, "test", dataset).batches()
    assert batch.present["a"].all()
    assert batch.present["c"].tolist() == [False, True] * 15


def test_near_duplicates_stay_in_one_fold(letters: Registry, letters_graph: Path, tmp_path: Path) -> None:
    graph, store = load_graph(letters_graph, registry=letters), EmbeddingStore(tmp_path / "store")
    extract_graph(graph, store)
    dataset = graph.training(0)["first"]
    source = row_source(graph, store, "first", dataset)
    assert [batch.groups for batch in source.batches()] == [dataset.groups]
    sample = collect([source]).samples["first"]
    fold = dict(zip(sample.ids, sample.folds.tolist(), strict=True))
    assert len(set(fold.values())) > 1
    assert all(fold[one] == fold[other] for one, other in zip(dataset.ids[::2], dataset.ids[1::2], strict=True))
    half = row_source(graph, store, "first", dataset, runtime=Runtime(1, 2))
    assert [batch.groups for batch in half.batches()] == [dataset.groups[15:]]


def scaled(**changes) -> EncoderSpec:
    options = {"scale": OptionSpec(type="float", default=1.0), "batch": OptionSpec(type="int", affects_output=False),
               "revision": OptionSpec(type="str", default="r1")}  # fmt: skip
    facts = {"name": "scaled", "modality": "vector", "dim": 5, "factory": "anybind.builtin.toy:Vectors",
             "weights": "none", "revision": "r1", "licence": "MIT", "options": options}  # fmt: skip
    return EncoderSpec(**{**facts, **changes})


@pytest.mark.parametrize(
    ("entry", "spec", "same"),
    [
        ("{use: scaled}", scaled(), True),
        ("{use: scaled, scale: 1.0}", scaled(), True),
        ("{use: scaled, batch: 8}", scaled(), True),
        ("{use: scaled, scale: 2.0}", scaled(), False),
        ("{use: scaled, revision: r2}", scaled(), False),
        ("{use: scaled}", scaled(revision="r2"), False),
        ("{use: scaled}", scaled(dim=6), False),
    ],
)
def test_only_what_changes_the_vectors_changes_the_folder(
    entry: str, spec: EncoderSpec, same: bool, vector_graph: Writer, tmp_path: Path, hand_made_registry
) -> None:
    def folder(entry: str, spec: EncoderSpec) -> Path:
        path = vector_graph(tmp_path, lambda text: text.replace("a: {use: vectors, dim: 5}", f"a: {entry}"))
        graph = load_graph(path, registry=hand_made_registry(spec))
        return space_key(graph, graph.spaces["a"], "things").folder_name

    assert (folder(entry, spec) == folder("{use: scaled}", scaled())) is same


def test_an_artifact_learns_what_a_space_is(vector_graph: Writer, tmp_path: Path, hand_made_registry) -> None:
    entry = "a: {use: scaled, revision: r7, scale: 3.0}"
    path = vector_graph(tmp_path, lambda text: text.replace("a: {use: vectors, dim: 5}", entry))
    graph = load_graph(path, registry=hand_made_registry(scaled()))
    info = space_info(graph, graph.spaces["a"])
    assert (info.name, info.modality, info.kind, info.dim) == ("a", "a", "vector", 5)
    assert (info.encoder, info.revision, info.licence) == ("scaled", "r7", "MIT")
    assert info.options == {"scale": 3.0, "revision": "r7"}
    assert info.distribution == "anybind-fake 1"
    assert space_info(graph, graph.spaces["b"]).revision == "1"


@pytest.mark.parametrize(("weights", "licence"), [("me/own", "MIT"), ("you/other", None)])
def test_a_licence_is_that_of_the_weights_that_it_was_stated_for(
    weights: str, licence: str | None, vector_graph: Writer, tmp_path: Path, hand_made_registry
) -> None:
    spec = scaled().model_copy(
        update={"weights": "me/own", "options": {**scaled().options, "weights": OptionSpec(type="str")}}
    )
    entry = f"a: {{use: scaled, weights: {weights}}}"
    path = vector_graph(tmp_path, lambda text: text.replace("a: {use: vectors, dim: 5}", entry))
    info = space_info(graph := load_graph(path, registry=hand_made_registry(spec)), graph.spaces["a"])
    assert (info.weights, info.licence) == (weights, licence)
