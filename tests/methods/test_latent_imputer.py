"""The imputer: exact where it must be, better than the mean where it should be, and a refusal where it cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from anybind.errors import ArtifactError, DataError, SelectionError, ShapeError, UnknownNameError
from anybind.methods.anchor_shift import anchor_shift, imputed_shift
from anybind.methods.isotropic_latent import Start, em_sweep
from anybind.methods.latent_imputer import LatentImputer
from anybind.methods.pattern_sums import PatternSums

DIMS = {"a": 12, "b": 8, "c": 10, "d": 9}
Rows = dict[str, torch.Tensor]


def views(
    n: int, *, rank: int = 3, noise: float = 0.3, gap: float = 1.0, seed: int = 0, truth: int = 0,
    dims: dict[str, int] | None = None,
) -> Rows:  # fmt: skip
    """n rows of the model itself: loadings and offsets by ``truth``, latents and noise by ``seed``."""
    world, draws = torch.Generator().manual_seed(truth), torch.Generator().manual_seed(1000 + seed)
    z = torch.randn(n, rank, generator=draws, dtype=torch.float64)
    rows = {}
    for space, dim in (dims or DIMS).items():
        loading = torch.randn(dim, rank, generator=world, dtype=torch.float64)
        offset = gap * torch.randn(dim, generator=world, dtype=torch.float64)
        error = noise * torch.randn(n, dim, generator=draws, dtype=torch.float64)
        rows[space] = z @ loading.T + offset + error
    return rows


def shows(n: int, *patterns: str) -> Rows:
    """Row i shows pattern i modulo their number."""
    return {s: torch.tensor([s in patterns[i % len(patterns)] for i in range(n)]) for s in DIMS}


def random_masks(n: int, seed: int, share: float = 0.6) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    return {s: torch.rand(n, generator=generator) < share for s in DIMS}


def relative_error(found: Any, truth: Rows, present: Rows) -> float:
    """Squared error over the missing numbers, in units of that of the mean of the whole space."""
    wrong = sum(float((found[s] - truth[s])[~present[s]].square().sum()) for s in DIMS)
    baseline = sum(float((truth[s].mean(0) - truth[s])[~present[s]].square().sum()) for s in DIMS)
    return wrong / baseline


# ------------------------------------------------------------------- what it imputes


def test_recovery_is_exact_at_low_noise_and_the_true_rank() -> None:
    rows, present = views(400, noise=1e-4), random_masks(400, 0)
    present["a"] |= ~(present["b"] | present["c"] | present["d"])
    found = LatentImputer(rank=3, noise_floor=1e-12, sweeps=200, tolerance=0).fit(rows, present)
    assert relative_error(found.impute(rows, present).mean, rows, present) < 1e-6


def test_recovery_over_a_chain_of_pairs() -> None:
    """a-b, b-c, c-d: a never meets c or d, and yet they are imputed from it."""
    rows, present = views(1500, noise=0.05), shows(1500, "ab", "bc", "cd")
    found = LatentImputer(rank=3, sweeps=300).fit(rows, present)
    test = views(200, noise=0.05, seed=1)
    imputed = found.impute({"a": test["a"]})
    assert relative_error(imputed.mean, test, shows(200, "a")) < 0.05


def test_mean_and_variance_are_gaussian_conditioning_on_the_stack() -> None:
    rows, present = views(120), random_masks(120, 0)
    imputer = LatentImputer(rank=2).fit(rows, present)
    model = imputer.model
    assert model is not None
    loadings = torch.cat([model.loadings[s] for s in DIMS])
    noise = torch.cat([torch.full((dim,), model.noise[s], dtype=torch.float64) for s, dim in DIMS.items()])
    mean, covariance = torch.cat([model.means[s] for s in DIMS]), loadings @ loadings.T + torch.diag(noise)
    found = imputer.impute(rows, present)
    stacked = torch.cat([rows[s] for s in DIMS], dim=1)
    for i in range(120):
        seen = torch.cat([present[s][i].expand(dim) for s, dim in DIMS.items()])
        gain = covariance[~seen][:, seen] @ torch.linalg.inv(covariance[seen][:, seen])
        expected = mean[~seen] + gain @ (stacked[i] - mean)[seen]
        spread = (covariance[~seen][:, ~seen] - gain @ covariance[seen][:, ~seen]).diagonal()
        got = torch.cat([found.mean[s][i] for s in DIMS]), torch.cat([found.variance[s][i] for s in DIMS])
        torch.testing.assert_close(got[0][~seen], expected.float())
        torch.testing.assert_close(got[1][~seen], spread.float())
        torch.testing.assert_close(got[0][seen], stacked[i][seen].float())
        assert (got[1][seen] == 0).all()


def test_variance_is_the_error_that_is_made() -> None:
    rows, present = views(4000), shows(4000, "abcd", "ab", "bc", "cd", "ad")
    imputer = LatentImputer(rank=3).fit(rows, present)
    test = views(4000, seed=1)
    found = imputer.impute({s: test[s] for s in "ab"})
    error = (found.mean["c"] - test["c"]).square().mean(0)
    torch.testing.assert_close(found.variance["c"].mean(0).double(), error, rtol=0.15, atol=0)


def test_posterior_is_pattern_by_pattern_that_of_each_row_alone() -> None:
    rows, present = views(60), random_masks(60, 1)
    imputer = LatentImputer(rank=3).fit(rows, present)
    together = imputer.posterior(rows, present)
    assert sorted(i for numbers in together.rows.values() for i in numbers.tolist()) == list(range(60))
    for pattern, numbers in together.rows.items():
        for i in numbers.tolist():
            own = {s: rows[s][i : i + 1] for s in pattern} or {"a": rows["a"][i : i + 1]}
            hidden = {} if pattern else {"a": torch.tensor([False])}
            alone = imputer.posterior(own, hidden)
            torch.testing.assert_close(together.mean[i], alone.mean[0])
            torch.testing.assert_close(together.covariances[pattern], alone.covariances[pattern])


def test_a_row_that_shows_nothing_gets_the_means() -> None:
    rows = views(100)
    imputer = LatentImputer(rank=3).fit(rows)
    nothing = {s: torch.zeros(1, dtype=torch.bool) for s in DIMS}
    found = imputer.impute({s: x[:1] for s, x in rows.items()}, nothing)
    for s in DIMS:
        torch.testing.assert_close(found.mean[s][0], rows[s].mean(0).float(), rtol=1e-3, atol=1e-3)
        assert (found.variance[s] > imputer.impute({"a": rows["a"][:1]}).variance["b"].min()).all()


@pytest.mark.parametrize("patterns", [("abcd", "ab", "cd"), ("ab", "ac", "ad"), ("ab", "bc", "cd")])
def test_imputation_beats_the_mean_at_any_rank_from_the_true_one_up(patterns: tuple[str, ...]) -> None:
    rows, present = views(900), shows(900, *patterns)
    test, hidden = views(300, seed=1), shows(300, "ab", "bc", "cd", "da")
    for rank in (3, 8):
        imputer = LatentImputer(rank=rank).fit(rows, present)
        assert relative_error(imputer.impute(test, hidden).mean, test, hidden) < 0.25


def test_the_anchor_shift_falls_at_the_true_rank() -> None:
    """Unit rows with a gap between spaces, two of four hidden; it cannot fall with another row's vectors."""
    dims = dict.fromkeys(DIMS, 16)
    unit = {s: torch.nn.functional.normalize(x, dim=1) for s, x in views(2500, dims=dims).items()}
    train, test = ({s: x[part] for s, x in unit.items()} for part in (slice(2000), slice(2000, None)))
    imputer = LatentImputer(rank=3).fit(train, shows(2000, "abcd", "ab", "bc", "cd", "da"))
    hidden = shows(500, "ab", "bc", "cd", "da")
    stack, mask = torch.stack([test[s] for s in DIMS], 1), torch.stack([hidden[s] for s in DIMS], 1)
    completed = imputer.impute(test, hidden).mean
    completed_stack = torch.stack([completed[s] for s in DIMS], 1)
    before, after = anchor_shift(stack, mask).shift.mean(), imputed_shift(stack, completed_stack).mean()
    assert after < 0.6 * before
    permuted = torch.where(mask[:, :, None], stack, completed_stack.roll(1, 0).double())
    assert after < 0.6 * imputed_shift(stack, permuted).mean()


