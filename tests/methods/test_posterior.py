"""posterior: fusion, imputation and uncertainty, against brute-force conditioning of the joint Gaussian."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import AnybindError, NoPathError, ShapeError, UsageError
from anybind.fit_data import FitData
from anybind.methods.latent import LatentModel, Start, run_em
from anybind.methods.latent_space import LatentSpace
from anybind.methods.pcca import PCCA
from anybind.methods.posterior import imputed, posterior_of
from anybind.methods.principal import PrincipalAxes

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
DIMS = {"a": 5, "b": 4, "c": 6}


class Gaussian:
    """A latent model with known parameters, as the method keeps it and as one joint Gaussian of z and all spaces."""

    def __init__(self, seed: int, rank: int = 3) -> None:
        random = np.random.default_rng(seed)
        roots = {s: random.normal(size=(d, d + 3)) for s, d in DIMS.items()}
        self.loadings = {s: random.normal(size=(d, rank)) for s, d in DIMS.items()}
        self.noise = {s: r @ r.T / 3 for s, r in roots.items()}
        self.means = {s: random.normal(size=d) for s, d in DIMS.items()}
        self.rank = rank

    def spaces(self) -> dict[str, LatentSpace]:
        model = LatentModel(
            {s: torch.tensor(w) for s, w in self.loadings.items()}, {s: torch.tensor(p) for s, p in self.noise.items()}
        )
        result = {}
        for s, d in DIMS.items():
            axes = PrincipalAxes(torch.eye(d, dtype=torch.float64), torch.zeros(d, dtype=torch.float64))
            result[s] = LatentSpace.of(model, s, axes, torch.tensor(self.means[s]))
        return result

    def covariance(self, s: str, t: str) -> Array:
        """Of two spaces, or of a space and z."""
        w, v = (np.eye(self.rank) if x == "z" else self.loadings[x] for x in (s, t))
        return w @ v.T + (self.noise[s] if s == t != "z" else 0)

    def condition(self, goal: str, row: Mapping[str, Array]) -> tuple[Array, Array]:
        """Mean and covariance of a space (or z) given some spaces of one row."""
        given = np.block([[self.covariance(s, t) for t in row] for s in row])
        cross = np.hstack([self.covariance(goal, s) for s in row])
        x = np.concatenate([row[s] - self.means[s] for s in row])
        gain = cross @ np.linalg.inv(given)
        mean = gain @ x + (0 if goal == "z" else self.means[goal])
        return mean, self.covariance(goal, goal) - gain @ cross.T


@pytest.fixture(scope="module")
def known() -> Gaussian:
    return Gaussian(0)


def shown_in(i: int) -> list[str]:
    return [["a"], ["b", "c"], ["a", "b", "c"], ["c"]][i % 4]


@pytest.fixture(scope="module")
def holes() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Eight rows with four patterns of presence; what is missing is NaN."""
    random = np.random.default_rng(1)
    rows = {s: torch.tensor(random.normal(size=(8, d))) for s, d in DIMS.items()}
    present = {s: torch.tensor([s in shown_in(i) for i in range(8)]) for s in DIMS}
    for s, mask in present.items():
        rows[s][~mask] = torch.nan
    return rows, present


def test_the_posterior_is_that_of_the_joint_gaussian_for_any_pattern(known: Gaussian, holes: Any) -> None:
    rows, present = holes
    posterior = posterior_of(known.spaces(), rows, present)
    assert len(posterior.covariances) == 4
    for i in range(8):
        mean, covariance = known.condition("z", {s: rows[s][i].numpy() for s in shown_in(i)})
        np.testing.assert_allclose(posterior.mean[i], mean, atol=1e-9)
        np.testing.assert_allclose(posterior.covariances[posterior.pattern[i]], covariance, atol=1e-9)
        assert posterior.uncertainty[i].item() == pytest.approx(np.trace(covariance) / 3)


def test_imputation_is_that_of_the_joint_gaussian_for_any_pattern(known: Gaussian, holes: Any) -> None:
    rows, present = holes
    filled = imputed(known.spaces(), "b", rows, present)
    assert filled.mean.dtype == filled.variance.dtype == torch.float32
    for i in range(8):
        if "b" in shown_in(i):
            np.testing.assert_array_equal(filled.mean[i], rows["b"][i].float())
            assert not filled.variance[i].any()
        else:
            mean, covariance = known.condition("b", {s: rows[s][i].numpy() for s in shown_in(i)})
            np.testing.assert_allclose(filled.mean[i], mean, atol=1e-5)
            np.testing.assert_allclose(filled.variance[i], np.diag(covariance), rtol=1e-5)


