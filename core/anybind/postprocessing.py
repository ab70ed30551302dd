"""Score tables made fairer to items that are everybody's neighbour, for queries that come in batches.

In many dims some gallery items (*hubs*) score high with every query. Each function takes a table of scores
(n_queries, n_gallery), higher meaning likelier the same item, and returns a new one of that shape, float32.

``csls`` and ``sinkhorn`` look at all queries of the batch at once: **a query's answer depends on what else is
asked**, and a result got with them is a result with test-batch statistics, to be reported as such.
``querybank`` takes a bank of other queries, of training data say, in their stead: it needs no batch, and
the answer to a query does not depend on the others.
"""

from __future__ import annotations

import math

import torch

from anybind.errors import EvaluationError, ShapeError, UsageError


def csls(table: torch.Tensor, neighbours: int = 10) -> torch.Tensor:
    """Cross-domain similarity local scaling: ``2 s_ij - r_i - r_j`` (Conneau et al. 2018, arXiv:1710.04087).

    r_i is the mean of query i's ``neighbours`` highest scores, r_j that of item j over the queries. Uses
    test-batch statistics: r_j. With one query, r_j is its own score and the order of the gallery stays as it is.

    Args:
        table: (n_queries, n_gallery) scores, cosines or on a scale like theirs.
        neighbours: At least 1; where there are fewer, all.

    Raises:
        ShapeError: the table does not have two dimensions.
        EvaluationError: a score is NaN or infinite.
        UsageError: ``neighbours`` is not a positive whole number.
    """
    scores = _checked(table, "table")
    if not isinstance(neighbours, int) or isinstance(neighbours, bool) or neighbours < 1:
        raise UsageError("neighbours is a positive whole number", got=repr(neighbours))
    if not scores.numel():
        return scores
    of_queries = scores.topk(min(neighbours, scores.shape[1]), dim=1).values.mean(1, keepdim=True)
    of_gallery = scores.topk(min(neighbours, scores.shape[0]), dim=0).values.mean(0, keepdim=True)
    return 2 * scores - of_queries - of_gallery


def sinkhorn(table: torch.Tensor, temperature: float = 0.1, steps: int = 20) -> torch.Tensor:
    """Log of the transport plan nearest to ``exp(table / temperature)`` (Cuturi 2013, arXiv:1306.0895).

    Rows and columns are scaled in turn until every query gives the same mass in all and every gallery item takes
    the same: exp of the result sums to 1, its rows to 1 / n_queries and its columns to 1 / n_gallery (the columns
    exactly, the rows in the limit of many steps). Right where every item is asked for about equally often, as with
    paired tests. Uses test-batch statistics throughout.

    Args:
        table: (n_queries, n_gallery) scores; two queries at least, as one alone would be matched with everything.
        temperature: > 0, on the scale of the scores: the smaller, the closer to a one-to-one assignment.
        steps: Pairs of row and column scalings, >= 1.

    Raises:
        ShapeError: the table does not have two dimensions.
        EvaluationError: a score is NaN or infinite.
        UsageError: there is one query only, or temperature or steps are out of range.
    """
    scores = _checked(table, "table")
    _require_positive(temperature)
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise UsageError("steps is a positive whole number", got=repr(steps))
    if not scores.numel():
        return scores
    if len(scores) < 2:
        raise UsageError(
            "one query has no batch to be balanced with", got="1 query", expected="2 or more",
            hint="leave its scores as they are, or use querybank",
        )  # fmt: skip
    # from scores below zero: those far below the best would lose their digits after a large number
    plan = (scores.to(torch.float64) - float(scores.max())) / temperature
    for _ in range(steps):
        plan = plan - plan.logsumexp(1, keepdim=True) - math.log(plan.shape[0])
        plan = plan - plan.logsumexp(0, keepdim=True) - math.log(plan.shape[1])
    return plan.to(torch.float32)


def querybank(
    table: torch.Tensor, bank_table: torch.Tensor, temperature: float = 0.1, dynamic: bool = True
) -> torch.Tensor:
    """Querybank normalisation with the dynamic inverted softmax (Bogolin et al. 2022, arXiv:2112.12777).

    ``s_ij - t log sum_b exp(bank_bj / t)``: what an item scores beyond what it scores with the bank's queries. Its
    exponential, at temperature t, is the inverted softmax of Smith et al. (2017, arXiv:1702.03859). Uses no
    test-batch statistics as long as the bank does not: take queries of training data.

    Args:
        table: (n_queries, n_gallery) scores.
        bank_table: (n_bank, n_gallery) scores of the bank's queries with the same gallery; one query at least.
        temperature: t > 0, on the scale of the scores.
        dynamic: Change only the rows of queries whose best item is also the best of some query of the bank:
            elsewhere there is no hub to be seen. Rows that are changed and rows that are not lie on
            different scales, so rank the gallery of each query, never the queries of an item.

    Raises:
        ShapeError: a table does not have two dimensions, the galleries differ in size, or the bank is empty.
        EvaluationError: a score is NaN or infinite.
        UsageError: ``temperature`` is not positive.
    """
    scores, bank = _checked(table, "table"), _checked(bank_table, "bank_table")
    _require_positive(temperature)
    if bank.shape[1] != scores.shape[1] or not len(bank):
        raise ShapeError(
            "the bank does not fit the table", where="bank_table",
            got=tuple(bank.shape), expected=f"(1 or more, {scores.shape[1]})",
        )  # fmt: skip
    if not scores.numel():
        return scores
    changed = scores - temperature * (bank / temperature).logsumexp(0)
    if not dynamic:
        return changed
    hubs = torch.zeros(scores.shape[1], dtype=torch.bool)
    hubs[bank.argmax(1)] = True
    return torch.where(hubs[scores.argmax(1)][:, None], changed, scores)


def _checked(table: torch.Tensor, name: str) -> torch.Tensor:
    """A float32 copy of a table of finite scores."""
    scores = torch.as_tensor(table).detach().to("cpu", torch.float32, copy=True)
    if scores.ndim != 2:
        raise ShapeError("a score table has two dimensions", where=name, got=tuple(scores.shape))
    if not torch.isfinite(scores).all():
        raise EvaluationError("a score is NaN or infinite", where=name, expected="finite numbers")
    return scores


def _require_positive(temperature: float) -> None:
    if not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
        raise UsageError("temperature is a positive number", got=repr(temperature))