def test_gradient_reaches_what_is_present_only_through_what_it_imputes() -> None:
    rows = {s: x.float().requires_grad_() for s, x in views(50).items()}
    imputer = LatentImputer(rank=3).fit({s: x.detach() for s, x in rows.items()})
    present = shows(50, "ab")
    completed = imputer.complete(rows, present)
    (gradient,) = torch.autograd.grad(completed["c"][0].sum(), [rows["a"]])
    model = imputer.model
    assert model is not None
    matrix = model.gain(("a", "b")).matrix[:, : DIMS["a"]]
    torch.testing.assert_close(gradient[0], (model.loadings["c"] @ matrix).sum(0).float())
    assert (gradient[1:] == 0).all()
    assert not imputer.impute(rows, present).mean["c"].requires_grad


# ------------------------------------------------------------------- the rank


def test_auto_finds_the_rank_that_the_spaces_share() -> None:
    rows, present = views(800, rank=4, noise=0.5), shows(800, "abcd", "ab", "bc", "cd")
    assert LatentImputer().fit(rows, present).rank in (4, 8)


def test_the_choice_sees_what_the_folds_hold_out() -> None:
    """Rows of one fold are near-duplicates; scattered over folds they would reward a rank that learns them by heart."""
    base = views(30, rank=1, noise=0.6, gap=0.0)
    copies = {s: x.repeat_interleave(20, 0) + 1e-3 * torch.randn(600, x.shape[1]) for s, x in base.items()}
    together = torch.arange(30).repeat_interleave(20) % 5
    honest = LatentImputer().fit(copies, folds=together).rank
    assert isinstance(honest, int)
    assert honest <= 2
    scattered = LatentImputer().fit(copies, folds=torch.arange(600) % 5).rank
    assert isinstance(scattered, int)
    assert scattered > honest