def test_more_spaces_never_know_less(known: Gaussian) -> None:
    spaces, rows = known.spaces(), {s: torch.zeros(1, d) for s, d in DIMS.items()}
    shown = [{s: rows[s] for s in names} for names in ("a", "ab", "abc")]
    uncertainties = [posterior_of(spaces, each).uncertainty.item() for each in shown]
    assert 1 > uncertainties[0] > uncertainties[1] > uncertainties[2] > 0


def test_a_row_that_shows_nothing_has_the_prior(known: Gaussian) -> None:
    missing = {"a": torch.tensor([False])}
    posterior = posterior_of(known.spaces(), {"a": torch.full((1, 5), torch.nan)}, missing)
    assert not posterior.mean.any()
    assert posterior.uncertainty.tolist() == [1]
    filled = imputed(known.spaces(), "c", {"a": torch.zeros(1, 5)}, missing)
    np.testing.assert_allclose(filled.mean[0], known.means["c"], rtol=1e-5)
    np.testing.assert_allclose(filled.variance[0], np.diag(known.covariance("c", "c")), rtol=1e-5)


def test_no_rows_give_no_rows(known: Gaussian) -> None:
    rows = {"a": torch.zeros(0, 5), "b": torch.zeros(0, 4)}
    assert posterior_of(known.spaces(), rows).mean.shape == (0, 3)
    assert imputed(known.spaces(), "c", rows).variance.shape == (0, 6)


# ------------------------------------------------------------------------------------- the fitted method


