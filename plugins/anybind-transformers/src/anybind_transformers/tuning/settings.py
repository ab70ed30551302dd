"""What a fine-tuning is told."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from anybind import UsageError

OBJECTIVES = ("all-pairs", "mox")


@dataclass(frozen=True)
class Settings:
    """How to tune.

    Attributes:
        space: The space whose tower gets the adapter.
        target: The two spaces to bind.
        objective: "all-pairs" (InfoNCE between the spaces that rows pair) or "mox" (that, CyCLIP's consistency, and
            in the second half of the LoRA stage MOX, towards the target).
        rank: Rank of the adapter's matrices.
        alpha: The adapter counts alpha / rank.
        modules: Ends of the names of the layers that are adapted; none for the projections of queries, keys and
            values.
        joint_dim: Length of the joint vectors.
        probe_epochs: Epochs of the heads on frozen vectors.
        epochs: Epochs of heads and adapter.
        batch_size: Rows of every data set in a step.
        probe_rate: AdamW's learning rate while probing.
        rate: AdamW's learning rate of adapter and heads.
        weight_decay: AdamW's.
        temperature: Divides the cosines.
        seed: Seeds the data sets, first weights and the order of rows.
    """

    space: str
    target: tuple[str, str]
    objective: str = "all-pairs"
    rank: int = 8
    alpha: float = 16.0
    modules: tuple[str, ...] = ()
    joint_dim: int = 256
    probe_epochs: int = 25
    epochs: int = 25
    batch_size: int = 32
    probe_rate: float = 1e-3
    rate: float = 5e-4
    weight_decay: float = 0.2
    temperature: float = 0.07
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise UsageError("no such objective", got=self.objective, expected=" or ".join(OBJECTIVES))
        if self.target[0] == self.target[1]:
            raise UsageError("a target is two spaces", got=" ".join(self.target))
        counts = {name: getattr(self, name) for name in ("rank", "joint_dim", "probe_epochs", "epochs")}
        low = {"batch_size": self.batch_size, **{name: value + 1 for name, value in counts.items()}}
        rates = {name: getattr(self, name) for name in ("alpha", "probe_rate", "rate", "temperature")}
        wrong = [name for name, value in low.items() if value < 2] + [n for n, v in rates.items() if not v > 0]
        if wrong or self.weight_decay < 0:
            names = wrong or ["weight_decay"]
            raise UsageError(
                "a setting is too small", where=", ".join(names), got=", ".join(str(getattr(self, n)) for n in names),
                expected="batch_size at least 2, rank, joint_dim and epochs at least 1, rates above 0",
            )  # fmt: skip

    def key(self, data: Any) -> str:
        """A hash of the settings and of what they are used on (JSON-plain)."""
        told = json.dumps([asdict(self), data], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]
