"""pcca: what it chooses by itself, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import AnybindError, DataError, NoPathError, SelectionError
from anybind.features import FeatureOptions
from anybind.fit_data import FitData
from anybind.methods.joined import largest_rank
from anybind.methods.pcca import PCCA

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]

# ------------------------------------------------------------------------------------- choices


def test_rank_is_chosen_near_the_truth_and_among_what_fits(fit_data: Make, truth: Any) -> None:
    model = truth(4, {"a": 40, "b": 40}, rank=8, reliability=0.9)
    assert PCCA().fit(fit_data({"d": model.draw(800, ["a", "b"], 0)})).rank in (8, 16)
    narrow = truth(4, {"a": 5, "b": 40}, rank=2)
    assert PCCA().fit(fit_data({"d": narrow.draw(300, ["a", "b"], 0)})).rank == 4


def test_options_that_are_given_are_kept(fit_data: Make, chain: Any) -> None:
    data = fit_data(chain[1])
    assert PCCA(rank=2).fit(data).rank == 2
    assert PCCA(shrinkage=0.7).fit(data).shrinkage == 0.7


@pytest.mark.parametrize("rank", [7, 0, -1])
def test_impossible_ranks_are_refused(fit_data: Make, chain: Any, rank: int) -> None:
    data = fit_data({"d2": chain[1]["d2"]})
    assert largest_rank(data.moments) == 6
    with pytest.raises(SelectionError) as error:
        PCCA(rank=rank, shrinkage=1.0).fit(data)
    assert error.value.got == rank
    assert "6" in str(error.value.expected)


def test_a_rank_above_the_number_of_rows_is_refused(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    data = fit_data({"d": {s: random.normal(size=(4, 9)) for s in "ab"}})
    with pytest.raises(SelectionError):
        PCCA(rank=5, shrinkage=1.0).fit(data)


def test_too_few_rows_for_auto_say_so_and_numbers_work(fit_data: Make, truth: Any) -> None:
    model = truth(5, {"a": 6, "b": 6, "c": 6}, rank=2)
    data = fit_data({"d1": model.draw(8, ["a", "b"], 0), "d2": model.draw(8, ["b", "c"], 1)})
    with pytest.raises(SelectionError, match="too few") as error:
        PCCA().fit(data)
    assert "name a method and set its options yourself (features, rank, shrinkage, ridge)" in str(error.value.hint)
    fitted = PCCA(rank=2, shrinkage=1.0).fit(data)
    assert all(torch.isfinite(t).all() for t in fitted.tensors().values())


def test_auto_works_beside_a_data_set_of_two_rows(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    """Leaving out a fold can leave a tiny data set without rows; that fold is not used."""
    rows = chain[1]
    random = np.random.default_rng(0)
    for seed in range(5):
        data = fit_data({**rows, "d3": {"c": random.normal(size=(2, 6)), "e": random.normal(size=(2, 3))}}, seed=seed)
        scores = PCCA().fit(data).score("a", tensor(rows["d1"]["a"][:5]), "e", torch.ones(3, 3))
        assert torch.isfinite(scores).all()


@pytest.mark.parametrize(("signals", "rank"), [(16, 16), (1, 4)])
def test_without_shared_rows_choices_go_by_likelihood(
    fit_data: Make, truth: Any, signals: int, rank: int
) -> None:
    model = truth(6, {"a": 24, "b": 24}, rank=signals, reliability=0.8)
    data = fit_data({"d": model.draw(500, ["a", "b"], 0)})
    assert PCCA().fit(FitData(data.moments, {}, data.inputs)).rank == rank


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("place", ["a", "b"])
@pytest.mark.parametrize("seed", range(6))
def test_a_space_that_does_not_vary_is_an_error(fit_data: Make, place: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = {s: random.normal(size=(60, 5)) for s in "ab"}
    rows[place] = np.repeat(rows[place][:1], 60, axis=0)
    with pytest.raises(DataError, match="does not vary") as error:
        PCCA(rank=2, shrinkage=1.0).fit(fit_data({"d": rows}))
    assert place in str(error.value.where)


def test_rows_that_never_meet_are_an_error(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    data = fit_data({"d1": {"a": random.normal(size=(40, 3))}, "d2": {"b": random.normal(size=(40, 3))}})
    with pytest.raises(NoPathError):
        PCCA().fit(data)


def test_spaces_that_no_chain_joins_are_not_compared(fit_data: Make, truth: Any, tensor: Tensor) -> None:
    """Also when the two parts look so alike that their latent directions could be mixed up."""
    model = truth(7, {"a": 5, "b": 5}, rank=2)
    rows = model.draw(200, ["a", "b"], 0)
    alone = np.random.default_rng(0).normal(size=(50, 4))
    data = fit_data({"d1": rows, "d2": {"c": rows["a"], "d": rows["b"]}, "d3": {"e": alone}})
    fitted = PCCA(rank=2, shrinkage=1.0).fit(data)
    restored = PCCA.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    for binder in (fitted, restored):
        assert binder.score("c", tensor(rows["a"]), "d", tensor(rows["b"])).shape == (200, 200)
        for other, x in (("c", rows["a"]), ("d", rows["b"]), ("e", alone)):
            with pytest.raises(NoPathError) as error:
                binder.score("a", tensor(rows["a"]), other, tensor(x))
            assert other in str(error.value.where)


@pytest.mark.parametrize("rows", [2, 30])
def test_a_space_that_is_never_paired_is_left_out(fit_data: Make, chain: Any, tensor: Tensor, rows: int) -> None:
    alone = {"d3": {"e": np.random.default_rng(0).normal(size=(rows, 4))}}
    with_it, without = PCCA().fit(fit_data({**chain[1], **alone})), PCCA().fit(fit_data(chain[1]))
    assert with_it.tensors().keys() == without.tensors().keys()
    assert all(torch.equal(t, without.tensors()[name]) for name, t in with_it.tensors().items())
    with pytest.raises(NoPathError) as error:
        with_it.embed("e", torch.ones(2, 4))
    assert "'e'" in str(error.value.where)


def test_kernel_features_do_not_magnify_rounding(fit_data: Make) -> None:
    """Rows that differ by the rounding of float32 do not vary, whatever features are made of them."""
    random = np.random.default_rng(0)
    rows = {"a": 1e7 + random.normal(size=(60, 6)), "b": random.normal(size=(60, 6))}
    data = fit_data({"d": rows}, normalise=True, features=FeatureOptions())
    with pytest.raises(DataError, match="does not vary") as error:
        PCCA(rank=1, shrinkage=1.0).fit(data)
    assert "'a'" in str(error.value.where)


@pytest.mark.parametrize("options", [{"rank": 1, "shrinkage": 0.0}, {"rank": 4, "shrinkage": 0.0}, {}])
@pytest.mark.parametrize("case", ["duplicates", "identical spaces", "noiseless", "one-hot", "few rows"])
def test_odd_but_legal_data_fits_or_explains_itself(
    fit_data: Make, tensor: Tensor, case: str, options: dict[str, Any]
) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 6))
    rows = {
        "duplicates": {s: np.repeat(random.normal(size=(5, 6)), 16, axis=0) for s in "ab"},
        "identical spaces": {"a": x, "b": x},
        "noiseless": {"a": x, "b": x @ random.normal(size=(6, 6))},
        "one-hot": {s: np.eye(6)[random.integers(0, 6, 80)] for s in "ab"},
        "few rows": {s: random.normal(size=(5, 30)) for s in "ab"},
    }[case]
    explained = None
    try:
        fitted = PCCA(**options).fit(fit_data({"d": rows}))
    except AnybindError as error:  # of any other kind it fails the test
        explained = error.hint or error.expected
    if explained is None:
        scores = fitted.score("a", tensor(rows["a"]), "b", tensor(rows["b"]))
        assert torch.isfinite(scores).all()
        if case in ("identical spaces", "noiseless") and options.get("rank") != 1:
            assert (scores.argmax(1) == torch.arange(80)).float().mean() > 0.9
    else:
        assert case == "few rows" or options.get("shrinkage") == 0