def test_fused_and_imputed_rows_are_those_of_the_fitted_model(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    """Rebuilt by brute force from the model's own covariances, in the coordinates the rows came in."""
    world, rows = chain
    data = fit_data(rows)
    fitted = PCCA(rank=3, shrinkage=0.0, steps=10, trust={}).fit(data)
    groups = data.moments.groups()  # no direction is dropped, and EM does not care which way the axes lie
    em = run_em(Start.of(groups).model(3), groups, 0.0, 10)
    joint, means = Gaussian(0), {s: fitted.spaces[s].encode.mean.numpy() for s in "abc"}
    joint.loadings = {s: w.numpy() for s, w in em.loadings.items()}
    joint.noise, joint.means = {s: p.numpy() for s, p in em.noise.items()}, means
    test = world.draw(5, list("abc"), 9)
    filled = fitted.impute("c", {s: tensor(test[s]) for s in "ab"})
    for i in range(5):
        mean, covariance = joint.condition("c", {s: test[s][i] for s in "ab"})
        np.testing.assert_allclose(filled.mean[i], mean, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(filled.variance[i], np.diag(covariance), rtol=1e-4)


def test_one_space_fused_is_its_embedding(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    world, rows = chain
    fitted = PCCA(rank=3, shrinkage=1.0).fit(fit_data(rows))
    test = {"a": tensor(world.draw(9, ["a"], 3)["a"])}
    torch.testing.assert_close(fitted.fuse(test), fitted.embed("a", test["a"]), atol=1e-5, rtol=1e-5)
    expected = 1 - fitted.spaces["a"].reliability.trace() / 3
    as_fitted = replace(fitted, trust={}).uncertainty(test)
    torch.testing.assert_close(as_fitted, expected.float().expand(9))
    assert (fitted.uncertainty(test) >= as_fitted).all()


def test_two_readings_fused_find_the_third_better_than_either(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any
) -> None:
    world = truth(3, dict.fromkeys("abc", 10), rank=5, reliability=0.8)
    fitted = PCCA(rank=5, shrinkage=0.3).fit(fit_data({"d": world.draw(1500, list("abc"), 0)}))
    test = {s: tensor(x) for s, x in world.draw(200, list("abc"), 1).items()}
    goal = fitted.embed("c", test["c"])

    def found_from(*spaces: str) -> float:
        latent = fitted.fuse({s: test[s] for s in spaces})
        return float(plain_mrr(torch.nn.functional.normalize(latent, dim=1) @ torch.nn.functional.normalize(goal).T))

    assert found_from("a", "b") > max(found_from("a"), found_from("b")) + 0.05


@pytest.mark.parametrize("dims", [384, 5])
def test_intervals_cover_what_they_should(fit_data: Make, truth: Any, tensor: Tensor, dims: int) -> None:
    """90 % intervals of rows from the model hold about 90 % of the true values, per dim too; also across the bridge."""
    world = truth(2, {"a": 8, "b": 8, "c": 8}, rank=3, reliability=0.7)
    data = fit_data({"d1": world.draw(5000, ["a", "b"], 0), "d2": world.draw(5000, ["b", "c"], 1)})
    fitted = PCCA(rank=3, shrinkage=0.0, dims=dims, steps=60).fit(data)
    test = world.draw(4000, list("abc"), 2)
    for goal, given in (("a", "b"), ("c", "a"), ("c", "ab")):
        filled = fitted.impute(goal, {s: tensor(test[s]) for s in given})
        inside = (torch.tensor(test[goal]) - filled.mean).abs() < 1.645 * filled.variance.sqrt()
        assert 0.87 < inside.double().mean() < 0.93
        assert 0.85 < inside.double().mean(0).min() <= inside.double().mean(0).max() < 0.95


@pytest.mark.parametrize("rows", [60, 150])
def test_intervals_of_a_fit_to_few_rows_cover_too(fit_data: Make, truth: Any, tensor: Tensor, rows: int) -> None:
    """The fit takes noise for signal; held-out rows tell how much, and what is imputed and how sure it is allow for it.

    One space or two, direct or over the bridge.
    """
    world = truth(2, dict.fromkeys("abc", 20), rank=3, reliability=0.7)
    data = fit_data({"d1": world.draw(rows, ["a", "b"], 0), "d2": world.draw(rows, ["b", "c"], 1)})
    fitted = PCCA(rank=3, shrinkage=0.1).fit(data)
    test = world.draw(2000, list("abc"), 2)

    def measured(method: PCCA, goal: str, given: str) -> tuple[float, float]:
        filled = method.impute(goal, {s: tensor(test[s]) for s in given})
        error = (torch.tensor(test[goal]) - filled.mean).double()
        return float((error.abs() < 1.645 * filled.variance.sqrt()).double().mean()), float(error.square().mean())

    for goal, given in (("a", "b"), ("b", "a"), ("c", "a"), ("c", "ab")):
        covered, error = measured(fitted, goal, given)
        careless, worse = measured(replace(fitted, trust={}), goal, given)
        assert 0.87 < covered < 0.93
        assert abs(covered - 0.9) < abs(careless - 0.9)
        assert error < worse


@pytest.mark.parametrize(
    ("reliability", "low", "high"), [((0.9, 0.5, 0.9), 0.91, 0.96), ((0.5, 0.95, 0.5), 0.85, 0.895)]
)
def test_what_no_data_tell_shifts_the_coverage_over_a_bridge_a_little(
    fit_data: Make, truth: Any, tensor: Tensor, reliability: tuple[float, ...], low: float, high: float
) -> None:
    """Two hops do not say whether the pivot or its neighbours are noisy; direct intervals do not care."""
    world = truth(2, dict.fromkeys("abc", 8), rank=3, reliability=dict(zip("abc", reliability, strict=True)))
    data = fit_data({"d1": world.draw(5000, ["a", "b"], 0), "d2": world.draw(5000, ["b", "c"], 1)})
    fitted = PCCA(rank=3, shrinkage=0.0, steps=60).fit(data)
    test = world.draw(4000, list("abc"), 2)
    for goal, given, least, most in (("a", "b", 0.88, 0.92), ("c", "a", low, high)):
        filled = fitted.impute(goal, {given: tensor(test[given])})
        inside = (torch.tensor(test[goal]) - filled.mean).abs() < 1.645 * filled.variance.sqrt()
        assert least < inside.double().mean() < most


def test_spaces_of_different_quality_fuse_by_their_precision(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any
) -> None:
    """With rows that miss some: better than the best space alone, on average over what is looked for."""
    quality = {"a": 0.9, "b": 0.6, "c": 0.75}
    world = truth(4, dict.fromkeys("abc", 16), rank=6, reliability=quality)
    pairs = {f"{x}{y}": world.draw(400, [x, y], i) for i, (x, y) in enumerate(("ab", "bc", "ac"))}
    fitted = PCCA(rank=6, shrinkage=0.3).fit(fit_data(pairs))
    test = {s: tensor(x) for s, x in world.draw(300, list("abc"), 9).items()}
    gains = []
    for goal in "abc":
        goals = torch.nn.functional.normalize(fitted.embed(goal, test[goal]), dim=1)

        def found(rows: Any, present: Any = None, goals: torch.Tensor = goals) -> float:
            return float(plain_mrr(torch.nn.functional.normalize(fitted.fuse(rows, present), dim=1) @ goals.T))

        others = {s: test[s] for s in "abc" if s != goal}
        best = max(others, key=lambda s: found({s: test[s]}))
        other = next(s for s in others if s != best)
        some = torch.arange(300) % 3 > 0
        holes = others | {other: torch.where(some[:, None], test[other], torch.nan)}
        alone, both, partly = found({best: test[best]}), found(others), found(holes, {other: some})
        gains.append((partly - alone, both - alone))
    few, many = np.mean(gains, axis=0)
    assert 0.005 < few < many
    assert many > 0.015


def test_a_space_that_was_fitted_to_few_rows_does_not_outvote_another(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any
) -> None:
    """In-sample it looks as good as any."""
    world = truth(0, {"a": 40, "b": 16, "c": 16}, rank=6, reliability={"a": 0.4, "b": 0.8, "c": 0.8})
    data = fit_data({"d1": world.draw(80, ["a", "b"], 0), "d2": world.draw(2000, ["b", "c"], 1)})
    fitted = PCCA(rank=6, shrinkage=0.1).fit(data)
    test = {s: tensor(x) for s, x in world.draw(300, list("abc"), 9).items()}
    goals = torch.nn.functional.normalize(fitted.embed("c", test["c"]), dim=1)

    def found(method: PCCA, *shown: str) -> float:
        fused = method.fuse({s: test[s] for s in shown})
        return float(plain_mrr(torch.nn.functional.normalize(fused, dim=1) @ goals.T))

    assert found(replace(fitted, trust={}), "a", "b") < found(fitted, "b") - 0.02
    assert found(fitted, "a", "b") > found(fitted, "b") - 0.005


def test_the_trust_of_a_fit_is_kept_and_taken_on(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    world, rows = chain
    data = fit_data({name: {s: x[:100] for s, x in each.items()} for name, each in rows.items()})
    fitted = PCCA(rank=3, shrinkage=0.1).fit(data)
    assert fitted.trust is not None
    assert all(0 < share < 1 for share in fitted.trust.values())
    again = PCCA.restore(fitted.config(), fitted.tensors())
    shown = {s: tensor(x) for s, x in world.draw(5, ["a", "b"], 9).items()}
    assert torch.equal(again.fuse(shown), fitted.fuse(shown))
    for space, vectors in shown.items():
        torch.testing.assert_close(fitted.fuse({space: vectors}), fitted.embed(space, vectors), atol=1e-5, rtol=1e-4)
    assert fitted.settled().fit(data).trust == fitted.trust
    assert PCCA(rank=3, shrinkage=0.1).fit_moments(data.moments).trust == {}
    more = fit_data({"d3": world.draw(200, ["c", "a"], 7) | {"e": np.random.default_rng(0).normal(size=(200, 3))}})
    grown = fitted.partial_fit(data.moments.merge(more.moments))
    assert grown.trust == dict(fitted.trust) | {"e": min(fitted.trust.values())}


def test_imputation_beats_the_mean_and_its_variance_says_by_how_much(
    fit_data: Make, chain: Any, tensor: Tensor
) -> None:
    world, rows = chain
    fitted = PCCA(rank=3, shrinkage=0.0, steps=40).fit(fit_data(rows))
    test = world.draw(2000, ["a", "c"], 9)
    filled = fitted.impute("c", {"a": tensor(test["a"])})
    error = ((torch.tensor(test["c"]) - filled.mean) ** 2).mean().item()
    assert error < 0.85 * ((test["c"] - test["c"].mean(0)) ** 2).mean()
    assert filled.variance.mean().item() == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: m.fuse({}), UsageError),
        (lambda m: m.fuse({"a": torch.zeros(2, 7)}), ShapeError),
        (lambda m: m.fuse({"a": torch.zeros(2, 8), "b": torch.zeros(3, 7)}), ShapeError),
        (lambda m: m.fuse({"a": torch.zeros(2, 8)}, {"a": torch.ones(3)}), ShapeError),
        (lambda m: m.fuse({"a": torch.zeros(2, 8)}, {"b": torch.ones(2)}), UsageError),
        (lambda m: m.uncertainty({"e": torch.zeros(2, 8)}), NoPathError),
        (lambda m: m.impute("e", {"a": torch.zeros(2, 8)}), NoPathError),
        (lambda m: m.impute("x", {"a": torch.zeros(2, 8)}), NoPathError),
    ],
)
def test_what_does_not_fit_is_refused(fit_data: Make, chain: Any, call: Any, error: type[AnybindError]) -> None:
    apart = {s: np.random.default_rng(0).normal(size=(30, 4)) for s in "xy"}
    fitted = PCCA(rank=3, shrinkage=1.0).fit(fit_data({**chain[1], "d3": apart}))
    with pytest.raises(error) as raised:
        call(fitted)
    assert raised.value.where or raised.value.got