def test_a_fold_without_which_the_spaces_fall_apart_judges_nothing() -> None:
    rows, present = views(600), shows(600, "ab", "bc", "cd", "cd", "cd")
    joins = present["b"] & present["c"]
    one_fold = torch.where(joins, 0, 1 + torch.arange(600) % 4)
    assert LatentImputer().fit(rows, present, folds=one_fold).rank in (2, 4, 8)
    with pytest.raises(SelectionError, match="stay joined"):
        LatentImputer().fit(rows, present, folds=torch.where(joins, 0, 1) * (torch.arange(600) % 5 == 0))


def test_too_few_rows_to_choose_by_are_refused() -> None:
    with pytest.raises(SelectionError, match="too few rows"):
        LatentImputer().fit(views(20))
    assert LatentImputer(rank=2).fit(views(20)).rank == 2


@pytest.mark.parametrize("rank", [0, 39])
def test_a_rank_out_of_range_is_refused(rank: int) -> None:
    with pytest.raises(SelectionError, match="rank"):
        LatentImputer(rank=rank).fit(views(100))


# ------------------------------------------------------------------- refusals


@pytest.mark.parametrize("rank", [2, "auto"])
def test_disconnected_spaces_are_refused_by_name(rank: Any) -> None:
    with pytest.raises(DataError, match="no chain of rows") as caught:
        LatentImputer(rank=rank).fit(views(200), shows(200, "ab", "cd"))
    assert caught.value.got == "part 1: a, b; part 2: c, d"


def test_why_they_are_refused() -> None:
    """Forced on parts that nothing joins, it imputes across them no better than the mean; joined, it does."""
    rows = views(2000)
    test, hidden = views(300, seed=1), shows(300, "ab")
    joined = LatentImputer(rank=3).fit(rows, shows(2000, "ab", "cd", "bc"))
    statistics = PatternSums.of(rows, shows(2000, "ab", "cd"))
    model = Start.of(statistics).model(3, 1e-4)
    for _ in range(60):
        model, _ = em_sweep(model, statistics, dict.fromkeys(DIMS, 1e-6))
    apart = LatentImputer(rank=3, model=model)
    assert relative_error(joined.impute(test, hidden).mean, test, hidden) < 0.2
    assert relative_error(apart.impute(test, hidden).mean, test, hidden) > 0.9


def test_a_space_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="no rows") as caught:
        LatentImputer(rank=2).fit(views(100), shows(100, "abc"))
    assert "'d'" in caught.value.where


def test_a_space_that_does_not_vary_is_refused() -> None:
    rows = {**views(100), "c": torch.ones(100, 10)}
    with pytest.raises(DataError, match="does not vary") as caught:
        LatentImputer(rank=2).fit(rows)
    assert "'c'" in caught.value.where


