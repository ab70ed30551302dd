"""Training on several ranks: each embeds its share of a batch, and all see the whole batch.

Every rank computes the loss of the whole batch from the gathered rows, so the gradient that reaches its own
share is complete, and summing the ranks' gradients of the heads gives what one rank would have got.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from anybind.distributed import Runtime


def share(rows: int, runtime: Runtime) -> slice:
    """The rows of a batch that this rank embeds; the shares of all ranks make up the batch."""
    return slice(rows * runtime.rank // runtime.world, rows * (runtime.rank + 1) // runtime.world)


def gathered(blocks: Sequence[Tensor], sizes: Sequence[int], runtime: Runtime) -> list[Tensor]:
    """Whole batches from every rank's share of them, with gradient to the own share.

    Args:
        blocks: (share, r) float32 tensors, in the same order on every rank.
        sizes: Rows of each whole batch.
        runtime: The ranks.

    Returns:
        (size, r) tensors, the same on every rank.
    """
    if runtime.world == 1:
        return list(blocks)
    placed = [_placed(block, size, share(size, runtime)) for block, size in zip(blocks, sizes, strict=True)]
    flat: Tensor = _SumOverRanks.apply(  # type: ignore[no-untyped-call]
        torch.cat([block.flatten() for block in placed]), runtime
    )
    parts = torch.split(flat, [block.numel() for block in placed])
    return [part.view_as(block) for part, block in zip(parts, placed, strict=True)]


def sum_gradients(own: Sequence[Tensor], shared: Sequence[Tensor], runtime: Runtime) -> None:
    """Make the gradients of all ranks equal to those of one rank.

    Args:
        own: Parameters whose gradient comes from the own share of rows: summed.
        shared: Parameters whose gradient is complete on every rank: averaged, so that rounding cannot part them.
        runtime: The ranks.
    """
    if runtime.world == 1:
        return
    for parameters, divisor in ((own, 1), (shared, runtime.world)):
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            flat = _all_reduced(torch.cat([gradient.flatten() for gradient in gradients]), runtime) / divisor
            parts = torch.split(flat, [gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))


def _placed(block: Tensor, size: int, where: slice) -> Tensor:
    before, after = block.new_zeros(where.start, block.shape[1]), block.new_zeros(size - where.stop, block.shape[1])
    return torch.cat([before, block, after])


def _all_reduced(tensor: Tensor, runtime: Runtime) -> Tensor:
    import torch.distributed as dist

    total = tensor.contiguous().clone()
    dist.all_reduce(total, op=dist.ReduceOp.SUM, group=runtime.group)
    return total


class _SumOverRanks(torch.autograd.Function):
    """Sum over ranks; the gradient passes as it is, since every rank computes the same loss."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, runtime: Runtime) -> Tensor:
        return _all_reduced(tensor, runtime)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
