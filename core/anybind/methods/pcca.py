"""``pcca``: one low-rank probabilistic CCA over all spaces and data sets, with missing blocks.

Use it by default: it joins any number of spaces and data sets (chains, loops, stars) in one joint space,
corrects for the noise of the pivot's embeddings, and needs moments only.

Model and EM: ``anybind.methods.latent``. Rows become kernel features (``anybind.features``)
unless held-out rows say that the vectors themselves are clearly better; they are centred
per data set and reduced to their ``dims`` leading directions. Rank and noise shrinkage are chosen by
retrieval on held-out rows of the edges that exist (``anybind.methods.choice``). Cost of a fit: one
eigendecomposition per space (d^3), then EM at (sum of dims)^2 * rank per step and data set.

Similarities: ``anybind.methods.similarity``. Imputation and fusion: ``anybind.methods.posterior``.
Two readings of one modality that differ in their noise (several captions of an image, say) are two
spaces of one data set: what they share says how reliable each is, and nothing else need be declared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from anybind.errors import NoPathError, SelectionError, UsageError
from anybind.fit_data import FitData
from anybind.methods.choice import USUAL_SHRINKAGE, Judge, checked_rank, rank_candidates
from anybind.methods.held_out_reliability import Pair, held_out_agreement, shared_out, signal_over_noise
from anybind.methods.joined import connected_parts, joined_groups
from anybind.methods.latent import LatentModel, Start, run_em
from anybind.methods.latent_space import LatentSpace
from anybind.methods.mean_shift import latent_shifts
from anybind.methods.on_features import OnFeatures
from anybind.methods.posterior import Imputed, Posterior, fused, imputed, posterior_of
from anybind.methods.presence import Rows
from anybind.methods.principal import PrincipalAxes, principal_axes, projections
from anybind.methods.similarity import CanonicalPair, InnerProduct, canonical_pair
from anybind.methods.space_map import pooled_means
from anybind.methods.warm_start import warm_start
from anybind.moments import Group, Moments
from anybind.steps import Steps

_OPTIONS = ("rank", "shrinkage", "dims", "steps", "similarity", "noise", "latent", "means", "centring")
_SELECTION_STEPS = 10
# Fewer rows than this do not tell their mean well enough to be centred by it.
_ROWS_TO_CENTRE = 20


@dataclass(frozen=True)
class PCCA(OnFeatures):
    """Low-rank probabilistic CCA with missing blocks.

    Args:
        rank: Latent dims, or "auto" to choose on held-out edges.
        shrinkage: Isotropic pseudo-rows per noise covariance, in units of dims / 2, or "auto".
        dims: Leading directions kept per space.
        steps: EM steps.
        similarity: "cosine" or "llr".
        noise: "full", "diagonal" (along a space's principal axes) or "isotropic" noise covariances.
        latent: "shared", or "own": every data set has its own covariance of z, with I as their mean.
        means: "affine" corrects a space's mean for which items it was seen with, from training rows alone
            (``anybind.methods.mean_shift``); "pooled" is the plain mean of all its rows.
        centring: "training", or "batch": ``score`` centres queries and gallery by their own means where there
            are 20 or more rows of each. That uses statistics of the test batch, so a score then depends on
            the other rows.
        features, kernel, width, landmarks, feature_dims: As in ``OnFeatures``.
        spaces, parts: What was fitted: every space, and which of them are joined.
        trust: Space -> c in (0, 1]: its precision on held-out rows, as a share of what the fit saw. Empty where no
            rows could be held out.
    """

    rank: int | str = "auto"
    shrinkage: float | str = "auto"
    dims: int = 384
    steps: int = 20
    similarity: str = "cosine"
    noise: str = "full"
    latent: str = "shared"
    means: str = "affine"
    centring: str = "training"
    spaces: Mapping[str, LatentSpace] = field(default_factory=dict)
    parts: Sequence[Sequence[str]] = ()
    trust: Mapping[str, float] | None = None

    def settled(self) -> PCCA:
        """This method unfitted, with the rank and shrinkage it has chosen, and the trust it has measured."""
        return replace(self, spaces={}, parts=())

    # ------------------------------------------------------------------------------------ fitting

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[tuple[str, str]] = (),
        routes: Mapping[tuple[str, str], Any] | None = None,
        seed: int = 0,
    ) -> PCCA:
        """Fit to every data set at once; see ``BinderMethod.fit``. Deterministic: targets, routes and seed are unused.

        Raises:
            SelectionError: rank or shrinkage is "auto" and too few paired rows can be held out, or the rank is
                more than the data allow.
            DataError: a space does not vary.
            NoPathError: no row holds two spaces.
        """
        axes = principal_axes(data.moments, self.dims)
        moments = data.moments.projected(projections(axes))
        chosen = self._choose(data, moments, axes)
        fitted = chosen._run(data.moments, moments, axes)
        return fitted if self.trust is not None else replace(fitted, trust=fitted._measured_trust(data, axes))

    def fit_moments(self, moments: Moments) -> PCCA:
        """Fit where rows may not leave their owners: to the merged moments of all of them.

        Choices that are left open go by held-out log-odds instead of retrieval; errors as for ``fit``.
        """
        return self.fit(FitData(moments, {}, {}))

    def partial_fit(
        self,
        moments: Moments,
        *,
        targets: Sequence[tuple[str, str]] = (),
        routes: Mapping[tuple[str, str], Any] | None = None,
        steps: int = 5,
    ) -> PCCA:
        """Go on from this fit with more rows, data sets or spaces, at the rank and shrinkage it has.

        Args:
            moments: Of everything, in the coordinates of this fit: those it was fitted to, merged with the new.
            targets, routes: Unused, as by ``fit``.
            steps: EM steps from here; 5 come as far as a fit from scratch does in about 20.

        Returns:
            A new fitted object; from scratch where some part of the new data joins no space of this fit.

        Raises:
            UsageError: this method is not fitted.
            ShapeError: a space had other dims.
            SelectionError, DataError, NoPathError: as for ``fit``.
        """
        if not self.spaces:
            raise UsageError("there is no fit to go on from", hint="use fit or fit_moments first")
        axes = principal_axes(moments, self.dims)
        projected = moments.projected(projections(axes))
        rank, shrinkage = checked_rank(int(self.rank), projected), float(self.shrinkage)
        groups = joined_groups(projected)
        if all(self.spaces.keys() & set(part) for part in connected_parts(moments)):
            known = {s: each.loading_along(axes[s].into) for s, each in self.spaces.items() if s in axes}
            start = warm_start(known, groups, shrinkage, self.noise, own_priors=self.latent == "own")
            model = run_em(start, groups, shrinkage, steps)
        else:
            model = self._em(Start.of(groups), groups, rank, shrinkage)
        grown = self._fitted(model, moments, groups, axes)
        if not self.trust:
            return grown
        least = min(self.trust.values())  # no held-out rows tell of new spaces
        return replace(grown, trust=dict.fromkeys(grown.spaces, least) | dict(self.trust))

    def _run(self, moments: Moments, projected: Moments, axes: Mapping[str, PrincipalAxes]) -> PCCA:
        """Fitted with the rank and shrinkage it has."""
        groups = joined_groups(projected)
        model = self._em(Start.of(groups), groups, int(self.rank), float(self.shrinkage))
        return self._fitted(model, moments, groups, axes)

    def _measured_trust(self, data: FitData, axes: Mapping[str, PrincipalAxes]) -> dict[str, float]:
        """Fits without a fold tell, by its rows, how much less precise each space is than it looked to them."""
        brief = replace(self, steps=min(self.steps, _SELECTION_STEPS))

        def refit(seen: FitData) -> PCCA:
            return brief._run(seen.moments, seen.moments.projected(projections(axes)), axes)

        with suppress(SelectionError):  # a fit with given options needs no held-out rows
            kept = shared_out(held_out_agreement(data, refit, PCCA.embed, PCCA._expected_agreement))
            return {space: _trust(self.spaces[space], share) for space, share in kept.items()}
        return {}

    def _expected_agreement(self, pair: Pair) -> float:
        """How far the embeddings of two spaces correlate as wholes, by the model."""
        a, b = (self.spaces[space].reliability for space in pair)
        size = float(a.trace() * b.trace()) ** 0.5
        return float((a * b).sum()) / size if size > 0 else 0.0

    def _em(self, start: Start, groups: Sequence[Group], rank: int, shrinkage: float) -> LatentModel:
        model = start.model(rank, self.noise, own_priors=self.latent == "own")
        return run_em(model, groups, shrinkage, self.steps)

    def _judge(self, data: FitData, moments: Moments, axes: Mapping[str, PrincipalAxes]) -> Judge:
        brief = replace(self, steps=min(self.steps, _SELECTION_STEPS))
        return Judge(data, moments, projections(axes), self.similarity, brief._em)

    def _choose(self, data: FitData, moments: Moments, axes: Mapping[str, PrincipalAxes]) -> PCCA:
        """With rank and shrinkage as numbers."""
        rank, shrinkage = self.rank, self.shrinkage
        candidates = rank_candidates(moments)
        if rank == "auto" and len(candidates) == 1:
            rank = candidates[0]
        if shrinkage == "auto" and self.noise == "isotropic":
            shrinkage = USUAL_SHRINKAGE  # isotropic is what it draws to
        if rank == "auto" and shrinkage == "auto":
            rank, shrinkage = self._judge(data, moments, axes).best_of_both()
        elif rank == "auto":
            rank = self._judge(data, moments, axes).best_rank(float(shrinkage))
        elif shrinkage == "auto":
            shrinkage = self._judge(data, moments, axes).best_shrinkage(checked_rank(int(rank), moments))
        return replace(self, rank=checked_rank(int(rank), moments), shrinkage=float(shrinkage))

    def _fitted(
        self, model: LatentModel, moments: Moments, groups: Sequence[Group], axes: Mapping[str, PrincipalAxes]
    ) -> PCCA:
        means, parts = pooled_means(moments), connected_parts(moments)
        spaces = {s: LatentSpace.of(model, s, axes[s], means[s]) for s in model.loadings}
        if self.means == "affine":
            shifts = latent_shifts(model, groups, parts)
            spaces = {s: each.moved(shifts[s]) for s, each in spaces.items()}
        return replace(self, rank=model.rank, spaces=spaces, parts=parts)

    # ------------------------------------------------------------------------------------ using

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Posterior mean of z given one space: (n, dim) -> (n, rank) float32. Always centred by the training mean.

        Raises:
            NoPathError: no row paired the space with another.
        """
        self._require_joined(space)
        return self.spaces[space].encode(vectors).to(torch.float32)

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        self._require_joined(space)
        return self.spaces[space].encode.embedding_steps()

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32; see ``anybind.methods.similarity`` for the two similarities.

        Raises:
            NoPathError: no chain of data sets joins the two spaces, so the model knows nothing in common.
        """
        pair = self._pair(space_a, space_b)
        by_batch = self.centring == "batch" and min(len(a), len(b)) >= _ROWS_TO_CENTRE
        latent_a, latent_b = self._latent(space_a, a, by_batch), self._latent(space_b, b, by_batch)
        return pair.score(latent_a, latent_b, self.similarity).to(torch.float32)

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """The similarity of two spaces' rows as one inner product, which an index can hold.

        ``p.left(a) @ p.right(b).T`` is ``score``, of (n, rank) vectors for the cosine and (n, rank + 2) for
        the log-odds. Rows are centred by the training means, whatever ``centring`` is.

        Raises:
            NoPathError: no chain of data sets joins the two spaces.
        """
        pair, kind = self._pair(space_a, space_b), self.similarity

        def left(rows: torch.Tensor) -> torch.Tensor:
            return pair.left_vectors(self._latent(space_a, rows), kind).to(torch.float32)

        def right(rows: torch.Tensor) -> torch.Tensor:
            return pair.right_vectors(self._latent(space_b, rows), kind).to(torch.float32)

        return InnerProduct(left, right)

    def fuse(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """Posterior mean of z given all that each row shows, (n, rank) float32; one space alone is ``embed``.

        Spaces count by their precision on held-out rows beside each other; see ``anybind.methods.posterior.fused``.

        Args:
            rows: Space -> (n, dim); row i of every space is the same item.
            present: Space -> (n,) bool, where rows are missing. A row that shows nothing is at the mean, 0.

        Raises:
            UsageError: no space is given, or ``present`` names one that is not.
            ShapeError: the shapes do not fit.
            NoPathError: no chain of data sets joins the spaces.
        """
        self._require_joined(*rows)
        return fused(self.spaces, rows, present, self.trust or {}).to(torch.float32)

    def uncertainty(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """(n,) float32 in (0, 1]: mean posterior variance per dim of z; 1 where a row says nothing.

        It depends on which spaces a row shows, not on their values. Args and errors as for ``fuse``.
        """
        return self.posterior(rows, present).uncertainty.to(torch.float32)

    def posterior(self, rows: Rows, present: Rows | None = None) -> Posterior:
        """Mean and covariance of z given all that each row shows; args and errors as for ``fuse``."""
        self._require_joined(*rows)
        return posterior_of(self.spaces, rows, present, self.trust)

    def impute(self, goal: str, rows: Rows, present: Rows | None = None) -> Imputed:
        """What a space's rows are expected to be, in the coordinates the method sees, given what each row shows.

        Args:
            goal: The space to fill in. Where it is among ``rows`` and present, the row stays as it is.
            rows: Space -> (n, dim); row i of every space is the same item.
            present: Space -> (n,) bool, where rows are missing.

        Returns:
            ``mean`` and ``variance``, (n, dim) float32 each; directions beyond ``dims`` are at the space's mean.

        Raises:
            As ``fuse``.
        """
        self._require_joined(goal, *rows)
        return imputed(self.spaces, goal, rows, present, self.trust)

    def _pair(self, space_a: str, space_b: str) -> CanonicalPair:
        self._require_joined(space_a, space_b)
        return canonical_pair(self.spaces[space_a].reliability, self.spaces[space_b].reliability)

    def _latent(self, space: str, rows: torch.Tensor, by_batch: bool = False) -> torch.Tensor:
        latent = self.spaces[space].encode(rows)
        return latent - latent.mean(0) if by_batch else latent

    def _require_joined(self, *spaces: str) -> None:
        alone = [space for space in spaces if space not in self.spaces]
        if alone:
            raise NoPathError("no row pairs this space with another", where=repr(alone[0]))
        if not any(set(spaces) <= set(part) for part in self.parts):
            where = " and ".join(map(repr, spaces))
            raise NoPathError("no chain of paired rows joins two spaces", where=where)

    # ------------------------------------------------------------------------------------ saving

    def config(self) -> dict[str, Any]:
        """Fitted choices."""
        options = {name: getattr(self, name) for name in _OPTIONS} | self.feature_config()
        parts = [list(part) for part in self.parts]
        return options | {"spaces": sorted(self.spaces), "parts": parts, "trust": dict(self.trust or {})}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Per space, of dim d and at rank r, float64: mean (d,), map (d, r), precision (r, r); float32: loading
        (d, r), variance (d,). See ``anybind.methods.latent_space``."""
        return {name: tensor for space, each in self.spaces.items() for name, tensor in each.tensors(space).items()}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> PCCA:
        """Rebuild from ``config`` and ``tensors``.

        Raises:
            ArtifactError: a tensor has the wrong shape.
            KeyError: a tensor or a field is missing; ``Binder.from_pretrained`` explains it.
        """
        spaces = {space: LatentSpace.restore(space, tensors, config["rank"]) for space in config["spaces"]}
        options = {name: config[name] for name in _OPTIONS} | cls.saved_features(config)
        return cls(**options, spaces=spaces, parts=config["parts"], trust=config.get("trust", {}))


def _trust(space: LatentSpace, share: float) -> float:
    """What is left of a space's signal over noise, when its embedding has this share of the model's reliability."""
    g = math.sqrt(max(float(space.reliability.trace()), 0) / len(space.reliability))
    return signal_over_noise(share * g) / signal_over_noise(g) if g > 0 else 1.0
