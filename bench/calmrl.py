"""CalMRL: what imputation is worth, and what it does for training, on worlds whose truth is known.

Table 1, the imputer alone: unit rows of four spaces, two of four hidden at test. Error against the mean of the
space and against the imputation of another row (permuted); anchor shift from what is observed, and after
imputation; over noise, rank and which spaces are seen together.

Table 2, training: three spaces, a share of them missing in training at random, or a bridge of two data sets;
retrieval between all pairs of spaces (the bridge: of the pair that no data set holds) of new rows that have all.
PMRL and GRAM on tuples as they are (observed), with masked views, filled with means, and imputed; beside them
InfoNCE on the observed pairs (all-pairs), the closed-form pcca, full data (0 % missing) and chance.

    python bench/calmrl.py [--seeds 0-4]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

import torch

import anybind
from anybind.errors import DataError, SelectionError
from anybind.evaluation import paired_difference
from anybind.methods.anchor_shift import anchor_shift, imputed_shift
from anybind.methods.latent_imputer import LatentImputer

SPACES = ("w", "x", "y", "z")
PAIRS = tuple(combinations(SPACES, 2))
GRAPHS: Mapping[str, Sequence[Sequence[str]]] = {
    "20 % whole, rest pairs": (SPACES, *PAIRS[:4], SPACES, *PAIRS[2:], SPACES, *PAIRS[4:], *PAIRS[:2]),
    "any pair": PAIRS,
    "star": PAIRS[:3],
    "chain": (PAIRS[0], PAIRS[3], PAIRS[5]),
    "disconnected": (PAIRS[0], PAIRS[5]),
}

Rows = Mapping[str, torch.Tensor]


# ---------------------------------------------------------------------- table 1


@dataclass(frozen=True)
class World:
    """Unit rows of four spaces with one latent: x_m = (S + own N_m) z + gap o_m + noise e, all entries normal.

    The signal of a number has variance ``1 + own^2``.
    """

    noise: float = 0.8
    gap: float = 1.0
    own: float = 0.3
    rank: int = 8
    dim: int = 64

    def draw(self, n: int, seed: int, part: int) -> dict[str, torch.Tensor]:
        """n rows; worlds differ by seed, rows by seed and part."""
        world = torch.Generator().manual_seed(seed)
        draws = torch.Generator().manual_seed(1000 * (seed + 1) + part)

        def normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        shared, z = normal(world, self.rank, self.dim), normal(draws, n, self.rank)
        rows = {}
        for space in SPACES:
            loading = (shared + self.own * normal(world, self.rank, self.dim)) / self.rank**0.5
            row = z @ loading + self.gap * normal(world, self.dim) + self.noise * normal(draws, n, self.dim)
            rows[space] = torch.nn.functional.normalize(row, dim=1)
        return rows


@dataclass(frozen=True)
class Imputation:
    """One seed of table 1; errors per number times 1,000."""

    error: float
    mean_error: float
    permuted_error: float
    shift: float
    mean_shift: float
    imputed_shift: float
    renormalised_shift: float


def shown(n: int, patterns: Sequence[Sequence[str]]) -> dict[str, torch.Tensor]:
    """Row i shows pattern i modulo their number."""
    return {s: torch.tensor([s in patterns[i % len(patterns)] for i in range(n)]) for s in SPACES}


def impute(world: World, rank: int, graph: str, seed: int, n: int = 2000) -> Imputation:
    """Fit on n rows, judge on 1,000 with two of four hidden."""
    train, test = world.draw(n, seed, 0), world.draw(1000, seed, 1)
    imputer = LatentImputer(rank=rank).fit(train, shown(n, GRAPHS[graph]))
    hidden = shown(1000, PAIRS)
    completed = {s: rows.double() for s, rows in imputer.impute(test, hidden).mean.items()}
    means = torch.stack([train[s][shown(n, GRAPHS[graph])[s]].mean(0) for s in SPACES])
    stack, mask = torch.stack([test[s] for s in SPACES], 1), torch.stack([hidden[s] for s in SPACES], 1)
    by_mean = torch.where(mask[:, :, None], stack, means)
    filled = torch.stack([completed[s] for s in SPACES], 1)

    def error(found: torch.Tensor) -> float:
        return 1000 * float((found - stack)[~mask].square().mean())

    permuted = torch.stack([filled[:, m][_shuffled(mask[:, m])] for m in range(len(SPACES))], 1)
    return Imputation(
        error(filled), error(by_mean), error(permuted),
        float(anchor_shift(stack, mask).shift.mean()), float(imputed_shift(stack, by_mean).mean()),
        float(imputed_shift(stack, filled).mean()),
        float(imputed_shift(stack, torch.nn.functional.normalize(filled, dim=2)).mean()),
    )  # fmt: skip


def _shuffled(present: torch.Tensor) -> torch.Tensor:
    """For every row that misses a space, another such row."""
    order = torch.arange(len(present))
    missing = (~present).nonzero().squeeze(1)
    order[missing] = missing.roll(1)
    return order


def imputation_cases() -> Iterator[tuple[World, int, str]]:
    """(world, rank, graph) of table 1."""
    base, whole = World(), "20 % whole, rest pairs"
    for noise in (0.2, 0.8, 2.0):
        yield replace(base, noise=noise), 8, whole
    for rank in (2, 4, 16, 32):
        yield base, rank, whole
    for rank in (4, 8):
        yield replace(base, gap=0.0, noise=0.2), rank, whole
    yield replace(base, own=1.0), 8, whole
    for graph in GRAPHS:
        if graph != whole:
            yield replace(base, own=1.0), 8, graph


def imputation_table(seeds: Sequence[int]) -> Iterator[str]:
    """The Markdown lines of table 1."""
    yield (
        "| noise | gap | own | seen together | rank | error | of the mean | permuted "
        "| error less that of the mean | shift | filled with means | imputed | renormalised | imputed less before |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for world, rank, graph in imputation_cases():
        head = f"| {world.noise} | {world.gap:g} | {world.own:g} | {graph} | {rank} "
        try:
            found = [impute(world, rank, graph, seed) for seed in seeds]
        except DataError:
            yield f"{head}| refused |  |  |  |  |  |  |  |  |"
            continue
        error, mean, permuted, before, by_mean, after, renormalised = (
            [getattr(each, name) for each in found] for name in Imputation.__dataclass_fields__
        )
        yield (
            f"{head}| {fmean(error):.2f} | {fmean(mean):.2f} | {fmean(permuted):.2f} | {difference(error, mean)} "
            f"| {fmean(before):.3f} | {fmean(by_mean):.3f} | {fmean(after):.3f} | {fmean(renormalised):.3f} "
            f"| {difference(after, before, 3)} |"
        )


def difference(first: Sequence[float], second: Sequence[float], digits: int = 2) -> str:
    """Mean of the paired differences and its 95 % interval."""
    found = paired_difference(first, second)
    low, high = found.interval
    return f"{found.mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


# ---------------------------------------------------------------------- table 2

THREE = SPACES[1:]
MISSING: Sequence[float | str] = (0.0, 0.25, 0.5, 0.75, 0.9, "bridge")
ROWS, GALLERY = 600, 400
HEADS: Mapping[str, Any] = {
    "features": "identity", "joint_dim": 16, "epochs": 20, "batch_size": 100, "learning_rate": 5e-3, "patience": 0,
}  # fmt: skip


def calibrated(loss: str, **options: Any) -> tuple[str, Mapping[str, Any]]:
    """calmrl with one loss; the true rank, since at 90 % there are too few rows to choose it on."""
    return "calmrl", {**HEADS, "loss": loss, "rank": 8, **options}


METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "pcca (closed form)": ("pcca", {"features": "identity", "rank": 8, "shrinkage": 1.0}),
    "all-pairs (InfoNCE)": ("all-pairs", HEADS),
    **{
        f"{loss.upper()}, {name}": calibrated(loss, **options)
        for loss in ("pmrl", "gram")
        for name, options in {
            "observed": {"missing": "observed"},
            "masked views": {"missing": "observed", "masked_views": 0.5},
            "mean": {"missing": "mean"},
            "imputed": {"missing": "impute"},
        }.items()
    },
}


def training_rows(n: int, seed: int, part: int) -> dict[str, torch.Tensor]:
    """n rows of three spaces: a shared latent of 8 dims, structured nuisance of half its variance, noise, offsets."""
    world = torch.Generator().manual_seed(seed)
    draws = torch.Generator().manual_seed(1000 * (seed + 1) + part)
    shared, z = torch.randn(8, 32, generator=world), torch.randn(n, 8, generator=draws)
    rows = {}
    for space in THREE:
        own, nuisance = torch.randn(2, 8, 32, generator=world)
        signal = z @ (shared + 0.7 * own) / (8 * 1.5) ** 0.5
        hidden = 0.7 * torch.randn(n, 8, generator=draws) @ nuisance / 8**0.5
        noise = 0.5 * torch.randn(n, 32, generator=draws)
        rows[space] = signal + hidden + noise + torch.randn(32, generator=world)
    return rows


def training_sets(missing: float | str, seed: int) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """The data sets and which of their rows are present."""
    rows = training_rows(ROWS, seed, 0)
    if missing == "bridge":
        other = training_rows(ROWS, seed, 2)
        return {"d1": {s: rows[s] for s in THREE[:2]}, "d2": {s: other[s] for s in THREE[1:]}}, {}
    draws = torch.Generator().manual_seed(seed)
    present = {s: torch.rand(ROWS, generator=draws) >= float(missing) for s in THREE}
    some = torch.stack(list(present.values())).any(0)
    return {"d": {s: x[some] for s, x in rows.items()}}, {"d": {s: mask[some] for s, mask in present.items()}}


def retrieval(method: str, missing: float | str, seed: int) -> float:
    """Mean reciprocal rank times 100, both directions, mean over pairs; NaN where the method refuses."""
    name, options = METHODS[method]
    datasets, present = training_sets(missing, seed)
    try:
        binder = anybind.fit(datasets, method=name, options=options, present=present, seed=seed, forecast=False)
    except SelectionError:
        return math.nan
    pairs = [(THREE[0], THREE[2])] if missing == "bridge" else list(combinations(THREE, 2))
    return 100 * fmean(result.mrr for result in anybind.evaluate(binder, training_rows(GALLERY, seed, 1), pairs))


def training_table(seeds: Sequence[int]) -> Iterator[str]:
    """The Markdown lines of table 2, and the paired differences that answer its questions."""
    heads = [m if isinstance(m, str) else f"{100 * m:.0f} % missing" for m in MISSING]
    yield f"MRR x 100 among {GALLERY}, mean of {len(seeds)} seeds; chance {chance():.1f}. Full data: 0 % missing."
    yield ""
    yield f"| method | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    found: dict[tuple[str, float | str], list[float]] = {}
    for method in METHODS:
        for missing in MISSING:
            found[method, missing] = [retrieval(method, missing, seed) for seed in seeds]
        cells = [mean_of(found[method, missing]) for missing in MISSING]
        yield f"| {method} | {' | '.join(cells)} |"
    yield ""
    yield f"| imputed less | {' | '.join(heads[1:])} |"
    yield "|---" * len(heads) + "|"
    for loss in ("PMRL", "GRAM"):
        others = [f"{loss}, observed", f"{loss}, masked views", f"{loss}, mean", "all-pairs (InfoNCE)"]
        for other in others:
            cells = [difference(found[f"{loss}, imputed", m], found[other, m], 1) for m in MISSING[1:]]
            yield f"| {loss}: {other.removeprefix(f'{loss}, ')} | {' | '.join(cells)} |"
        full = [difference(found[f"{loss}, imputed", m], found[f"{loss}, observed", 0.0], 1) for m in MISSING[1:-1]]
        yield f"| {loss}: full data | {' | '.join(full)} | |"


def mean_of(values: Sequence[float]) -> str:
    """The mean, or that the method refused some of the seeds."""
    return "refused" if any(map(math.isnan, values)) else f"{fmean(values):.1f}"


def chance() -> float:
    """The mean reciprocal rank of a random order, times 100."""
    return 100 * fmean(1 / rank for rank in range(1, GALLERY + 1))


# ---------------------------------------------------------------------- the program


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)  # small matrices
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("0-4"), help="e.g. 0-4 or 0,3,5; two or more")
    seeds = parser.parse_args().seeds
    print("Table 1: the imputer\n")
    for line in imputation_table(seeds):
        print(line, flush=True)
    print("\nTable 2: training with missing spaces\n")
    for line in training_table(seeds):
        print(line, flush=True)


def _seeds(text: str) -> list[int]:
    if "-" in text:
        first, last = map(int, text.split("-"))
        return list(range(first, last + 1))
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
