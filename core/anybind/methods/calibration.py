"""The training objective of CalMRL (arXiv:2511.12034): a loss of whole tuples, on tuples made whole by imputation.

Two stages. In the warm-up the tuple loss sees what is observed. Then, every few epochs, the imputer is fitted to
the embeddings of all rows, and the loss sees [observed ; imputed]. A contrast of the observed pairs is added
throughout. The same code gives what calibration is compared with: tuples left as they are, tuples filled with
the mean of each space, and masked views, where a space that is present is hidden now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch

from anybind.distributed import Runtime
from anybind.methods.isotropic_latent import IsotropicModel
from anybind.methods.latent_imputer import LatentImputer, fold_sums
from anybind.methods.pattern_sums import PatternSums, summed
from anybind.methods.trained import mean_over_pairs
from anybind.objectives.gram import gram_loss
from anybind.objectives.info_nce import info_nce
from anybind.objectives.pmrl import pmrl_loss
from anybind.objectives.symile import symile_loss
from anybind.objectives.triangle import triangle_loss
from anybind.objectives.tuples import stack_spaces
from anybind.training.step import ByDataset, BySpace, Step

EmbedAll: TypeAlias = Callable[[], tuple[ByDataset, ByDataset]]

# The published temperatures of PMRL, between tuples and between the singular values of one.
_PMRL_SCALES = (10.0, 20.0)
# Embeddings move little from one refresh to the next, and EM goes on from where it was.
_REFRESH_SWEEPS = 10
# Masked views reach their full probability after this share of the epochs.
_ANNEALED = 0.5


@dataclass
class Calibrated:
    """One training's objective; see ``anybind.training.step.Objective``.

    Attributes:
        spaces: All spaces of the graph, sorted; those a row does not show are its missing ones.
        loss: "pmrl", "gram", "triangle" or "symile".
        missing: "impute", "mean" or "observed": what becomes of missing spaces.
        rank: Of the imputer, or "auto".
        warm_up: Epochs before anything is filled.
        refresh: Epochs from one fit of the imputer to the next.
        detach: No gradient through what is imputed.
        renormalise: Scale what is filled to unit length.
        matching: Weight of the contrast of observed pairs.
        masked_views: Probability, at its highest, that a row of three or more spaces hides one.
        runtime: The ranks; all go by the first one's imputer.
        folds: Data set -> (n,) fold of every row, for the choice of the rank.
        imputer: As it was fitted last; None in the warm-up.
    """

    spaces: Sequence[str]
    loss: str
    missing: str
    rank: int | str
    warm_up: int
    refresh: int
    detach: bool
    renormalise: bool
    matching: float
    masked_views: float
    runtime: Runtime = field(default_factory=Runtime)
    folds: Mapping[str, torch.Tensor] = field(default_factory=dict)
    imputer: LatentImputer | None = None

    def begin_stage(self, folds: Mapping[str, torch.Tensor]) -> None:
        """Take the folds of the rows that will be trained on."""
        self.folds = folds

    def begin_epoch(self, epoch: int, embed_all: EmbedAll) -> None:
        """Fit the imputer anew when it is time."""
        if self.missing != "observed" and epoch >= self.warm_up and (epoch - self.warm_up) % self.refresh == 0:
            embedded, present = embed_all()
            fitted = self._mean_filler(embedded, present) if self.missing == "mean" else self._fit(embedded, present)
            self.imputer = self.runtime.broadcast(fitted)

    def __call__(self, step: Step) -> dict[str, torch.Tensor]:
        """The tuple loss, a mean over the rows of all data sets, and the contrast of observed pairs."""
        total, count = torch.zeros(()), 0
        for name in step.embedded:
            vectors, shown = self._tuples(step, name)
            rows = int((shown.sum(1) >= 2).sum())
            if rows >= 2:
                total = total + rows * self._tuple_loss(vectors, shown, step)
                count += rows
        losses = {self.loss: total / max(count, 1)}
        if self.matching:
            losses["matching"] = self.matching * mean_over_pairs(step, info_nce, lambda a, b: True)
        return losses

    def state(self) -> dict[str, torch.Tensor]:
        """The imputer; empty before the end of the warm-up."""
        return {} if self.imputer is None else self.imputer.tensors()

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take back what ``state`` gave."""
        self.imputer = None
        if state:
            rank = next(tensor.shape[1] for name, tensor in state.items() if name.endswith("/loading"))
            self.imputer = LatentImputer.restore(LatentImputer(rank=rank).config(), state)

    # ---------------------------------------------------------------- filling

    def _fit(self, embedded: ByDataset, present: ByDataset) -> LatentImputer:
        """The imputer of all rows; its parameters so far are where it goes on from, and its rank stays."""
        if self.imputer is None and self.rank == "auto":
            parts = [fold_sums(embedded[name], present[name], self.folds[name]) for name in embedded]
            fitted = LatentImputer().fit_sums(_by_fold(parts))
        else:
            start = replace(self.imputer, sweeps=_REFRESH_SWEEPS) if self.imputer else LatentImputer(rank=self.rank)
            fitted = start.fit_sums([summed([PatternSums.of(embedded[name], present[name]) for name in embedded])])
        return replace(fitted, statistics=None)

    def _mean_filler(self, embedded: ByDataset, present: ByDataset) -> LatentImputer:
        """An imputer whose latent dims do nothing: it imputes the mean."""
        means, _, _ = summed([PatternSums.of(embedded[name], present[name]) for name in embedded]).pooled()
        loadings = {space: torch.zeros(len(mean), 1, dtype=torch.float64) for space, mean in means.items()}
        return LatentImputer(rank=1, model=IsotropicModel(loadings, means, dict.fromkeys(means, 1.0)))

    def _filled(self, embedded: BySpace, present: BySpace) -> BySpace:
        """Every space of every row: embedded where present, else imputed."""
        assert self.imputer is not None  # noqa: S101 - fitted at the end of the warm-up
        shown = {space: rows.detach() if self.detach else rows for space, rows in embedded.items()}
        complete = self.imputer.complete(shown, present)
        if self.renormalise:
            complete = {space: torch.nn.functional.normalize(rows, dim=1) for space, rows in complete.items()}
        own = {space: torch.where(present[space][:, None], rows, complete[space]) for space, rows in embedded.items()}
        return {**complete, **own}

    # ----------------------------------------------------------------- losses

    def _tuples(self, step: Step, dataset: str) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, k, r) and (n, k) bool: the tuples as the loss sees them, over all spaces of the graph."""
        embedded = step.embedded[dataset]
        present = self._masked(step.present[dataset], step)
        if self.imputer is not None:
            something = torch.stack(list(present.values())).any(0)
            embedded = self._filled(embedded, present)
            present = dict.fromkeys(self.spaces, something)
        return stack_spaces(embedded, present, self.spaces)

    def _tuple_loss(self, vectors: torch.Tensor, present: torch.Tensor, step: Step) -> torch.Tensor:
        if self.loss == "pmrl":
            between, within = _PMRL_SCALES
            return pmrl_loss(vectors, present, between, intra_scale=within)
        scale = torch.stack([step.scales[space].log() for space in self.spaces]).mean().exp()
        if self.loss == "symile":
            # so that products of k unit vectors count like cosines
            scale = scale * float(vectors.shape[2] ** (vectors.shape[1] / 2 - 1))
            return symile_loss(vectors, present, scale, generator=step.generator)
        return (gram_loss if self.loss == "gram" else triangle_loss)(vectors, present, scale)

    def _masked(self, present: BySpace, step: Step) -> BySpace:
        """Presence with one space fewer in some of the rows that show three or more."""
        likely = self.masked_views * min(1.0, step.epoch / max(1.0, _ANNEALED * step.epochs))
        if not likely:
            return present
        shown = torch.stack(list(present.values()), 1)
        lots = torch.where(shown, torch.rand(shown.shape, generator=step.generator), -1.0)
        hides = (shown.sum(1) >= 3) & (torch.rand(len(shown), generator=step.generator) < likely)
        chosen = torch.nn.functional.one_hot(lots.argmax(1), shown.shape[1]).bool() & hides[:, None]
        return dict(zip(present, (shown & ~chosen).unbind(1), strict=True))


def _by_fold(parts: Sequence[Mapping[int, PatternSums]]) -> list[PatternSums]:
    """The statistics of each fold, over data sets."""
    folds = sorted({fold for part in parts for fold in part})
    return [summed([part[fold] for part in parts if fold in part]) for fold in folds]
