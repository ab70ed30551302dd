"""The ranks that work together, as little as anybind needs of them.

`Runtime.from_env` reads what torchrun (or Kubernetes, Ray Train, accelerate) puts into the environment.
Without it there is one rank, and every operation does nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from anybind.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

# Ranks meet once a space, and a slow rank is no reason to give up. A dead one closes its connection.
_TIMEOUT = timedelta(days=7)


@dataclass(frozen=True)
class Runtime:
    """One rank among ``world``. ``Runtime()`` is the single process.

    Attributes:
        rank: 0 to world - 1.
        world: The number of ranks, >= 1.
        group: The process group of the CPU collectives; None is the default one.
    """

    rank: int = 0
    world: int = 1
    group: Any = None
    _owned: bool = False

    @classmethod
    def from_env(cls) -> Runtime:
        """Join the process group that the environment describes, over gloo.

        Raises:
            UsageError: the environment names several ranks but not how they meet, or has no valid rank.
        """
        import torch.distributed as dist

        if dist.is_available() and dist.is_initialized():
            return cls._within(dist)
        world = _number("WORLD_SIZE", 1)
        if world == 1:
            return cls()
        missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
        rank = _number("RANK", 0)
        if missing or world < 1 or not 0 <= rank < world:
            raise UsageError(
                "the environment describes no complete process group",
                got=f"WORLD_SIZE={world}, RANK={os.environ.get('RANK')}, missing: {missing}",
                hint="start with: torchrun --nproc-per-node N -m anybind ...",
            )
        dist.init_process_group("gloo", rank=rank, world_size=world, timeout=_TIMEOUT)
        # No reference to the group: its threads must end in close, when destroy_process_group drops the last
        # one. A thread that outlives the interpreter aborts the process.
        return cls(rank, world, _owned=True)

    @classmethod
    def _within(cls, dist: Any) -> Runtime:
        """Join a group that somebody else made, which may be one that only takes GPU tensors."""
        if dist.get_world_size() == 1:
            return cls()
        group = None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo", timeout=_TIMEOUT)
        return cls(dist.get_rank(), dist.get_world_size(), group)

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._owned:
            self.barrier()  # a rank that leaves while another still talks to it can take it down
        self.close()

    def close(self) -> None:
        """Leave the process group, if `from_env` made it."""
        if self._owned:
            import torch.distributed as dist

            if dist.is_initialized():
                dist.destroy_process_group()

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.world > 1:
            import torch.distributed as dist

            dist.barrier(group=self.group)

    def all_reduce_sum_(self, tensor: Tensor) -> Tensor:
        """Replace ``tensor`` by its sum over the ranks, in place, and return it.

        Args:
            tensor: float64 on the CPU, contiguous, of the same shape on every rank.

        Raises:
            UsageError: another type of numbers or memory layout; sums of statistics need float64.
        """
        import torch

        if tensor.dtype != torch.float64 or not tensor.is_contiguous() or tensor.device.type != "cpu":
            raise UsageError(
                "a tensor cannot be summed over ranks",
                got=f"{tensor.dtype} on {tensor.device}, contiguous: {tensor.is_contiguous()}",
                expected="torch.float64 on cpu, contiguous",
            )
        if self.world > 1:
            import torch.distributed as dist

            dist.all_reduce(tensor, op=dist.ReduceOp.SUM, group=self.group)
        return tensor

    def broadcast(self, value: T, source: int = 0) -> T:
        """``value`` of rank ``source``, on every rank. Plain values only."""
        if self.world == 1:
            return value
        import torch.distributed as dist

        box = [value if self.rank == source else None]
        dist.broadcast_object_list(box, src=source, group=self.group)
        received: Any = box[0]
        return received  # type: ignore[no-any-return]

    def all_gather_object(self, value: T) -> list[T]:
        """The values of all ranks, in rank order, on every rank."""
        if self.world == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value, group=self.group)
        return values


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise UsageError(
            "an environment variable is not a number", where=name, got=text, expected="0 or more"
        )
    return int(text)
