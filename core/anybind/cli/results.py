"""Results of evaluation as a table for people: the method beside its baselines, the oracle and chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anybind.cli.tables import percent, table

if TYPE_CHECKING:
    from anybind.extract import Skipped

_HEADER = ("", "MRR", "95 % interval", "R@1", "R@5", "R@10")
_CUTOFFS = ("1", "5", "10")
_SHOWN = 5


def result_lines(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines for people; each result is one pair as ``RunResult.to_dict`` gives it, in fractions of 1."""
    for result in results:
        seeds = len(result.get("per_seed") or ())
        mean = f", mean of {seeds} seeds" if seeds > 1 else ""
        yield f"{' ↔ '.join(result['pair'])}: {result['n_queries']} queries, both directions{mean}"
        yield ""
        yield from table(_HEADER, list(_rows(result)), right=_HEADER[1:])
        yield ""
        yield from _remarks(result)
    if not results:
        yield "The graph has no 'evaluate' section: nothing was measured."


def left_out_lines(skipped: Sequence[Skipped]) -> Iterator[str]:
    """What an extraction left out: for each data set the first samples and how many there are."""
    by_dataset: dict[str, list[Skipped]] = {}
    for sample in skipped:
        by_dataset.setdefault(sample.dataset, []).append(sample)
    for dataset, samples in by_dataset.items():
        for sample in samples[:_SHOWN]:
            what = sample.modality or "row"
            yield f"! left out: {dataset}, {what}, id {sample.id}: {sample.reason}"
        if len(samples) > _SHOWN:
            yield f"! left out: {dataset}, {len(samples)} samples in all; --json lists every one"


def _rows(result: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield _row(result["method"], result, result.get("interval"))
    for name, mrr in (result.get("baselines") or {}).items():
        yield _row(f"{name} (baseline)", mrr if isinstance(mrr, Mapping) else {"mrr": mrr})
    if result.get("oracle"):
        yield _row("oracle", result["oracle"])
    if result.get("chance"):
        yield _row("chance", result["chance"])


def _row(
    name: str, measured: Mapping[str, Any], interval: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    low_high = (interval or {}).get("mrr")
    shown = f"{low_high[0]:.3f} – {low_high[1]:.3f}" if low_high else ""
    recall = measured.get("recall") or {}
    return name, _fraction(measured["mrr"]), shown, *(_fraction(recall.get(k)) for k in _CUTOFFS)


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("share_of_oracle") is not None:
        yield f"{percent(result['share_of_oracle'])} of the oracle, which trains on true pairs of the two."
    if result.get("leaked_ids"):
        yield f"Careful: {result['leaked_ids']} test items are in the training data too."