def test_rows_that_do_not_fit_are_refused() -> None:
    rows = views(100)
    imputer = LatentImputer(rank=2).fit(rows)
    with pytest.raises(UnknownNameError):
        imputer.impute({"e": rows["a"]})
    with pytest.raises(ShapeError):
        imputer.impute({"a": rows["b"]})
    with pytest.raises(DataError, match="no rows"):
        imputer.impute({})
    with pytest.raises(DataError, match="not been fitted"):
        LatentImputer().impute(rows)


# ------------------------------------------------------------------- growing and keeping


def test_a_nearly_silent_space_does_not_break_it() -> None:
    """Unit vectors of 64 dims have a variance of 1/64 a dim or less; without rows enough, noise would go to 0."""
    generator = torch.Generator().manual_seed(0)
    rows = {s: torch.nn.functional.normalize(1 + 1e-3 * torch.randn(20, 64, generator=generator), dim=1) for s in "ab"}
    imputer = LatentImputer(rank=24, sweeps=100).fit(rows)
    assert imputer.model is not None
    for s in "ab":
        variance = float(rows[s].double().var(0, correction=0).mean())
        assert imputer.model.noise[s] >= 0.999e-4 * variance
        assert torch.isfinite(imputer.impute({s: rows[s]}).mean["a"]).all()


def test_fitting_in_parts_is_fitting_at_once() -> None:
    rows, present = views(300), random_masks(300, 0)
    first, second = (
        ({s: x[part] for s, x in rows.items()}, {s: m[part] for s, m in present.items()})
        for part in (slice(0, 100), slice(100, 300))
    )
    thorough = LatentImputer(rank=3, sweeps=200, tolerance=1e-12)
    whole, part = thorough.fit(rows, present), thorough.fit(*first)
    expected = whole.impute(rows, present).mean["a"]
    torch.testing.assert_close(part.partial_fit(*second).impute(rows, present).mean["a"], expected, rtol=0, atol=1e-3)
    assert (part.impute(rows, present).mean["a"] - expected).abs().max() > 0.1


def test_forgetting_follows_embeddings_that_drift() -> None:
    old, new, test = views(600), views(600, truth=5), views(200, truth=5, seed=1)
    hidden = shows(200, "ab", "cd")
    imputer = LatentImputer(rank=3).fit(old)
    errors = [
        relative_error(imputer.partial_fit(new, forgetting=f).impute(test, hidden).mean, test, hidden)
        for f in (1.0, 0.1, 0.0)
    ]
    assert errors[0] > 2 * errors[1]
    assert errors[2] <= errors[1] * 1.01
    with pytest.raises(DataError, match="weight"):
        imputer.partial_fit(new, forgetting=1.5)
    with pytest.raises(UnknownNameError):
        imputer.partial_fit({"e": new["a"]})


def test_fitting_changes_neither_the_imputer_nor_the_rows() -> None:
    rows, present = views(100), random_masks(100, 0)
    before = {s: x.clone() for s, x in rows.items()}
    imputer = LatentImputer(rank=2)
    fitted = imputer.fit(rows, present)
    fitted.impute(rows, present)
    assert imputer == LatentImputer(rank=2)
    assert all(torch.equal(rows[s], before[s]) for s in DIMS)
    again = fitted.fit(rows, present)
    assert torch.equal(again.impute(rows, present).mean["a"], fitted.impute(rows, present).mean["a"])


def test_restored_exactly_and_grows_on() -> None:
    rows, present = views(200), random_masks(200, 0)
    imputer = LatentImputer(rank=3).fit(rows, present)
    restored = LatentImputer.restore(json.loads(json.dumps(imputer.config())), imputer.tensors())
    assert restored.config() == imputer.config()
    assert restored.tensors().keys() == imputer.tensors().keys()
    more = views(50, seed=3)
    for s in DIMS:
        assert torch.equal(restored.impute(rows, present).mean[s], imputer.impute(rows, present).mean[s])
        grown = [each.partial_fit(more).impute(more, shows(50, "ab")).mean[s] for each in (restored, imputer)]
        assert torch.equal(*grown)


@pytest.mark.parametrize("name", ["a/loading", "b/mean", "pattern/a,b,c,d/outer"])
def test_a_damaged_state_is_refused(name: str) -> None:
    imputer = LatentImputer(rank=2).fit(views(50))
    tensors = imputer.tensors()
    with pytest.raises(ArtifactError):
        LatentImputer.restore(imputer.config(), {n: t for n, t in tensors.items() if n != name})
    with pytest.raises(ArtifactError):
        LatentImputer.restore(imputer.config(), {**tensors, name: tensors[name][:-1]})
