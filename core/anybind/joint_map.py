"""A binder's maps in the forms that other tools can hold: as a list of steps, and as one inner product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from anybind.errors import UsageError
from anybind.methods.similarity import InnerProduct
from anybind.steps import Steps

if TYPE_CHECKING:
    from anybind.binder import Binder


def joint_steps(binder: Binder, space: str) -> Steps:
    """``binder.embed`` of a space, from raw vectors on, step by step.

    Raises:
        UnknownNameError: no such space.
        NoPathError: the fit joined the space to no other.
        UsageError: the method cannot tell its steps.
    """
    info = binder._space(space)
    own: Steps = _asked(binder, "embedding_steps")(info.name)
    return *binder._inputs[info.name].embedding_steps(), *own


def inner_product(binder: Binder, space_a: str, space_b: str) -> InnerProduct:
    """``binder.score`` of two spaces as one inner product of two vectors, each told from one side alone.

    ``p.left(a) @ p.right(b).T`` is the score of raw vectors. Where a method centres by the rows of the call
    (pcca's ``centring: batch``), rows are centred by the training means instead.

    Raises:
        UnknownNameError: no such space.
        NoPathError: the fit has no route between the two.
        UsageError: the method's score is no inner product.
    """
    product: InnerProduct = _asked(binder, "as_inner_product")(binder._space(space_a).name, binder._space(space_b).name)

    def left(vectors: Any) -> torch.Tensor:
        return product.left(binder._prepared(space_a, vectors))

    def right(vectors: Any) -> torch.Tensor:
        return product.right(binder._prepared(space_b, vectors))

    return InnerProduct(left, right)


def _asked(binder: Binder, name: str) -> Any:
    found = getattr(binder._method, name, None)
    if found is None:
        raise UsageError(f"the method {binder.method_name!r} cannot be exported", got=f"a method without {name}",
                         expected="one of anybind's own methods")  # fmt: skip
    return found
