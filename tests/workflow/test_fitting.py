"""Fitting a graph: on its training rows and nothing else, alike on one rank and on two, with errors that help."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anybind import fit
from anybind.artifact import GRAPH, read_artifact
from anybind.binder import Binder
from anybind.distributed import Runtime
from anybind.errors import DataError, NoPathError
from anybind.specs import EncoderSpec
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, fit_graph, load_graph
from anybind.workflow.fitting import fit_oracle

Writer = Callable[..., Path]


def opened(path: Path, registry=None):
    """A graph and its store, filled."""
    graph, store = load_graph(path, registry=registry), EmbeddingStore(path.parent / "store")
    extract_graph(graph, store)
    return graph, store


def fitted_tensors(binder: Binder, folder: Path) -> dict[str, torch.Tensor]:
    return dict(read_artifact(binder.save_pretrained(folder)).tensors)


@pytest.fixture(scope="module")
def tiny(vector_graph: Writer, tmp_path_factory: pytest.TempPathFactory):
    """The tiny graph and its filled store. Read only."""
    return opened(vector_graph(tmp_path_factory.mktemp("tiny")))


def arrays_of(graph, split: str) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in sorted((graph.path.parent / split).glob("*.npy"))}


def test_a_graph_fits_what_its_arrays_fit(tiny) -> None:
    graph, store = tiny
    binder = fit_graph(graph, store)
    data = {split: arrays_of(graph, split) for split in ("first", "second")}
    ids = {split: list(graph.training(0)[split].ids) for split in data}
    plain = fit(data, ids=ids, method="ridge-chain", options={"ridge": 0.01}, targets=[("a", "c")])
    test = arrays_of(graph, "test")
    assert torch.allclose(binder.score("a", test["a"], "c", test["c"]), plain.score("a", test["a"], "c", test["c"]))
    assert binder.training.datasets["first"].rows == {"a": 60, "b": 60}
    assert binder.training.seed == 0
    assert binder.texts[GRAPH] == graph.path.read_text("utf-8")
    assert binder.spaces["b"].encoder == "vectors"


@pytest.mark.parametrize("method", ["ridge-chain", "mox-closed-form"])
def test_test_rows_and_oracle_rows_leave_no_trace_in_a_fit(method: str, vector_graph: Writer, tmp_path: Path) -> None:
    def tensors(name: str, **seeds: int) -> dict[str, torch.Tensor]:
        graph, store = opened(vector_graph(tmp_path / name, **seeds))
        return fitted_tensors(fit_graph(graph, store, method=method), tmp_path / name / "saved")

    usual = tensors("usual")
    other_tests = tensors("other-tests", test=5, oracle=6)
    other_training = tensors("other-training", second=5)
    assert usual.keys() == other_tests.keys()
    assert all(torch.equal(usual[name], other_tests[name]) for name in usual)
    assert not all(torch.equal(usual[name], other_training[name]) for name in usual)


def test_every_method_sees_the_same_rows(tiny) -> None:
    graph, store = tiny
    declared, baseline = fit_graph(graph, store, seed=1), fit_graph(graph, store, seed=1, method="mox-closed-form")
    assert baseline.method_name == "mox-closed-form"
    assert declared.training == baseline.training


def test_declared_options_are_those_of_the_declared_method(tiny) -> None:
    graph, store = tiny
    assert fit_graph(graph, store).fitted["ridge"] == 0.01
    assert fit_graph(graph, store, method="ridge-chain").fitted["ridge"] == 0.01
    assert fit_graph(graph, store, options={"ridge": 2.0}).fitted["ridge"] == 2.0
    assert fit_graph(graph, store, method="mox-closed-form").fitted["transition_strength"] == "auto"


def test_the_oracle_is_the_same_method_on_true_pairs(tiny) -> None:
    graph, store = tiny
    oracle = fit_oracle(graph, store, 0, seed=0, method="ridge-chain")
    assert oracle.training.datasets["evaluate[0].oracle"].rows == {"a": 60, "c": 60}
    assert oracle.fitted["ridge"] == 0.01
    assert fit_oracle(graph, store, 0, seed=0, method="mox-closed-form").method_name == "mox-closed-form"


def test_an_entry_without_oracle_has_none(vector_graph: Writer, tmp_path: Path) -> None:
    graph = load_graph(
        vector_graph(tmp_path, lambda text: text.replace("    oracle: {use: arrays, path: oracle}\n", ""))
    )
    assert fit_oracle(graph, EmbeddingStore(tmp_path / "s"), 0, seed=0, method="mox-closed-form") is None


def test_a_fit_without_vectors_says_which_command_makes_them(tiny, tmp_path: Path) -> None:
    graph, _ = tiny
    empty = EmbeddingStore(tmp_path / "empty")
    for place, fails in (
        ("data set 'first', space 'a'", lambda: fit_graph(graph, empty)),
        (
            "data set 'evaluate[0].oracle', space 'a'",
            lambda: fit_oracle(graph, empty, 0, seed=0, method="mox-closed-form"),
        ),
    ):
        with pytest.raises(DataError, match="has not been extracted") as caught:
            fails()
        assert caught.value.where == place
        assert caught.value.hint.startswith(f"run: anybind extract {graph.path}")


def test_an_oracle_without_true_pairs_is_blamed_by_its_place(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text.replace("path: oracle", "missing_from_nan: true, path: oracle"))
    for letter, part in (("a", slice(30)), ("c", slice(30, 60))):
        rows = np.load(tmp_path / "oracle" / f"{letter}.npy")
        rows[part] = np.nan
        np.save(tmp_path / "oracle" / f"{letter}.npy", rows)
    graph, store = opened(path)
    with pytest.raises(NoPathError) as caught:
        fit_oracle(graph, store, 0, seed=0, method="ridge-chain")
    assert caught.value.where == f"{path}: evaluate[0].oracle"
    assert caught.value.hint == "name a data set whose rows hold both spaces"


def split_in_two(text: str) -> str:
    """a and b in one data set, c and d in another, and nothing between."""
    text = text.replace("  c: {use: vectors, dim: 5}", "  c: {use: vectors, dim: 5}\n  d: {use: vectors, dim: 4}")
    return text.replace("c: {kind: vector}}", "c: {kind: vector}, d: {kind: vector}}").replace("second", "far")


def write_far(folder: Path) -> None:
    (folder / "far").mkdir()
    generator = np.random.default_rng(4)
    for letter, width in (("c", 5), ("d", 4)):
        np.save(folder / "far" / f"{letter}.npy", generator.normal(size=(20, width)).astype(np.float32))


def test_the_error_of_a_fit_names_the_reason_of_the_plan(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, split_in_two)
    write_far(tmp_path)
    graph, store = opened(path)
    with pytest.raises(NoPathError, match="no chain of paired rows joins 'a' and 'c'") as caught:
        fit_graph(graph, store)
    plan = graph.plan("a", "c")
    assert caught.value.where == f"{path}: target a - c"
    assert caught.value.got == plan.reason
    assert caught.value.plan == plan
    assert "'c' is connected only to 'd'" in str(caught.value)


def shared(name: str, space: str | None) -> EncoderSpec:
    return EncoderSpec(name=name, modality="vector", dim=5, factory="anybind.builtin.toy:Vectors", weights="none",
                       revision="1", licence="unknown", shared_space=space)  # fmt: skip


def test_a_route_through_shared_weights_alone_is_told_apart(
    vector_graph: Writer, tmp_path: Path, hand_made_registry
) -> None:
    def towers(text: str) -> str:
        text = split_in_two(text).replace("a: {use: vectors, dim: 5}", "a: {use: tower-a}")
        return text.replace("c: {use: vectors, dim: 5}", "c: {use: tower-c}")

    path = vector_graph(tmp_path, towers)
    write_far(tmp_path)
    graph, store = opened(path, hand_made_registry(shared("tower-a", "joint"), shared("tower-c", "joint")))
    with pytest.raises(NoPathError) as caught:
        fit_graph(graph, store)
    assert caught.value.where == f"{path}: target a - c"
    assert "two encoders share" in str(caught.value.got)


def test_the_target_that_fails_is_the_one_that_is_named(
    vector_graph: Writer, tmp_path: Path, hand_made_registry
) -> None:
    """The first target has a shared space too, but it is the second one that nothing joins."""

    def two_targets(text: str) -> str:
        text = split_in_two(text[: text.index("evaluate:")]).replace("[[a, c]]", "[[c, d], [a, d]]")
        text = text.replace("c: {use: vectors, dim: 5}", "c: {use: tower-c}")
        return text.replace("d: {use: vectors, dim: 4}", "d: {use: tower-d}")

    path = vector_graph(tmp_path, two_targets)
    write_far(tmp_path)
    np.save(tmp_path / "far" / "d.npy", np.random.default_rng(5).normal(size=(20, 5)).astype(np.float32))
    graph, store = opened(path, hand_made_registry(shared("tower-c", "joint"), shared("tower-d", "joint")))
    with pytest.raises(NoPathError) as caught:
        fit_graph(graph, store)
    assert caught.value.where == f"{path}: target a - d"
    assert "connected only to" in str(caught.value.got)


def test_a_space_that_no_data_set_holds_is_a_missing_route_too(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text[: text.index("evaluate:")].replace(
        "  second: {use: arrays, path: second}\n", ""))  # fmt: skip
    graph, store = opened(path)
    with pytest.raises(NoPathError) as caught:
        fit_graph(graph, store)
    assert caught.value.got == graph.plan("a", "c").reason
    assert "'c' is isolated" in str(caught.value)


def test_all_targets_need_no_route_between_the_parts(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: split_in_two(text[: text.index("evaluate:")]).replace("[[a, c]]", "all"))
    write_far(tmp_path)
    graph, store = opened(path)
    assert set(fit_graph(graph, store, options={"ridge": 1.0}).spaces) == {"a", "b", "c", "d"}


class Meeting:
    """Where the ranks of one process meet."""

    def __init__(self, world: int) -> None:
        self.barrier = threading.Barrier(world, timeout=30)
        self.values: list[Any] = [None] * world


@dataclass(frozen=True)
class ThreadRank(Runtime):
    """A rank that is a thread."""

    meeting: Any = None

    def all_gather_object(self, value: Any) -> list[Any]:
        self.meeting.values[self.rank] = value
        self.meeting.barrier.wait()
        values = list(self.meeting.values)
        self.meeting.barrier.wait()
        return values

    def all_reduce_sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.copy_(torch.stack(self.all_gather_object(tensor.clone())).sum(0))

    def broadcast(self, value: Any, source: int = 0) -> Any:
        return self.all_gather_object(value)[source]


@pytest.mark.parametrize(
    ("method", "options"),
    [("mox-closed-form", None), ("pcca", {"rank": 3, "shrinkage": 1.0, "features": "identity", "steps": 3}),
     ("pcca", {"rank": 3, "shrinkage": 1.0, "landmarks": 16, "steps": 3})],
)  # fmt: skip
def test_two_ranks_fit_what_one_rank_fits(method: str, options: Any, tiny, tmp_path: Path) -> None:
    graph, store = tiny
    alone = fitted_tensors(fit_graph(graph, store, method=method, options=options), tmp_path / "alone")
    meeting, found = Meeting(2), {}

    def one_rank(rank: int) -> None:
        try:
            own = load_graph(graph.path), EmbeddingStore(store.root)
            runtime = ThreadRank(rank, 2, meeting=meeting)
            binder = fit_graph(*own, method=method, options=options, runtime=runtime)
            found[rank] = fitted_tensors(binder, tmp_path / str(rank))
        except BaseException:
            meeting.barrier.abort()
            raise

    threads = [threading.Thread(target=one_rank, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {0, 1}
    for name, tensor in alone.items():
        assert torch.equal(found[0][name], found[1][name])
        assert torch.allclose(found[0][name].double(), tensor.double(), rtol=1e-4, atol=1e-5), name
