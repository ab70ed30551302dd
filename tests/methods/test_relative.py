"""relative: memories looked up by brute force, isometric and bent worlds, and what is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.methods.memory import Memory, sparse, stored_rows
from anybind.methods.pivot import Pivot
from anybind.methods.relative import Relative

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]


def turn(seed: int, dim: int) -> Array:
    result: Array = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]
    return result


def unit(rows: Array) -> Array:
    result: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return result


def paired(seed: int, n: int) -> dict[str, dict[str, Array]]:
    random = np.random.default_rng(seed)
    return {f"d{i}": {s: random.normal(size=(n, 5)) + i for s in pair} for i, pair in enumerate(("ab", "bc"))}


@pytest.mark.parametrize(("neighbours", "power"), [(3, 1.0), (10, 2.0), (1000, 8.0)])
def test_a_memory_is_a_weighted_mean_of_what_is_stored(tensor: Tensor, neighbours: int, power: float) -> None:
    random = np.random.default_rng(0)
    near, far, rows = (unit(random.normal(size=shape)) for shape in ((30, 6), (30, 4), (8, 6)))
    expected = np.zeros((8, 4))
    for i, row in enumerate(rows):
        similar = near @ row
        for j in np.argsort(similar)[::-1][:neighbours]:
            expected[i] += max(0, similar[j]) ** power * far[j]
    carried = Memory(tensor(near), tensor(far), neighbours, power)(tensor(rows))
    np.testing.assert_allclose(carried, unit(expected), atol=1e-5)


def test_chunks_make_no_difference_and_unlike_rows_give_zeros(
    tensor: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    near, far, rows = (tensor(unit(random.normal(size=shape))) for shape in ((30, 6), (30, 4), (50, 6)))
    memory = Memory(near, far, 5, 3.0)
    whole = memory(rows)
    monkeypatch.setattr("anybind.methods.memory._ROWS_AT_ONCE", 7)
    torch.testing.assert_close(memory(rows), whole)
    alone = Memory(torch.tensor([[1.0, 0.0]]), torch.ones(1, 3), 5, 1.0)
    assert torch.equal(alone(torch.tensor([[-1.0, 0.0], [0.0, 1.0]])), torch.zeros(2, 3))


def test_high_powers_do_not_vanish(tensor: Tensor) -> None:
    near = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    carried = Memory(near, torch.eye(2), 10, 60.0)(torch.tensor([[0.02, -0.9998]]))
    torch.testing.assert_close(carried, torch.tensor([[1.0, 0.0]]))


def test_sparse_keeps_the_largest_of_every_row() -> None:
    table = torch.tensor([[0.1, 0.5, 0.3], [0.9, 0.0, 0.2]])
    assert torch.equal(sparse(table, 1), torch.tensor([[0.0, 0.5, 0.0], [0.9, 0.0, 0.0]]))
    assert torch.equal(sparse(table, 3), table)


def test_ends_are_carried_through_the_rows_of_their_own_data_sets(fit_data: Make, tensor: Tensor) -> None:
    """Without whitening to speak of, everything by hand."""
    rows = paired(0, 40)
    fitted = Relative(neighbours=7, power=2.0, whitening=1e9).fit(fit_data(rows), targets=[("a", "c")])

    def carried(dataset: str, end: str) -> Array:
        own, pivot = (rows[dataset][s] - rows[dataset][s].mean(0) for s in (end, "b"))
        similar = np.maximum(0, unit(own) @ unit(own).T)
        similar[similar < np.sort(similar, axis=1)[:, [-7]]] = 0
        return unit(similar**2 @ unit(pivot))

    scores = fitted.score("a", tensor(rows["d0"]["a"]), "c", tensor(rows["d1"]["c"]))
    np.testing.assert_allclose(scores, carried("d0", "a") @ carried("d1", "c").T, atol=1e-4)


def test_isometric_spaces_are_matched_without_any_map(fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    """Every space is the same points, turned: similarities to paired anchors are the same in each."""
    random = np.random.default_rng(0)
    turns = {s: turn(i, 8) for i, s in enumerate("abc")}
    rows = {}
    for pair in ("ab", "bc"):
        points = random.normal(size=(300, 8))
        rows[pair] = {s: (points - points.mean(0)) @ turns[s] for s in pair}
    test = random.normal(size=(100, 8))
    fitted = Relative(neighbours=1000, power=1.0, whitening=1e9).fit(fit_data(rows))
    assert plain_mrr(fitted.score("a", tensor(test @ turns["a"]), "c", tensor(test @ turns["c"]))) > 0.97
    assert plain_mrr(fitted.score("a", tensor(test @ turns["a"]), "b", tensor(test @ turns["b"]))) > 0.97


def test_a_relation_that_bends_is_followed_where_a_line_cannot(fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    """The ends are folded: products of the latent's signs and sizes, of which no linear map makes the pivot."""
    random = np.random.default_rng(0)

    def draw(n: int, spaces: str) -> dict[str, Array]:
        angle = random.uniform(0, 2 * np.pi, size=(n, 2))
        circle = np.c_[np.cos(angle), np.sin(angle)]
        folded = np.c_[np.cos(2 * angle), np.sin(2 * angle), 0.4 * np.cos(angle), 0.4 * np.sin(angle)]
        shown = {"a": folded, "b": np.c_[np.cos(3 * angle), np.sin(3 * angle)], "c": np.c_[folded[:, ::-1], circle]}
        return {s: shown[s] + 0.02 * random.normal(size=shown[s].shape) for s in spaces}

    data = fit_data({"d1": draw(1000, "ab"), "d2": draw(1000, "bc")})
    test = draw(100, "ac")
    mrr = [
        plain_mrr(method.fit(data, targets=[("a", "c")]).score("a", tensor(test["a"]), "c", tensor(test["c"])))
        for method in (Relative(whitening=1.0), Pivot())
    ]
    assert mrr[0] > 2 * mrr[1]


