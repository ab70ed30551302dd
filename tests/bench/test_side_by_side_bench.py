"""bench/side_by_side.py and its rivals: they are given a fair chance, and the default keeps up with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

pytest.importorskip("cca_zoo")

Bench = Callable[[str], Any]
Array = NDArray[np.float32]


@pytest.fixture
def rivals(bench: Bench) -> Any:
    return bench("rivals")


def easy(n: int, seed: int) -> dict[str, Array]:
    """Two spaces that show five dims clearly, among nuisance, far from the origin and on different scales."""
    random = np.random.default_rng(0)
    views = {space: random.normal(size=(5, 12)) for space in "ac"}
    random = np.random.default_rng([1, seed])
    z = random.normal(size=(n, 5))
    return {
        space: (scale * (z @ view + 0.1 * random.normal(size=(n, 12)) + 3)).astype(np.float32)
        for (space, view), scale in zip(views.items(), (1, 0.001), strict=True)
    }


@pytest.mark.parametrize("select", [False, True])
@pytest.mark.parametrize("model", ["RidgeCCA", "MCCA"])
def test_cca_zoo_finds_what_is_there(rivals: Any, monkeypatch: pytest.MonkeyPatch, model: str, select: bool) -> None:
    import cca_zoo.linear

    monkeypatch.setattr(rivals, "COMPONENTS", (2, 5))
    scorer = rivals.canonical(getattr(cca_zoo.linear, model), easy(300, 0), ("a", "c"), select=select)
    assert rivals.mrr(scorer, easy(100, 1), ("a", "c")) > 0.9


def test_the_units_of_a_space_change_nothing(rivals: Any) -> None:
    """cca-zoo shrinks towards the identity, so small units would be shrunk away."""
    from cca_zoo.linear import RidgeCCA

    train, test = easy(300, 0), easy(50, 1)
    tables = []
    for unit in (1, 1000):
        scorer = rivals.canonical(RidgeCCA, {"a": train["a"], "c": unit * train["c"]}, ("a", "c"), select=False)
        tables.append(scorer.score("a", torch.as_tensor(test["a"]), "c", torch.as_tensor(unit * test["c"])))
    torch.testing.assert_close(*tables, atol=1e-4, rtol=0)


@pytest.mark.parametrize("hidden", [0, 32])
def test_heads_learn_and_come_back_from_their_seed(rivals: Any, hidden: int) -> None:
    first, again, other = (
        rivals.contrastive(rivals.Heads(hidden, 1e-2, seed=seed), easy(300, 0), select=False) for seed in (0, 0, 1)
    )
    a, c = (torch.as_tensor(x) for x in easy(100, 1).values())
    assert rivals.mrr(first, easy(100, 1), ("a", "c")) > 0.8
    assert torch.equal(first.score("a", a, "c", c), again.score("a", a, "c", c))
    assert not torch.equal(first.score("a", a, "c", c), other.score("a", a, "c", c))


def test_training_stops_early_and_keeps_the_best_epoch(rivals: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs without meaning: held-out retrieval gets better by chance only."""
    judged, mrr = [], rivals.mrr
    monkeypatch.setattr(rivals, "mrr", lambda *args: judged.append(mrr(*args)) or judged[-1])
    rows = easy(200, 0)
    rows["c"] = rows["c"][::-1].copy()
    found, scorer, epoch = rivals._trained(rivals.Heads(32, 1e-2), rows, 100, easy(60, 1))
    assert len(judged) == epoch + rivals.PATIENCE < 100
    assert found == max(judged) == judged[epoch - 1]
    assert mrr(scorer, easy(60, 1), ("a", "c")) == pytest.approx(found)


def test_info_nce_is_the_log_of_the_batch_for_rows_that_are_all_alike(rivals: Any) -> None:
    loss = rivals._info_nce(torch.ones(8, 3), torch.ones(8, 3), torch.tensor(2.0))
    assert float(loss) == pytest.approx(2 * math.log(8), rel=1e-5)


def test_the_default_keeps_up_with_the_best_of_them(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    side, rivals = bench("side_by_side"), bench("rivals")
    monkeypatch.setattr(rivals, "SHRINKAGES", (0.01, 0.03))
    monkeypatch.setattr(rivals, "LEARNING_RATES", (3e-3,))
    monkeypatch.setattr(rivals, "WEIGHT_DECAYS", (0.01,))
    wanted = {"auto (the default)", "cca-zoo RidgeCCA", "InfoNCE, linear heads"}
    everyone = [c for c in side.contestants() if c.name in wanted and c.selection == "yes" and c.spaces == side.PAIR]
    everyone[0] = side.Contestant("ours", side.PAIR, "yes", side.ours("auto", features="identity"))
    default, *others = side.run(everyone, rows=1000, worlds=range(1), test_pairs=300)
    assert len(others) == 2
    for other in others:
        _, _, high = side.difference_of(default, other)
        assert high > 0
    lines = side.table(everyone, [default, *others])
    assert lines[2].startswith("| ours | a, c | yes | ")
    assert lines[2].endswith(" |  |")
    assert all("[" in line.split("|")[-2] for line in lines[3:])
