"""Evaluation of a duck-typed binder against scikit-learn and brute force, and its errors."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from anybind.errors import AnybindError, EvaluationError, ShapeError, UnknownNameError, UsageError
from anybind.evaluation import evaluate, share_of_oracle
from anybind.methods.similarity import InnerProduct
from anybind.postprocessing import csls


class DotBinder:
    """Scores by dot product; spaces share their coordinates. Remembers the largest block it was asked for."""

    largest = 0

    def score(self, space_a, a, space_b, b):
        assert a.dtype == b.dtype == torch.float32
        self.largest = max(self.largest, len(a) * len(b))
        return a @ b.T


def _noisy_pair(n_items: int, noise: float, seed: int, dim: int = 16) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    a = generator.normal(size=(n_items, dim))
    return {"image": a, "audio": a + noise * generator.normal(size=a.shape)}


def _one(binder, spaces, **options):
    result, = evaluate(binder, spaces, [("image", "audio")], **options)
    return result


def test_metrics_equal_scikit_learn_in_both_directions():
    spaces = _noisy_pair(60, noise=2.0, seed=0)
    result = _one(DotBinder(), spaces, n_boot=10)
    scores = (spaces["image"].astype(np.float32) @ spaces["audio"].astype(np.float32).T).astype(np.float64)
    labels = np.arange(60)
    for name, matrix in (("image->audio", scores), ("audio->image", scores.T)):
        metrics = result.directions[name]
        expected = label_ranking_average_precision_score(np.eye(60), matrix)
        assert metrics.mrr == metrics.map == pytest.approx(expected, rel=1e-9)
        for k in (1, 5, 10):
            expected = top_k_accuracy_score(labels, matrix, k=k, labels=labels)
            assert metrics.recall[k] == pytest.approx(expected)
    there, back = result.directions["image->audio"], result.directions["audio->image"]
    assert there.mrr != back.mrr, "the directions differ, so the test tells them apart"
    assert result.mrr == result.map == pytest.approx((there.mrr + back.mrr) / 2)
    assert result.recall == {k: (there.recall[k] + back.recall[k]) / 2 for k in (1, 5, 10)}
    assert result.median_rank == (there.median_rank + back.median_rank) / 2
    assert result.reciprocal_ranks.mean().item() == pytest.approx(result.mrr, rel=1e-12)
    assert result.chance.mrr == pytest.approx(sum(1 / r for r in range(1, 61)) / 60)
    assert result.n_queries == 60


def test_swapping_the_pair_swaps_the_directions():
    spaces = _noisy_pair(40, noise=2.0, seed=1)
    forth, back = evaluate(DotBinder(), spaces, [("image", "audio"), ("audio", "image")], n_boot=50)
    assert forth.mrr == pytest.approx(back.mrr, rel=1e-12)
    assert forth.interval.mrr == pytest.approx(back.interval.mrr, rel=1e-12)
    assert forth.interval.recall == back.interval.recall
    assert forth.directions == back.directions


def test_order_of_items_does_not_matter():
    spaces = _noisy_pair(40, noise=2.0, seed=2)
    order = np.random.default_rng(3).permutation(40)
    result = _one(DotBinder(), spaces, n_boot=0)
    permuted = _one(DotBinder(), {name: rows[order] for name, rows in spaces.items()}, n_boot=0)
    assert permuted.mrr == pytest.approx(result.mrr, rel=1e-12)
    assert permuted.recall == result.recall
    assert torch.equal(permuted.reciprocal_ranks, result.reciprocal_ranks[torch.from_numpy(order)])


def test_memory_limit_bounds_blocks_and_changes_no_number():
    spaces = _noisy_pair(150, noise=2.0, seed=4)
    whole, tiled = DotBinder(), DotBinder()
    expected, result = _one(whole, spaces), _one(tiled, spaces, memory_limit=8 * 900)
    assert whole.largest == 150 * 150
    assert tiled.largest <= 900
    assert result.to_dict() == expected.to_dict()


class EmbeddingBinder(DotBinder):
    """A dot product that is told side by side; counts the rows it is asked to embed, and the most at a time."""

    def __init__(self):
        self.embedded, self.most = 0, 0

    def as_inner_product(self, space_a, space_b):
        return InnerProduct(self._embed, self._embed)

    def _embed(self, rows):
        self.embedded += len(rows)
        self.most = max(self.most, len(rows))
        return rows


def test_what_does_not_fit_one_tile_is_embedded_block_by_block_and_changes_no_number(monkeypatch):
    monkeypatch.setattr(sys.modules[evaluate.__module__], "_ROWS_EMBEDDED_AT_ONCE", 64)
    spaces = _noisy_pair(150, noise=2.0, seed=4)
    expected = _one(DotBinder(), spaces)
    binder = EmbeddingBinder()
    assert _one(binder, spaces, memory_limit=8 * 900).to_dict() == expected.to_dict()
    assert binder.largest == 0, "the scores come from the embedded rows"
    assert binder.most == 64
    assert binder.embedded < 1000, "each tile on its own would embed 60 rows, and there are 5 x 5 tiles of 30 x 30"
    at_once = EmbeddingBinder()
    _one(at_once, spaces)
    assert (at_once.largest, at_once.embedded) == (150 * 150, 0), "one tile is scored as it is"


def test_a_method_whose_score_is_no_inner_product_is_scored_by_tiles():
    class Other(DotBinder):
        def as_inner_product(self, space_a, space_b):
            raise UsageError("no inner product")

    spaces = _noisy_pair(150, noise=2.0, seed=4)
    assert _one(Other(), spaces, memory_limit=8 * 900).to_dict() == _one(DotBinder(), spaces).to_dict()


def test_duplicated_items_share_their_ranks_whatever_the_blocks():
    spaces = _noisy_pair(31, 0.0, seed=5, dim=129)
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in spaces.items()}
    unit = {name: np.concatenate([rows, rows]) for name, rows in unit.items()}
    for limit in (8 * 49, 8 * 625, 2**24):
        result = _one(DotBinder(), unit, memory_limit=limit)
        assert result.mrr == pytest.approx(2 / 3, rel=1e-12)
        assert result.recall[1] == 0
        assert result.recall[5] == 1


def test_a_collapsed_space_scores_below_chance():
    spaces = {"image": np.ones((30, 4)), "audio": _noisy_pair(30, 0.0, seed=6, dim=4)["image"]}
    result = _one(DotBinder(), spaces)
    assert result.directions["audio->image"].median_rank == 15.5
    assert result.directions["audio->image"].recall[10] == 0


def test_interval_holds_the_estimate_and_narrows_with_items():
    few = _one(DotBinder(), _noisy_pair(40, 2.0, seed=7))
    spaces = _noisy_pair(40, 2.0, seed=7)
    again = _one(DotBinder(), spaces, seed=0)
    assert few.interval == again.interval
    assert few.interval != _one(DotBinder(), spaces, seed=1).interval
    low, high = few.interval.mrr
    assert low < few.mrr < high
    for k, (low_k, high_k) in few.interval.recall.items():
        assert low_k <= few.recall[k] <= high_k
    narrow = _one(DotBinder(), spaces, confidence=0.5).interval.mrr
    assert narrow[1] - narrow[0] < high - low
    assert _one(DotBinder(), spaces, n_boot=0).interval is None


def test_result_is_plain_json():
    result = _one(DotBinder(), _noisy_pair(20, 1.0, seed=8), n_boot=20)
    shown = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert shown["pair"] == ["image", "audio"]
    assert shown["n_queries"] == 20
    assert set(shown["recall"]) == set(shown["chance"]["recall"]) == {"1", "5", "10"}
    assert shown["mrr"] == result.mrr
    assert shown["chance"]["mrr"] == result.chance.mrr
    assert len(shown["interval"]["recall"]["5"]) == 2
    assert shown["directions"]["audio->image"]["n_gallery"] == 20


def test_memory_maps_tensors_and_lists_go_in_unchanged(tmp_path):
    spaces = _noisy_pair(20, 1.0, seed=9)
    file = tmp_path / "image.npy"
    np.save(file, spaces["image"].astype(np.float32))
    mapped = np.load(file, mmap_mode="r")
    tensor = torch.from_numpy(spaces["audio"]).requires_grad_()
    before = tensor.detach().clone()
    expected = _one(DotBinder(), spaces)
    assert _one(DotBinder(), {"image": mapped, "audio": tensor}).to_dict() == expected.to_dict()
    assert _one(DotBinder(), {name: rows.tolist() for name, rows in spaces.items()}).mrr == expected.mrr
    assert torch.equal(tensor.detach(), before)


def test_ids_travel_with_the_per_item_ranks():
    ids = [f"item-{i}" for i in range(20)]
    assert _one(DotBinder(), _noisy_pair(20, 1.0, seed=9), ids=ids).ids == tuple(ids)


def test_share_of_oracle():
    spaces, easier = _noisy_pair(40, 3.0, seed=10), _noisy_pair(40, 1.0, seed=10)
    result, oracle = _one(DotBinder(), spaces), _one(DotBinder(), easier)
    assert share_of_oracle(result, oracle) == pytest.approx(result.mrr / oracle.mrr)
    assert 0 < share_of_oracle(result, oracle) < 1
    with pytest.raises(EvaluationError, match="same test"):
        share_of_oracle(result, _one(DotBinder(), _noisy_pair(41, 1.0, seed=10)))


def _with(name: str, rows: object) -> dict[str, object]:
    return {**_noisy_pair(6, 1.0, seed=11), name: rows}


def _nan_at(row: int, value: float = math.nan) -> np.ndarray:
    rows = _noisy_pair(6, 1.0, seed=11)["audio"]
    rows[row, 2] = value
    return rows


def _late_nan() -> np.ndarray:
    rows = np.zeros((70_000, 1))
    rows[-1] = math.nan
    return rows


@pytest.mark.parametrize(
    ("spaces", "options", "error", "names"),
    [
        (_with("audio", np.zeros((5, 16))), {}, ShapeError, "'audio'"),
        (_with("audio", np.zeros((0, 16))), {}, ShapeError, "'audio'"),
        (_with("audio", np.zeros((6, 0))), {}, ShapeError, "'audio'"),
        (_with("audio", np.zeros(6)), {}, ShapeError, "'audio'"),
        (_with("audio", [[1.0, 2.0], [3.0]]), {}, ShapeError, "'audio'"),
        (_with("audio", _nan_at(4)), {}, EvaluationError, "'audio', row 4"),
        (_with("audio", _nan_at(5, math.inf)), {}, EvaluationError, "'audio', row 5"),
        (_with("audio", _nan_at(3, 1e300)), {}, EvaluationError, "'audio', row 3"),
        (_with("audio", torch.from_numpy(_nan_at(2))), {}, EvaluationError, "'audio', row 2"),
        (_with("audio", _late_nan()), {}, EvaluationError, "'audio', row 69999"),
        (_with("audio", np.full((6, 16), "x")), {}, EvaluationError, "'audio'"),
        (_with("audio", torch.ones(6, 16, dtype=torch.complex64)), {}, EvaluationError, "'audio'"),
        ({"image": np.ones((1, 2)), "audio": np.ones((1, 2))}, {}, EvaluationError, "1 item is meaningless"),
        (_with("x", 0), {"pairs": [("image", "sound")]}, UnknownNameError, "audio, image"),
        (_with("x", 0), {"pairs": []}, EvaluationError, "no pair"),
        (_with("x", 0), {"pairs": [("image", "image")]}, EvaluationError, "two different"),
        (_with("x", 0), {"pairs": ["ab"]}, EvaluationError, "two different"),
        (_with("x", 0), {"ids": list("abcde")}, ShapeError, "5 ids"),
        (_with("x", 0), {"ids": list("abcdeb")}, EvaluationError, "row 5"),
        (_with("x", 0), {"ks": ()}, EvaluationError, "cut-offs"),
        (_with("x", 0), {"n_boot": -1}, EvaluationError, "resamples"),
        (_with("x", 0), {"seed": -1}, EvaluationError, "seed"),
        (_with("x", 0), {"confidence": 95}, EvaluationError, "confidence"),
        (_with("x", 0), {"memory_limit": 0}, EvaluationError, "memory"),
    ],
)
def test_bad_input_is_an_error_that_names_the_place(spaces, options, error, names):
    pairs = options.pop("pairs", [("image", "audio")])
    with pytest.raises(error) as caught:
        evaluate(DotBinder(), spaces, pairs, **options)
    assert names in str(caught.value)


@pytest.mark.parametrize("scores", [torch.full((6, 6), math.nan), torch.zeros(6, 5), torch.zeros(6)])
def test_a_binder_that_scores_wrongly_is_named_with_the_pair(scores):
    class Broken:
        def score(self, space_a, a, space_b, b):
            return scores

    with pytest.raises(AnybindError) as caught:
        _one(Broken(), _noisy_pair(6, 1.0, seed=12))
    assert "scores of 'image' against 'audio'" in str(caught.value)


def test_scores_can_be_postprocessed_as_a_whole() -> None:
    """A hub that scores high with every query loses its lead; tiles do not change that."""
    rows = torch.eye(6) + 0.01
    rows[:, 0] += 1.5  # item 0 is everybody's neighbour

    class Hub:
        def score(self, a: str, x: torch.Tensor, b: str, y: torch.Tensor) -> torch.Tensor:
            return x @ y.T

    spaces = {"a": torch.eye(6), "b": rows.T}
    (plain,) = evaluate(Hub(), spaces, [("a", "b")], n_boot=0)
    (fair,) = evaluate(Hub(), spaces, [("a", "b")], n_boot=0, postprocess=lambda table: csls(table, 3))
    assert plain.mrr < 0.8
    assert fair.mrr == 1.0
    with pytest.raises(EvaluationError, match="do not fit into memory"):
        evaluate(Hub(), spaces, [("a", "b")], n_boot=0, postprocess=csls, memory_limit=200)


def test_a_binder_that_scores_batches_sees_them_whole() -> None:
    """Rows centred by their own tile would not be those that were asked about."""
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(40, 5, generator=random)
    spaces = {"a": rows, "b": rows + 3 + 0.1 * torch.randn(40, 5, generator=random)}

    class Centred:
        scores_batches = True

        def score(self, a: str, x: torch.Tensor, b: str, y: torch.Tensor) -> torch.Tensor:
            assert len(x) == len(y) == 40
            return -torch.cdist(x - x.mean(0), y - y.mean(0))

    (found,) = evaluate(Centred(), spaces, [("a", "b")], n_boot=0, memory_limit=2 * 4 * 40 * 40)
    assert found.mrr == 1.0
    with pytest.raises(EvaluationError, match="do not fit into memory"):
        evaluate(Centred(), spaces, [("a", "b")], n_boot=0, memory_limit=1000)


def test_what_cannot_postprocess_is_told() -> None:
    class Plain:
        def score(self, a: str, x: torch.Tensor, b: str, y: torch.Tensor) -> torch.Tensor:
            return x @ y.T

    spaces = {"a": torch.eye(4), "b": torch.eye(4)}
    with pytest.raises(EvaluationError, match="must be a function"):
        evaluate(Plain(), spaces, [("a", "b")], n_boot=0, postprocess="csls")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="keep its shape"):
        evaluate(Plain(), spaces, [("a", "b")], n_boot=0, postprocess=lambda table: table[:2])
