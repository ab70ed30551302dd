"""What fine-tuning minimises, against numpy and by its gradients."""

from __future__ import annotations

import numpy as np
import torch
from anybind_transformers.tuning.objective import loss_of


def unit(rows: int, seed: int) -> torch.Tensor:
    drawn = torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


def both_directions(a: np.ndarray, b: np.ndarray, scale: float) -> float:
    table = scale * a @ b.T
    rows = np.log(np.exp(table).sum(1)) - table.diagonal()
    columns = np.log(np.exp(table).sum(0)) - table.diagonal()
    return float((rows.mean() + columns.mean()) / 2)


def batch() -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, dict[str, torch.Tensor]]]:
    embedded = {"d1": {"a": unit(6, 0), "b": unit(6, 1)}, "d2": {"b": unit(4, 2), "c": unit(4, 3)}}
    present = {
        name: {space: torch.ones(len(vectors), dtype=torch.bool) for space, vectors in rows.items()}
        for name, rows in embedded.items()
    }
    return embedded, present


def test_all_pairs_is_infonce_weighted_by_rows() -> None:
    embedded, present = batch()
    present["d1"]["a"][5] = False
    d1 = both_directions(embedded["d1"]["a"][:5].numpy(), embedded["d1"]["b"][:5].numpy(), 3.0)
    d2 = both_directions(embedded["d2"]["b"].numpy(), embedded["d2"]["c"].numpy(), 3.0)
    assert abs(float(loss_of(embedded, present, 3.0)) - (5 * d1 + 4 * d2) / 9) < 1e-5


def test_consistency_is_a_quarter_of_cyclips() -> None:
    embedded, present = batch()
    extra = 0.0
    for rows in embedded.values():
        a, b = (value.double().numpy() for value in rows.values())
        cross, within = a @ b.T - b @ a.T, a @ a.T - b @ b.T
        extra += 0.25 * len(a) * ((cross**2).sum() + (within**2).sum()) / len(a)
    difference = loss_of(embedded, present, 3.0, consistent=True) - loss_of(embedded, present, 3.0)
    assert abs(float(difference) - extra / 10) < 1e-5


def test_mox_contrasts_both_ends_with_rows_carried_along_the_pivot() -> None:
    """Ridge, in units of the mean squared singular value: c~1 = B1 (B2'B2 + l I)^-1 B2' C2."""
    embedded, present = batch()

    def carried(start: np.ndarray, left: np.ndarray, reached: np.ndarray) -> np.ndarray:
        gram = left.T @ left
        kept = left @ left.T
        ridge = 0.1 * np.trace(kept) / min(left.shape)
        return start @ np.linalg.solve(gram + ridge * np.eye(5), left.T @ reached)

    def contrast(real: np.ndarray, pseudo: np.ndarray) -> float:
        table = 3.0 * real @ (pseudo / np.linalg.norm(pseudo, axis=1, keepdims=True)).T
        return float((np.log(np.exp(table).sum(1)) - table.diagonal()).mean())

    a1, b1 = (embedded["d1"][s].double().numpy() for s in "ab")
    b2, c2 = (embedded["d2"][s].double().numpy() for s in "bc")
    c_of_1, a_of_2 = carried(b1, b2, c2), carried(b2, b1, a1)
    expected = (contrast(a1, c_of_1) + contrast(b1, c_of_1)) / 2 + (contrast(b2, a_of_2) + contrast(c2, a_of_2)) / 2
    with_route = loss_of(embedded, present, 3.0, route=("a", "b", "c"))
    assert abs(float(with_route - loss_of(embedded, present, 3.0)) - expected) < 1e-4


def test_absent_rows_get_no_gradient_and_one_row_costs_nothing() -> None:
    embedded, present = batch()
    embedded["d1"]["a"].requires_grad_()
    present["d1"]["a"][2] = False
    loss_of(embedded, present, 3.0, consistent=True, route=("a", "b", "c")).backward()
    gradient = embedded["d1"]["a"].grad
    assert gradient is not None
    assert not gradient[2].any()
    assert gradient[0].any()
    single = {name: {s: rows[:1] for s, rows in spaces.items()} for name, spaces in batch()[0].items()}
    shown = {name: {s: rows[:1] for s, rows in spaces.items()} for name, spaces in batch()[1].items()}
    assert float(loss_of(single, shown, 3.0, consistent=True, route=("a", "b", "c"))) == 0.0
