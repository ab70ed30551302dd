"""FuseMix (Vouitsis et al. 2024, arXiv:2312.10144): augment stored embeddings by mixing rows, alike in all spaces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch


def mix(
    inputs: Mapping[str, torch.Tensor],
    present: Mapping[str, torch.Tensor],
    generator: torch.Generator,
    alpha: float = 1.0,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Replace every row by ``w x_i + (1 - w) x_p(i)``, with one w ~ Beta(alpha, alpha) and one permutation p.

    Coefficient and permutation are the same in every space, so that row i of one space is still the partner
    of row i of another: the mixture of the partners.

    Args:
        inputs: Space -> (n, d) rows of one data set.
        present: Space -> (n,) bool.
        generator: Draws w and p.
        alpha: > 0; large values mix half and half, small ones leave rows nearly as they are.

    Returns:
        Space -> (n, d) mixed rows, zeros where one of the two rows is missing; space -> (n,) which are not.
    """
    rows = len(next(iter(inputs.values())))
    seed = int(torch.randint(2**62, (1,), generator=generator))
    weight = float(np.random.default_rng(seed).beta(alpha, alpha))
    order = torch.randperm(rows, generator=generator)
    both = {space: held & held[order] for space, held in present.items()}
    mixed = {
        space: torch.where(both[space][:, None], weight * x + (1 - weight) * x[order], torch.zeros_like(x))
        for space, x in inputs.items()
    }
    return mixed, both
