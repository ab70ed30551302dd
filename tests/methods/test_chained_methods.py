"""What cca-chain, pivot, procrustes and relative have in common: routes, hubs, scores, saving, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import ArtifactError, DataError, NoPathError, SelectionError
from anybind.fit_data import FitData
from anybind.methods.cca_chain import CCAChain
from anybind.methods.pivot import Pivot
from anybind.methods.procrustes import Procrustes
from anybind.methods.relative import Relative

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]

SPACES = {"a": 6, "b": 5, "c": 4, "d": 7}
CHANCE = np.mean(1 / np.arange(1, 101))
AUTO = [CCAChain(), CCAChain(pivot_reliability="equal"), Pivot(), Procrustes(), Relative()]
GIVEN = [
    CCAChain(shrinkage=0.1, power=1.0), Pivot(ridge=0.1, whitening=0.1), Procrustes(shrinkage=0.1, rank=4),
    Relative(neighbours=30, power=2.0, whitening=0.1),
]  # fmt: skip


def name_of(method: Any) -> str:
    return type(method).__name__


every_method = pytest.mark.parametrize("method", AUTO, ids=name_of)
given_options = pytest.mark.parametrize("method", GIVEN, ids=name_of)


@pytest.fixture
def datasets(truth: Any) -> dict[str, dict[str, Array]]:
    """A chain a-b, b-c, c-d of 150 rows each."""
    model = truth(0, SPACES, rank=3, reliability=0.9)
    return {f"d{i}": model.draw(150, list(pair), i) for i, pair in enumerate(("ab", "bc", "cd"))}


@every_method
def test_every_pair_of_a_chain_of_three_data_sets_is_bound(
    fit_data: Make, datasets: Any, truth: Any, tensor: Tensor, plain_mrr: MRR, method: Any
) -> None:
    test = truth(0, SPACES, rank=3, reliability=0.9).draw(100, list("abcd"), 9)
    fitted = method.fit(fit_data(datasets))
    for a, b, factor in (("a", "b", 4), ("a", "c", 2), ("a", "d", 2), ("b", "d", 2)):
        scores = fitted.score(a, tensor(test[a]), b, tensor(test[b]))
        assert scores.dtype == torch.float32
        assert plain_mrr(scores) > factor * CHANCE
        torch.testing.assert_close(fitted.score(b, tensor(test[b]), a, tensor(test[a])), scores.T)
        assert scores.abs().max() <= 1 + 1e-5


@given_options
@pytest.mark.parametrize("target", [("a", "b"), ("a", "c"), ("c", "a"), ("a", "d"), ("d", "a")])
def test_every_space_is_embedded_where_the_first_target_meets(
    fit_data: Make, datasets: Any, truth: Any, tensor: Tensor, plain_mrr: MRR, method: Any, target: tuple[str, str]
) -> None:
    test = truth(0, SPACES, rank=3, reliability=0.9).draw(100, list("abcd"), 9)
    fitted = method.fit(fit_data(datasets), targets=[target])
    embedded = {space: fitted.embed(space, tensor(rows)) for space, rows in test.items()}
    assert len({rows.shape for rows in embedded.values()}) == 1
    for rows in embedded.values():
        assert rows.dtype == torch.float32
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(100))
    start, goal = target
    for space in set(SPACES) - {goal}:
        assert plain_mrr(embedded[space] @ embedded[goal].T) > 1.7 * CHANCE
    if target in (("a", "c"), ("c", "a")) or isinstance(method, CCAChain | Procrustes):
        scores = fitted.score(start, tensor(test[start]), goal, tensor(test[goal]))
        torch.testing.assert_close(embedded[start] @ embedded[goal].T, scores, atol=1e-5, rtol=0)


@given_options
def test_only_what_was_asked_for_is_fitted(fit_data: Make, datasets: Any, method: Any) -> None:
    fitted = method.fit(fit_data(datasets), targets=[("a", "c")])
    with pytest.raises(NoPathError) as error:
        fitted.score("b", torch.ones(2, 5), "d", torch.ones(2, 7))
    assert "'b'" in str(error.value.where)
    assert "'d'" in str(error.value.where)


@given_options
def test_a_space_resembles_itself(fit_data: Make, datasets: Any, tensor: Tensor, method: Any) -> None:
    fitted = method.fit(fit_data(datasets))
    rows = tensor(datasets["d0"]["a"][:20])
    assert torch.equal(fitted.score("a", rows, "a", rows).argmax(1), torch.arange(20))


@given_options
@pytest.mark.parametrize("target", [("a", "b"), ("d", "a")])
def test_restored_from_json_and_tensors_exactly(
    fit_data: Make, datasets: Any, tensor: Tensor, method: Any, target: tuple[str, str]
) -> None:
    fitted = method.fit(fit_data(datasets), targets=[target, ("b", "d")])
    restored = type(method).restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    assert restored.config() == fitted.config()
    assert restored.tensors().keys() == fitted.tensors().keys()
    a, d = tensor(datasets["d0"]["a"]), tensor(datasets["d2"]["d"])
    b = tensor(datasets["d0"]["b"])
    assert torch.equal(restored.score("b", b, "d", d), fitted.score("b", b, "d", d))
    assert torch.equal(restored.embed("d", d), fitted.embed("d", d))
    assert torch.equal(restored.embed("a", a), fitted.embed("a", a))


@given_options
def test_tensors_of_the_wrong_shape_are_refused(fit_data: Make, datasets: Any, method: Any) -> None:
    fitted = method.fit(fit_data(datasets), targets=[("a", "c")])
    for name in fitted.tensors():
        if not name.endswith("/mean"):
            broken = {**fitted.tensors(), name: torch.zeros(3, 2, dtype=torch.float64)}
            with pytest.raises(ArtifactError, match="wrong shape"):
                type(method).restore(fitted.config(), broken)


@given_options
def test_fit_leaves_the_method_as_it_was_and_is_repeatable(fit_data: Make, datasets: Any, method: Any) -> None:
    before = method.__class__(**{name: getattr(method, name) for name in option_names(method)})
    data = fit_data(datasets)
    first, second = (method.fit(data, targets=[("a", "c")], seed=3) for _ in range(2))
    assert method == before
    assert first.config() == second.config()
    assert all(torch.equal(tensor, second.tensors()[name]) for name, tensor in first.tensors().items())


def option_names(method: Any) -> set[str]:
    state = {"chain", "chosen", "meeting", "spaces", "memories"}
    return set(method.__dataclass_fields__) - state


@every_method
def test_too_few_rows_to_choose_are_refused(fit_data: Make, method: Any) -> None:
    random = np.random.default_rng(0)
    pairs = (("d1", "ab"), ("d2", "bc"))
    data = fit_data({name: {s: random.normal(size=(12, 5)) for s in pair} for name, pair in pairs})
    with pytest.raises(SelectionError, match="too few"):
        method.fit(data)


@given_options
def test_two_rows_per_data_set_with_given_options(fit_data: Make, method: Any) -> None:
    random = np.random.default_rng(0)
    pairs = (("d1", "ab"), ("d2", "bc"))
    data = fit_data({name: {s: random.normal(size=(2, 5)) for s in pair} for name, pair in pairs})
    assert torch.isfinite(method.fit(data).score("a", torch.randn(3, 5), "c", torch.randn(2, 5))).all()


@pytest.mark.parametrize("method", [*GIVEN, *AUTO], ids=name_of)
@pytest.mark.parametrize("still", ["a", "b"])
def test_a_space_that_does_not_vary_is_refused(fit_data: Make, method: Any, still: str) -> None:
    random = np.random.default_rng(0)
    rows = {space: random.normal(size=(60, 4)) for space in "ab"} | {still: np.full((60, 4), 0.3)}
    with pytest.raises(DataError, match="does not vary"):
        method.fit(fit_data({"d1": rows}))


@given_options
def test_spaces_in_different_parts_have_no_route(fit_data: Make, datasets: Any, method: Any) -> None:
    parts = {"d0": datasets["d0"], "d2": datasets["d2"], "d3": {"e": np.eye(3)}}
    fitted = method.fit(fit_data(parts))
    assert fitted.score("c", torch.randn(2, 4), "d", torch.randn(3, 7)).shape == (2, 3)
    for other, dim in (("c", 4), ("e", 3)):
        with pytest.raises(NoPathError):
            fitted.score("a", torch.ones(2, 6), other, torch.ones(2, dim))
    with pytest.raises(NoPathError):
        fitted.embed("e", torch.ones(2, 3))
    with pytest.raises(NoPathError):
        method.fit(fit_data({"d3": {"e": np.eye(3)}, "d4": {"f": np.eye(3)}}))


@given_options
def test_no_rows_give_no_scores(fit_data: Make, datasets: Any, method: Any) -> None:
    fitted = method.fit(fit_data(datasets), targets=[("a", "c")])
    assert fitted.score("a", torch.zeros(0, 6), "c", torch.ones(3, 4)).shape == (0, 3)
    assert fitted.embed("a", torch.zeros(0, 6)).shape == (0, fitted.embed("c", torch.ones(1, 4)).shape[1])


@given_options
def test_rows_that_miss_a_space_do_not_matter_to_the_pairs(fit_data: Make, datasets: Any, method: Any) -> None:
    """A data set with holes: what is hidden there may be anything."""
    rows = {s: x.copy() for s, x in datasets["d0"].items()}
    present = {"d0": {"b": np.arange(150) < 120}}
    first = method.fit(fit_data({**datasets, "d0": rows}, present=present), targets=[("a", "c")])
    rows["b"][120:] = 1e6
    second = method.fit(fit_data({**datasets, "d0": rows}, present=present), targets=[("a", "c")])
    assert all(torch.equal(tensor, second.tensors()[name]) for name, tensor in first.tensors().items())
