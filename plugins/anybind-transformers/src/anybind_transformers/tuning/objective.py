"""What is minimised: InfoNCE between the spaces that rows pair; with "mox" also CyCLIP's consistency, and MOX.

    all-pairs   L = mean over data sets and pairs of InfoNCE(z_a, z_b), each by its rows
    mox         L = L_all-pairs + 1/4 (cross-modal + in-modal consistency)              all the time
                  + sum over the target's ends of MOX contrast (Eq. 4 of arXiv:2602.06451)  when ``extrapolating``

For MOX, a data set that lies on the target's route and lacks an end gets pseudo-embeddings of it, carried along the
paired rows of the other data sets in the batch, and its real rows are contrasted with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import torch

from anybind.objectives.cyclip import cross_modal_consistency, in_modal_consistency
from anybind.objectives.info_nce import info_nce
from anybind.objectives.mox import mox_contrast
from anybind.objectives.transitions import pseudo_embeddings

Rows = Mapping[str, Mapping[str, torch.Tensor]]

# CyCLIP's own weight of each consistency term; batches are small beside the joint space, so transitions are ridged.
_CONSISTENCY = 0.25
_TRANSITION, _STRENGTH = "ridge", 0.1


def loss_of(
    embedded: Rows, present: Rows, scale: float, *, consistent: bool = False, route: Sequence[str] | None = None
) -> torch.Tensor:
    """The loss of a batch.

    Args:
        embedded: Data set -> space -> (n, r) unit rows.
        present: Data set -> space -> (n,) bool.
        scale: One over the temperature.
        consistent: Add the consistency terms.
        route: Add MOX along these spaces, each two neighbours of which some data set pairs; None for none.

    Returns:
        ().
    """
    total = _all_pairs(embedded, present, scale, consistent)
    for term in _mox(embedded, present, scale, route) if route else ():
        total = total + term
    return total


def _all_pairs(embedded: Rows, present: Rows, scale: float, consistent: bool) -> torch.Tensor:
    total, rows = torch.zeros(()), 0
    for name, spaces in embedded.items():
        for a, b in combinations(sorted(spaces), 2):
            both = present[name][a] & present[name][b]
            count = int(both.sum())
            if count >= 2:
                loss = info_nce(spaces[a], spaces[b], scale, both)
                if consistent:
                    terms = (cross_modal_consistency, in_modal_consistency)
                    loss = loss + _CONSISTENCY * sum(term(spaces[a], spaces[b], both) for term in terms)
                total, rows = total + count * loss, rows + count
    return total / max(rows, 1)


def _mox(embedded: Rows, present: Rows, scale: float, route: Sequence[str]) -> Iterator[torch.Tensor]:
    for way in (tuple(route), tuple(route)[::-1]):
        for name, spaces in embedded.items():
            shown = [space for space in way if space in spaces]
            if not shown or way[-1] in shown:
                continue
            start = shown[-1]
            hops = [_paired(embedded, present, *hop) for hop in pairwise(way[way.index(start) :])]
            if all(len(left) >= 2 for left, _ in hops):
                pseudo = pseudo_embeddings(spaces[start], hops, _TRANSITION, _STRENGTH)
                here = present[name]
                yield mox_contrast([(spaces[s], scale, here[s] & here[start]) for s in shown], pseudo)


def _paired(embedded: Rows, present: Rows, left: str, right: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The batch's rows that show both spaces, of all data sets."""
    found: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for name, spaces in embedded.items():
        if left in spaces and right in spaces:
            both = present[name][left] & present[name][right]
            found[0].append(spaces[left][both])
            found[1].append(spaces[right][both])
    return torch.cat(found[0]), torch.cat(found[1])
