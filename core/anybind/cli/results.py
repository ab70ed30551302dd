"""Results of evaluation as a table for people: the method beside its baselines, the oracle and chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anybind.cli.tables import percent, table

if TYPE_CHECKING:
    from anybind.extract import Skipped

_HEADER = ("", "MRR", "95 % interval", "R@1", "R@5", "R@10")
_CUTOFFS = ("1", "5", "10")
_MATRIX_HEADER = ("", "by way of", "gallery", "MRR", "95 % interval", "R@10", "chance", "of oracle", "forecast MRR",
                  "90 % interval")  # fmt: skip
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


def matrix_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines for people; each row is a pair as ``MatrixRow.to_dict`` gives it, in fractions of 1."""
    if not rows:
        yield "The binder has one space only: there is no pair."
        return
    yield from table(_MATRIX_HEADER, [_matrix_row(row) for row in rows], right=_MATRIX_HEADER[2:])
    left_out = {row["dataset"]: row["left_out"] for row in rows if row.get("left_out")}
    for dataset, count in left_out.items():
        yield f"{count} rows of {dataset} were left out: they, or rows of the same group, were trained on."
    bare = [" ↔ ".join(row["pair"]) for row in rows if row["path"] and row["mrr"] is None and row["forecast"] is None]
    if bare:
        yield f"Neither measured nor forecast: {', '.join(bare)}. Extract true pairs, or make them targets of the fit."


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


def _matrix_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    forecast = row.get("forecast") or {}
    path = row["path"]
    way = "nothing joins them" if not path else ", ".join(path[1:-1]) or "direct"
    gallery = row["n_queries"] or forecast.get("gallery")
    return (
        " ↔ ".join(row["pair"]), way, "" if gallery is None else str(gallery), _fraction(row["mrr"]),
        _range(row["interval"]), _fraction((row["recall"] or {}).get("10")),
        _fraction(forecast.get("chance") if row["chance"] is None else row["chance"]),
        "" if row["share_of_oracle"] is None else percent(row["share_of_oracle"]),
        _fraction(forecast.get("mrr")), _range(forecast.get("mrr_interval")),
    )  # fmt: skip


def _row(
    name: str, measured: Mapping[str, Any], interval: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    shown = _range((interval or {}).get("mrr"))
    recall = measured.get("recall") or {}
    return name, _fraction(measured["mrr"]), shown, *(_fraction(recall.get(k)) for k in _CUTOFFS)


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _range(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.3f} – {interval[1]:.3f}" if interval else ""


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("share_of_oracle") is not None:
        yield f"{percent(result['share_of_oracle'])} of the oracle, which trains on true pairs of the two."
    if "warnings" not in result and result.get("leaked_ids"):  # written before there were warnings
        yield f"Careful: {result['leaked_ids']} test items are in the training data too."
    for warning in result.get("warnings") or ():
        yield f"Careful: {warning}"
