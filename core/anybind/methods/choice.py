"""Choosing the latent model's rank and shrinkage on held-out rows of the edges that exist."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.methods.joined import joined_groups, largest_rank
from anybind.methods.latent import LatentModel, Start, log_likelihood, posterior_map, space_by_space
from anybind.methods.selection import held_out_mrr, selection_folds
from anybind.methods.similarity import canonical_pair
from anybind.moments import Group, Moments

_RANKS = (4, 8, 16, 32, 64, 96, 128, 192)
USUAL_SHRINKAGE = 1.0
# None above the usual one: held-out pairs of an edge ask for more than its bridges, or other pairs, can bear.
_SHRINKAGES = (USUAL_SHRINKAGE, 0.3, 0.1, 0.03, 0.01, 0.003)
# Held-out retrieval of a few hundred rows is known to about this share.
_AS_GOOD = 0.02
_MIDDLING_RANK = 32
_FOLDS = 3

Fit = Callable[[Start, Sequence[Group], int, float], LatentModel]


class Judge:
    """How well a candidate retrieves held-out rows; each candidate and fold is fitted once.

    Where a data set shares no rows, the held-out log-odds that a row's spaces belong together take the place
    of retrieval. (Held-out likelihood itself would not do: it goes by how each space is spread, and grows with
    rank where there is nothing in common.)

    Args:
        data: Gives the held-out rows.
        moments: The data's moments along the principal axes.
        maps: Space -> (d, p) onto those.
        similarity: What to retrieve by.
        fit: (start, groups, rank, shrinkage) -> a candidate's model.

    Raises:
        SelectionError: too few paired rows can be held out.
    """

    def __init__(
        self, data: FitData, moments: Moments, maps: Mapping[str, torch.Tensor], similarity: str, fit: Fit
    ) -> None:
        self.data, self.moments, self.maps = data, moments, maps
        self.similarity, self.fit = similarity, fit
        self.edges = data.moments.edges()
        self.by_rows = set(data.moments.datasets) <= set(data.samples)
        self.folds = selection_folds(data, self.edges, limit=_FOLDS, by_rows=self.by_rows)
        self._starts: dict[int, tuple[Start, list[Group]]] = {}
        self._known: dict[tuple[int, float, int], float] = {}

    def __call__(self, rank: int, shrinkage: float, fold: int) -> float:
        """The candidate's quality on a fold that it was not fitted on; higher is better."""
        key = (rank, shrinkage, fold)
        if key not in self._known:
            if fold not in self._starts:
                groups = joined_groups(self.moments, fold)
                self._starts[fold] = (Start.of(groups), groups)
            model = self.fit(*self._starts[fold], rank, shrinkage)
            held_out = self._retrieval if self.by_rows else self._log_odds
            self._known[key] = held_out(model, fold)
        return self._known[key]

    def best_rank(self, shrinkage: float) -> int:
        """The smallest rank, at a given shrinkage, that is about as good as the best.

        Beyond some rank an edge is retrieved by what its two spaces share, and its bridges do not carry.
        """
        quality = {rank: self.mean(rank, shrinkage) for rank in rank_candidates(self.moments)}
        best = max(quality.values())
        return min(rank for rank, value in quality.items() if value >= best - _AS_GOOD * abs(best))

    def best_shrinkage(self, rank: int) -> float:
        """The best shrinkage at a given rank: the usual one or less, until less is clearly worse.

        How much is right spans orders of magnitude: little where a space's own structure is strong and
        regular, much where it is mostly sampling error.
        """
        best = (-math.inf, USUAL_SHRINKAGE)
        for shrinkage in _SHRINKAGES:
            quality = self.mean(rank, shrinkage)
            if quality < best[0] - _AS_GOOD * abs(best[0]):
                break
            best = max(best, (quality, shrinkage))
        return best[1]

    def best_of_both(self) -> tuple[int, float]:
        """Shrinkage at a middling rank, then the rank, then shrinkage at that rank."""
        candidates = rank_candidates(self.moments)
        middling = max([rank for rank in candidates if rank <= _MIDDLING_RANK], default=candidates[0])
        rank = self.best_rank(self.best_shrinkage(middling))
        return rank, self.best_shrinkage(rank)

    def mean(self, rank: int, shrinkage: float) -> float:
        """The candidate's quality, mean over the folds."""
        return sum(self(rank, shrinkage, fold) for fold in self.folds) / len(self.folds)

    def _retrieval(self, model: LatentModel, fold: int) -> float:
        parts = {space: posterior_map(model, space) for space in model.loadings}
        latent = {space: (self.maps[space] @ part[0]).to(torch.float32) for space, part in parts.items()}

        def score(a: str, rows_a: torch.Tensor, b: str, rows_b: torch.Tensor) -> torch.Tensor:
            pair = canonical_pair(parts[a][1], parts[b][1])
            return pair.score(rows_a @ latent[a], rows_b @ latent[b], self.similarity)

        means = {key: mean.to(torch.float32) for key, mean in self.data.means(without_fold=fold).items()}
        return held_out_mrr(score, self.data, self.edges, fold, means)

    def _log_odds(self, model: LatentModel, fold: int) -> float:
        groups = [g for g in self.moments.groups(only_fold=fold) if len(g.spaces) > 1]
        together, alone = log_likelihood(model, groups), log_likelihood(model, space_by_space(groups))
        return (together - alone) / sum(g.n for g in groups)


def rank_candidates(moments: Moments) -> list[int]:
    """The ranks to choose among: those of a fixed list that the data allow."""
    largest = largest_rank(moments)
    return [rank for rank in _RANKS if rank <= largest] or [largest]


def checked_rank(rank: int, moments: Moments) -> int:
    """``rank``, if the data allow it.

    Raises:
        SelectionError: they do not.
        NoPathError: no row holds two spaces.
    """
    largest = largest_rank(moments)
    if not 1 <= rank <= largest:
        raise SelectionError(
            "the data do not allow this rank", where="option rank", got=rank, expected=f"1 to {largest}",
            hint="use rank: auto, or a smaller number",
        )  # fmt: skip
    return rank
