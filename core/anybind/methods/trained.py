"""What the trained methods share: heads on stored embeddings, cosine in the joint space, saving and loading.

A method subclasses ``TrainedMethod``, adds its own options as fields, and gives an objective (see
``anybind.training.step``). Which epochs, batches, checkpoints and ranks: ``anybind.training``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from anybind.errors import ArtifactError, NoPathError
from anybind.fit_data import FitData
from anybind.methods.joined import Parts, connected_parts
from anybind.methods.on_features import OnFeatures
from anybind.methods.similarity import InnerProduct
from anybind.methods.space_map import pooled_means, require_variance
from anybind.objectives.info_nce import info_nce
from anybind.objectives.sigmoid import sigmoid_loss
from anybind.steps import Shift, Steps
from anybind.training.heads import Head
from anybind.training.job import Job
from anybind.training.loop import train
from anybind.training.options import TrainingOptions
from anybind.training.step import Objective, Step

Pair = tuple[str, str]
Route = tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """What a trained method is fitted on, beside its options.

    Attributes:
        data: Moments, samples and rows.
        parts: The spaces in parts that chains of paired rows join.
        targets: The pairs of spaces that matter.
        routes: For each target its pivot routes, best first.
        seed: Seeds every random choice.
    """

    data: FitData
    parts: Parts
    targets: Sequence[Pair]
    routes: Mapping[Pair, Sequence[Route]]
    seed: int


@dataclass(frozen=True)
class JointSpace:
    """A fitted joint space.

    Attributes:
        means: Space -> (d,) float64.
        heads: Space -> head for centred rows.
        parts: The spaces in parts within which they can be compared.
        history: How the training went; see ``anybind.training.loop.Trained``.
    """

    means: Mapping[str, Tensor] = field(default_factory=dict)
    heads: Mapping[str, Head] = field(default_factory=dict)
    parts: Parts = ()
    history: Mapping[str, Any] = field(default_factory=dict)

    def embed(self, space: str, vectors: Tensor) -> Tensor:
        """(n, d) rows -> (n, r) float32 unit rows; raises NoPathError for a space without a head."""
        # float64, so that no row is too long or too short
        return self._head(space)(vectors.to(torch.float64) - self.means[space]).to(torch.float32)

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        steps = self._head(space).embedding_steps()
        return Shift(-self.means[space]), *steps

    def _head(self, space: str) -> Head:
        if space not in self.heads:
            raise NoPathError(
                "the training joined this space to no other", where=repr(space), got="no head",
                expected=f"one of {', '.join(self.heads)}",
            )  # fmt: skip
        return self.heads[space]

    def require_joined(self, a: str, b: str) -> None:
        """Raise NoPathError unless the training joined two spaces."""
        if not any(a in part and b in part for part in self.parts):
            raise NoPathError(
                "the training did not join two spaces", where=f"{a!r} and {b!r}",
                hint="no chain of the pairs that this method trains on leads from one to the other",
            )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        """``<space>/mean`` and the head's weights as ``<space>/<name>``."""
        means = {f"{space}/mean": mean for space, mean in self.means.items()}
        weights = {f"{space}/{name}": w for space, head in self.heads.items() for name, w in head.weights.items()}
        return means | weights

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> JointSpace:
        """The joint space of ``tensors``; raises ArtifactError when a shape does not fit."""
        spaces = [space for part in config["parts"] for space in part]
        means = {space: tensors[f"{space}/mean"] for space in spaces}
        heads = {space: _restored_head(space, tensors) for space in spaces}
        for space, head in heads.items():
            expected = (*means[space].shape, config["joint_dim"])
            if head is None or head.shape != expected:
                raise ArtifactError(
                    "a head has the wrong shape", where=f"space {space!r}", got=head and head.shape, expected=expected
                )
        parts = tuple(tuple(part) for part in config["parts"])
        return cls(means, {s: head for s, head in heads.items() if head is not None}, parts, config["history"])