def test_anchors_are_bounded_and_the_same_whichever_way(fit_data: Make) -> None:
    data = fit_data(paired(1, 60))
    tensors = Relative(anchors=20, neighbours=5, power=1.0, whitening=1.0).fit(data).tensors()
    assert {name: len(rows) for name, rows in tensors.items() if "~" in name} == {
        "a~b/a": 20, "a~b/b": 20, "b~c/b": 20, "b~c/c": 20,
    }  # fmt: skip
    forward, backward = (stored_rows(data, hop, 20, seed=4) for hop in (("a", "b"), ("b", "a")))
    assert torch.equal(forward[0], backward[1])
    assert torch.equal(forward[1], backward[0])
    other = stored_rows(data, ("a", "b"), 20, seed=5)
    assert not torch.equal(forward[0], other[0])


def test_stored_rows_are_centred_by_their_data_set_and_leave_a_fold_out(fit_data: Make) -> None:
    rows = paired(2, 50)
    rows["d2"] = {s: x + 100 for s, x in paired(3, 30)["d0"].items()}
    data = fit_data(rows)
    near, far = stored_rows(data, ("a", "b"), 1000, seed=0)
    assert near.shape == far.shape == (80, 5)
    assert near.abs().max() < 10
    held = sum(int((data.samples[d].folds == 2).sum()) for d in ("d0", "d2"))
    assert 0 < held < 80
    assert len(stored_rows(data, ("a", "b"), 1000, 0, without_fold=2)[0]) == 80 - held


def test_without_kept_rows_there_is_no_memory(fit_data: Make) -> None:
    data = fit_data(paired(4, 60), sample_rows=0)
    with pytest.raises(SelectionError, match="anchors"):
        Relative(neighbours=5, power=1.0, whitening=1.0).fit(data)


def test_local_worlds_choose_sharp_lookups(fit_data: Make) -> None:
    """Pairs of unrelated clusters need the nearest rows only; a noisy linear relation needs many."""
    random = np.random.default_rng(0)
    centres = {s: 5 * random.normal(size=(40, 12)) for s in "ab"}
    which = random.integers(0, 40, size=400)
    local = {s: centres[s][which] + 0.3 * random.normal(size=(400, 12)) for s in "ab"}
    z = random.normal(size=(400, 4))
    spread = {s: z @ random.normal(size=(4, 12)) + 2 * random.normal(size=(400, 12)) for s in "bc"}
    chosen = Relative(whitening=1.0).fit(fit_data({"d1": local, "d2": spread})).chosen
    assert chosen is not None

    def effective(a: str, b: str) -> float:
        return chosen[f"neighbours {a} to {b}"] / chosen[f"power {a} to {b}"]

    assert effective("a", "b") < effective("c", "b")
