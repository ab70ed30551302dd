"""``auto``: what scores and why, that its scores do not depend on the batch, and what it delegates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anybind.errors import ArtifactError, NoPathError, SelectionError, UsageError
from anybind.fit_data import FitData
from anybind.methods.auto import Auto
from anybind.methods.cca_chain import CCAChain
from anybind.methods.choice import largest_rank
from anybind.methods.pcca import PCCA

Make = Callable[..., FitData]
Mrr = Callable[[Any], float]
PLAIN: dict[str, Any] = {"features": "identity"}
AVERAGE: dict[str, Any] = {**PLAIN, "combine": "average", "tolerance": 1.0}
AC = [("a", "c")]
ROUTES = {("a", "c"): [("a", "b", "c")]}


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    """A bridge and its test: one meaning, a noisy pivot."""
    random = np.random.default_rng(0)
    views = {s: random.normal(size=(6, 12)) for s in "abc"}

    def draw(n: int, spaces: str) -> dict[str, np.ndarray]:
        meaning = random.normal(size=(n, 6))
        return {s: meaning @ views[s] + random.normal(size=(n, 12)) for s in spaces}

    return {"train": {"d1": draw(150, "ab"), "d2": draw(150, "bc")}, "test": draw(80, "ac")}


@pytest.fixture
def fitted(rows: dict[str, Any], fit_data: Make) -> Auto:
    return Auto(**AVERAGE).fit(fit_data(rows["train"]), targets=AC, routes=ROUTES)


def test_members_are_averaged_and_bind(fitted: Auto, rows: dict[str, Any], tensor: Any, plain_mrr: Mrr) -> None:
    test = {s: tensor(v) for s, v in rows["test"].items()}
    assert set(fitted.members) == {"pcca", "cca-chain"}
    tables = [m.score("a", test["a"], "c", test["c"]) for m in fitted.members.values()]
    table = fitted.score("a", test["a"], "c", test["c"])
    spreads = [fitted.spreads["a", "c"][name] for name in fitted.members]
    scaled = [(t - s.mean) / s.deviation for t, s in zip(tables, spreads, strict=True)]
    torch.testing.assert_close(table, (scaled[0] + scaled[1]) / 2)
    assert plain_mrr(table) > 0.9 * max(map(plain_mrr, tables)) > 5 * plain_mrr(torch.zeros(80, 80))
    torch.testing.assert_close(fitted.score("c", test["c"], "a", test["a"]), table.T)


def test_unrelated_training_rows_score_zero_on_average(fitted: Auto, rows: dict[str, Any], tensor: Any) -> None:
    table = fitted.score("a", tensor(rows["train"]["d1"]["a"]), "c", tensor(rows["train"]["d2"]["c"]))
    assert abs(float(table.mean())) < 0.02
    assert float(table.std()) < 1.05


def test_a_score_does_not_depend_on_its_batch(fitted: Auto, rows: dict[str, Any], tensor: Any) -> None:
    a, c = tensor(rows["test"]["a"]), tensor(rows["test"]["c"])
    whole = fitted.score("a", a, "c", c)
    torch.testing.assert_close(fitted.score("a", a[3:5], "c", c[7:8]), whole[3:5, 7:8], rtol=1e-4, atol=1e-5)


def test_a_method_that_retrieves_held_out_rows_worse_is_left_out(fit_data: Make) -> None:
    """Half of the dims are strong nuisance in one space: only a model of the noise sees past it at this size."""
    random = np.random.default_rng(1)
    views = {s: random.normal(size=(8, 40)) for s in "ab"}
    meaning = random.normal(size=(400, 8))
    nuisance = {s: 8 * random.normal(size=(400, 12)) @ random.normal(size=(12, 40)) for s in "ab"}
    train = {s: meaning @ views[s] + nuisance[s] + random.normal(size=(400, 40)) for s in "ab"}
    data = fit_data({"d": train})
    fitted = Auto(**PLAIN, combine="average").fit(data)
    assert fitted.quality["pcca"] > 1.03 * fitted.quality["cca-chain"]
    assert fitted.scoring == ("pcca",) == Auto(**PLAIN).fit(data).scoring
    assert list(fitted.members) == ["pcca"]


@pytest.mark.parametrize("methods", [["pcca", "cca-chain"], ["cca-chain", "pcca"]])
def test_of_methods_that_held_out_rows_cannot_tell_apart_the_first_scores(
    methods: list[str], rows: dict[str, Any], fit_data: Make, tensor: Any
) -> None:
    """Of this bridge the two are within three percent."""
    fitted = Auto(**PLAIN, methods=methods, tolerance=0.1).fit(fit_data(rows["train"]), targets=AC, routes=ROUTES)
    low, high = sorted(fitted.quality.values())
    assert low > 0.9 * high
    assert fitted.scoring == (methods[0],)
    a, c = tensor(rows["test"]["a"]), tensor(rows["test"]["c"])
    assert torch.equal(fitted.score("a", a, "c", c), fitted.members[methods[0]].score("a", a, "c", c))
    own = torch.nn.functional.normalize(fitted.members[methods[0]].embed("a", a), dim=1)
    torch.testing.assert_close(fitted.embed("a", a), own)
    shown: Any = fitted.members["pcca"]
    assert torch.equal(fitted.impute("c", {"a": a}).mean, shown.impute("c", {"a": a}).mean)


def test_the_held_out_number_is_what_new_rows_find(fit_data: Make, tensor: Any, plain_mrr: Mrr) -> None:
    random = np.random.default_rng(2)
    views = {s: random.normal(size=(4, 10)) for s in "ab"}

    def draw(n: int) -> dict[str, np.ndarray]:
        meaning = random.normal(size=(n, 4))
        return {s: meaning @ v + 2 * random.normal(size=(n, 10)) for s, v in views.items()}

    fitted = Auto(**PLAIN, methods=["pcca"]).fit(fit_data({"d": draw(300)}))
    new = [draw(60) for _ in range(20)]
    truth = np.mean([plain_mrr(fitted.score("a", tensor(r["a"]), "b", tensor(r["b"]))) for r in new])
    assert fitted.quality["pcca"] == pytest.approx(truth, abs=0.1)


def test_a_rank_that_is_too_high_for_fewer_rows_is_chosen_again(
    fit_data: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(3)
    meaning = random.normal(size=(60, 5))
    data = fit_data({"d": {s: meaning @ random.normal(size=(5, 80)) for s in "ab"}})
    highest = largest_rank(data.moments)
    assert highest > largest_rank(data.without_fold(0).moments)
    monkeypatch.setattr(PCCA, "settled", lambda self: PCCA(**PLAIN, rank=highest, shrinkage=1.0))
    assert Auto(**PLAIN, methods=["pcca"]).fit(data).quality["pcca"] > 0.5


def test_what_is_saved_is_enough(fitted: Auto, rows: dict[str, Any], tensor: Any) -> None:
    again = Auto.restore(fitted.config(), fitted.tensors())
    a, c = tensor(rows["test"]["a"]), tensor(rows["test"]["c"])
    assert torch.equal(again.score("a", a, "c", c), fitted.score("a", a, "c", c))
    assert torch.equal(again.embed("a", a), fitted.embed("a", a))
    assert again.config() == fitted.config()
    config = {**fitted.config(), "members": {"magic": {}}}
    with pytest.raises(ArtifactError, match="unknown"):
        Auto.restore(config, {})


def test_embedded_rows_have_unit_length_and_find_each_other(
    fitted: Auto, rows: dict[str, Any], tensor: Any, plain_mrr: Mrr
) -> None:
    a, c = (fitted.embed(s, tensor(rows["test"][s])) for s in "ac")
    torch.testing.assert_close(a.norm(dim=1), torch.ones(80))
    assert plain_mrr(a @ c.T) > 5 * plain_mrr(torch.zeros(80, 80))


def test_the_method_that_scores_fuses_and_pcca_imputes(rows: dict[str, Any], fit_data: Make, tensor: Any) -> None:
    shown = {"a": tensor(rows["test"]["a"])}
    both = Auto(**PLAIN, tolerance=1.0).fit(fit_data(rows["train"]), targets=AC, routes=ROUTES)
    pcca, chain = (both.members[name] for name in ("pcca", "cca-chain"))
    assert both.scoring == ("cca-chain",)
    assert torch.equal(both.impute("c", shown).mean, pcca.impute("c", shown).mean)  # type: ignore[attr-defined]
    assert torch.equal(both.uncertainty(shown), chain.uncertainty(shown))  # type: ignore[attr-defined]
    torch.testing.assert_close(both.fuse(shown), both.embed("a", shown["a"]), rtol=1e-4, atol=1e-5)


def test_an_average_of_several_cannot_fuse(fitted: Auto, rows: dict[str, Any], tensor: Any) -> None:
    shown = {"a": tensor(rows["test"]["a"])}
    for ask in (fitted.fuse, fitted.uncertainty):
        with pytest.raises(UsageError, match="no one method that can"):
            ask(shown)


def test_without_the_latent_model_nothing_is_imputed(rows: dict[str, Any], fit_data: Make, tensor: Any) -> None:
    alone = Auto(**PLAIN, methods=["cca-chain"]).fit(fit_data(rows["train"]), targets=AC, routes=ROUTES)
    with pytest.raises(UsageError, match="has no method with a model"):
        alone.impute("c", {"a": tensor(rows["test"]["a"])})


@pytest.mark.parametrize("methods", [[], ["pcca", "magic"]])
def test_methods_it_does_not_know_are_refused(methods: list[str], rows: dict[str, Any], fit_data: Make) -> None:
    wrong = Auto(**PLAIN, methods=methods or ["none"])
    with pytest.raises(UsageError, match="needs methods that it knows"):
        wrong.fit(fit_data(rows["train"]), targets=AC, routes=ROUTES)


def test_a_pair_that_was_no_target_is_refused(fitted: Auto, rows: dict[str, Any], tensor: Any) -> None:
    b = tensor(rows["train"]["d1"]["b"])
    with pytest.raises(NoPathError):
        fitted.score("a", tensor(rows["test"]["a"]), "b", b)


def test_too_few_rows_to_judge_by_are_refused(fit_data: Make) -> None:
    rows = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(SelectionError, match="too few paired rows"):
        Auto(**PLAIN).fit(fit_data({"d": {"a": rows, "b": rows}}))


def test_where_data_sets_are_shifted_all_centre_as_pcca_does(fit_data: Make, tensor: Any, plain_mrr: Mrr) -> None:
    """The items of the second data set lie elsewhere: c's own mean is not that of the items asked about."""
    random = np.random.default_rng(0)
    views = {s: random.normal(size=(8, 20)) for s in "abc"}

    def draw(n: int, spaces: str, shift: float) -> dict[str, np.ndarray]:
        meaning = random.normal(size=(n, 8)) + shift
        return {s: meaning @ views[s] + random.normal(size=(n, 20)) for s in spaces}

    data = fit_data({"d1": draw(1500, "ab", 0.0), "d2": draw(1500, "bc", 3.0)})
    test = {s: tensor(v) for s, v in draw(100, "ac", 0.0).items()}
    fitted = Auto(**AVERAGE).fit(data, targets=AC, routes=ROUTES)
    alone = CCAChain(**PLAIN).fit(data, targets=AC, routes=ROUTES)
    before, after = (
        plain_mrr(method.score("a", test["a"], "c", test["c"])) for method in (alone, fitted.members["cca-chain"])
    )
    assert after > before + 0.1
    assert plain_mrr(fitted.score("a", test["a"], "c", test["c"])) > 0.9 * after