@dataclass(frozen=True)
class TrainedMethod(OnFeatures, TrainingOptions):
    """Base of the methods that train heads; its options are ``TrainingOptions`` and ``OnFeatures``.

    A subclass sets ``label``, its registered name, and defines ``objective``. The rest may be left as it is.

    Attributes:
        joint: The fitted joint space; None before ``fit``.
    """

    joint: JointSpace | None = None

    label: ClassVar[str]
    # Rows that show fewer spaces are not trained on.
    fewest: ClassVar[int] = 2
    # Fields that are no options.
    fitted_fields: ClassVar[tuple[str, ...]] = ("joint",)

    def objective(self, setting: Setting) -> Objective:
        """A new objective; called on the settled method, anew for every stage of a training."""
        raise NotImplementedError

    def settled(self, setting: Setting) -> Self:
        """This method with every "auto" replaced by what it is on these data."""
        return self

    def trained_parts(self, setting: Setting) -> Parts:
        """The spaces to train, in parts within which they can be compared afterwards."""
        return setting.parts

    def frozen_spaces(self) -> frozenset[str]:
        """Spaces whose head keeps the leading directions of its rows."""
        return frozenset()

    def second_view(self) -> float:
        """Noise of ``Step.augmented``, in standard deviations of the inputs; 0 for none."""
        return 0.0

    def warm_up_epochs(self) -> int:
        """Epochs, fewer than all, before the objective is complete; training does not stop there."""
        return 0

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Any] | None = None,
        seed: int = 0,
    ) -> Self:
        """Train heads on every data set at once; see ``BinderMethod.fit``.

        Raises:
            NoPathError: no row holds two spaces.
            DataError: a space does not vary.
            UsageError, UnknownNameError: an option does not fit the data, or the training diverged.
            StoreError: a checkpoint cannot be written.
        """
        setting = Setting(data, _parts(data), tuple(targets), routes or {}, seed)
        method, job = self._job(setting)
        trained = train(job)
        means = {space: mean for space, mean in pooled_means(data.moments).items() if space in job.spaces}
        joint = JointSpace(means, trained.heads, method.trained_parts(setting), trained.history)
        return replace(method, joint=joint)

    def _job(self, setting: Setting) -> tuple[Self, Job]:
        """The settled method, and what it trains."""
        data, method = setting.data, self.settled(setting)
        parts = method.trained_parts(setting)
        spaces = tuple(sorted(space for part in parts for space in part))
        groups = data.groups()
        for space in spaces:
            require_variance(groups, space)
        rows = data.rows()
        return method, Job(
            label=method.label,
            options=method,
            settings={"options": method.options(), "parts": parts, "targets": setting.targets},
            samples=rows,
            spaces=spaces,
            objective=lambda: method.objective(setting),
            unseen={name: data.as_unseen(sample) for name, sample in rows.items()} if method.patience else None,
            seed=setting.seed,
            context=data.context,
            frozen=method.frozen_spaces(),
            fewest=method.fewest,
            augmentation=method.second_view(),
            warm_up=method.warm_up_epochs(),
        )

    def embed(self, space: str, vectors: Tensor) -> Tensor:
        """(n, dim) rows -> (n, joint_dim) float32 unit rows; raises NoPathError for a space that was not trained."""
        return self._fitted().embed(space, vectors)

    def score(self, space_a: str, a: Tensor, space_b: str, b: Tensor) -> Tensor:
        """(n_a, n_b) float32 cosines in the joint space.

        Raises:
            NoPathError: the training did not join the two spaces.
        """
        self._fitted().require_joined(space_a, space_b)
        return self.embed(space_a, a) @ self.embed(space_b, b).T

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        return self._fitted().embedding_steps(space)

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """``score`` as one inner product: of ``embed``; errors as it."""
        self._fitted().require_joined(space_a, space_b)
        return InnerProduct(partial(self.embed, space_a), partial(self.embed, space_b))

    def options(self) -> dict[str, Any]:
        """Every option by name, JSON-plain."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in self.fitted_fields}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def config(self) -> dict[str, Any]:
        """Options as they were settled, the spaces that were joined, and how the training went."""
        joint = self._fitted()
        return {**self.options(), "parts": [list(part) for part in joint.parts], "history": dict(joint.history)}

    def tensors(self) -> dict[str, Tensor]:
        """Means and heads; see ``JointSpace.tensors``."""
        return self._fitted().tensors()

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        """Rebuild from ``config`` and ``tensors``.

        Raises:
            ArtifactError: a tensor has the wrong shape.
            KeyError: a tensor or a field is missing; ``Binder.from_pretrained`` explains it.
        """
        names = [f.name for f in fields(cls) if f.name not in cls.fitted_fields]
        return cls(**{name: config[name] for name in names}, joint=JointSpace.restore(config, tensors))

    def _fitted(self) -> JointSpace:
        assert self.joint is not None, "fit first"  # noqa: S101 - users hold binders, which are always fitted
        return self.joint


def _parts(data: FitData) -> Parts:
    parts = connected_parts(data.moments)
    if not parts:
        where = f"data sets {', '.join(data.moments.datasets)}"
        raise NoPathError("no data set holds two spaces in one row", where=where)
    return parts


def _restored_head(space: str, tensors: Mapping[str, Tensor]) -> Head | None:
    """A space's head, None when its tensors are not of one."""
    names = ("weight",) if f"{space}/weight" in tensors else ("inner", "bias", "outer")
    weights = {name: tensors[f"{space}/{name}"] for name in names}
    ranks = [1 if name == "bias" else 2 for name in names]
    if [tensor.ndim for tensor in weights.values()] != ranks:
        return None
    hidden = {weights["inner"].shape[1], len(weights["bias"]), len(weights["outer"])} if len(names) > 1 else {0}
    return Head(weights) if len(hidden) == 1 else None


# ------------------------------------------------------------------------------------- losses of pairs

PairLoss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def pair_loss(name: str) -> PairLoss:
    """(a, b, scale, mask) -> () loss of paired unit rows: "softmax" (InfoNCE) or "sigmoid" (SigLIP).

    SigLIP learns its bias, from -10. In the few steps that heads take it would hardly move, so it is fixed at
    the log-odds that two rows of a batch are a pair.
    """
    return info_nce if name == "softmax" else _sigmoid


def _sigmoid(a: Tensor, b: Tensor, scale: Tensor, mask: Tensor) -> Tensor:
    return sigmoid_loss(a, b, scale, -math.log(max(int(mask.sum()) - 1, 1)), mask)


def mean_over_pairs(step: Step, loss: PairLoss, wanted: Callable[[str, str], bool]) -> Tensor:
    """The mean loss of all pairs of spaces that are wanted, in all data sets; each counts by its rows in the batch.

    So a tiny data set does not steer the others.
    """
    total, count = torch.zeros(()), 0
    for dataset, embedded in step.embedded.items():
        spaces, present = sorted(embedded), step.present[dataset]
        for a, b in [(a, b) for i, a in enumerate(spaces) for b in spaces[i + 1 :] if wanted(a, b)]:
            both = present[a] & present[b]
            scale = (step.scales[a] * step.scales[b]).sqrt()
            rows = int(both.sum())
            if rows >= 2:
                total = total + rows * loss(embedded[a], embedded[b], scale, both)
                count += rows
    return total / max(count, 1)
