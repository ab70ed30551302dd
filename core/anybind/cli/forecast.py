"""``anybind forecast``: what retrieval to expect, before anyone has a true pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anybind.cli.common import (
    command,
    first_seed,
    load_registry,
    method_option,
    open_graph,
    open_store,
    seed_option,
    store_option,
)
from anybind.cli.output import Output
from anybind.cli.tables import table

if TYPE_CHECKING:
    from anybind.binder import Binder

_HEADER = ("gallery", "MRR", "90 % interval", "R@1", "R@10", "chance", "nothing assumed")
_GALLERIES = (100, 1000)
_KS = (1, 5, 10)


@command("forecast")
@click.argument("source", metavar="G.yaml|BINDER")
@click.argument("names", nargs=-1, metavar="[A C]")
@click.option("--gallery", "galleries", type=click.IntRange(min=2), multiple=True, metavar="N",
              help="Items to choose from, the right one among them; may be given again [100 and 1000].")  # fmt: skip
@seed_option
@method_option
@store_option
def forecast(
    out: Output,
    source: str,
    names: tuple[str, ...],
    galleries: tuple[int, ...],
    seed: int | None,
    method: str | None,
    store_path: Path | None,
) -> None:
    """Say how well A and C will find each other, from held-out rows of the data sets that exist.

    Of a graph, a binder is fitted on the vectors that 'anybind extract' stored, and what it expects is kept in
    the store for 'anybind plan'. BINDER is a saved one: a folder or OWNER/NAME. Without A and C all pairs are told.
    No true pair of A and C is needed, and none is looked at.

    \b
    anybind forecast graph.yaml image text_ja --gallery 5000
    anybind forecast my-binder
    """
    if names and len(names) != 2:
        raise click.UsageError("a forecast is of two spaces, or of all")
    made = _fitted if _is_graph(source) else _loaded
    binder = made(source, seed, method, store_path)
    pairs = [(binder.space_of(names[0]), binder.space_of(names[1]))] if names else _all_pairs(binder)
    found = [
        [binder.forecast(a, c, gallery=gallery, ks=_KS).to_dict() for gallery in galleries or _GALLERIES]
        for a, c in pairs
    ]
    fields = {"source": source, "method": binder.method_name, "seed": binder.training.seed}
    out.result({**fields, "forecasts": [each for several in found for each in several]}, _lines(found))


def _is_graph(source: str) -> bool:
    return source.endswith((".yaml", ".yml")) or Path(source).is_file()


def _fitted(source: str, seed: int | None, method: str | None, store_path: Path | None) -> Binder:
    graph = open_graph(Path(source))
    from anybind.workflow import fit_graph, record_forecasts

    store = open_store(graph, store_path)
    binder = fit_graph(graph, store, seed=first_seed(graph, seed), method=method, forecast=True)
    if method is None:
        record_forecasts(graph, store, binder)
    return binder


def _loaded(source: str, seed: int | None, method: str | None, store_path: Path | None) -> Binder:
    if (seed, method, store_path) != (None, None, None):
        raise click.UsageError("a saved binder was fitted already: --seed, --method and --store are for a graph")
    from anybind.binder import Binder

    return Binder.from_pretrained(source, registry=load_registry())


def _all_pairs(binder: Binder) -> list[tuple[str, str]]:
    """All that something is known of, the bridged ones first."""
    from anybind.forecasting.forecast import required_basis

    known = required_basis(binder.basis, binder.method_name).pairs
    return sorted(known, key=lambda pair: (known[pair].direct, pair))


def _lines(found: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    for forecasts in found:
        first = forecasts[0]
        how = "directly" if first["direct"] else f"bridged by {', '.join(first['path'][1:-1])}"
        yield f"{first['path'][0]} ↔ {first['path'][-1]}, {how}"
        yield ""
        yield from table(_HEADER, [_row(each) for each in forecasts], right=_HEADER)
        yield ""
    assumptions = dict.fromkeys(each["assumptions"] for forecasts in found for each in forecasts)
    yield from (f"Assuming: {text}." for text in assumptions)
    yield "The last column is what the data sets alone allow, when nothing is assumed of what joins the two."


def _row(forecast: Mapping[str, Any]) -> tuple[str, ...]:
    recall = forecast["recall"]
    return (
        f"{forecast['gallery']:,}", f"{forecast['mrr']:.3f}", _range(forecast["mrr_interval"]),
        f"{recall['1']:.3f}", f"{recall['10']:.3f}", f"{forecast['chance']:.3f}", _range(forecast["identification"]),
    )  # fmt: skip


def _range(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3f} – {interval[1]:.3f}"
