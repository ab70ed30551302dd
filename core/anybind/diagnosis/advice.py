"""What the numbers call for: findings with advice. Every threshold stands here, with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from anybind.diagnosis.edges import FEWEST_GROUPS, EdgeReport, Measured
from anybind.diagnosis.gap import GapReport
from anybind.diagnosis.pivots import ShiftReport
from anybind.diagnosis.spaces import SpaceReport

Level = Literal["fault", "warning", "note"]

ZERO_FAULT = 0.01  # a few empty samples happen; more is an encoder or a reader that fails
EQUAL_NOTE, EQUAL_WARNING = 0.01, 0.1  # ties cost at most half their share of R@1
LOW_RANK = 0.05  # of the directions there could be; seven real encoders' spaces have 17 % and more
WIDE_ENOUGH = 100  # directions there could be: below, a low rank is what the data are
HUBS = 2.0  # random neighbours give 0.32, the real spaces looked at 0.2 to 1
UNRELATED_Z = 3.0  # one unrelated edge in 700 is taken for a related one
GAIN, GAIN_SHARE = 0.01, 0.05  # of MRR: below, a difference of two numbers here is noise
MORE_PAIRS = 0.1  # relative gain of MRR by twice the pairs
GAP_SHARE = 0.05  # of the squared distance of pairs: below, what centring gains is not the gap's
NO_NEIGHBOURS, FOUND = 2.0, 3.0  # times chance: neighbours in common are few, and yet rows are found
SHIFT_P, SHIFT_SHARE = 0.01, 0.01  # surely there, and enough to cost methods that do not correct for it


@dataclass(frozen=True)
class Finding:
    """One thing to know.

    Attributes:
        level: fault (it must be put right), warning (it costs accuracy or trust), note (worth knowing).
        kind: A stable name of what was found, such as ``unrelated-edge``.
        where: Space, edge or pivot, and data set.
        what: What was found, with its numbers.
        advice: What to do.
    """

    level: Level
    kind: str
    where: str
    what: str
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values."""
        return asdict(self)


def findings(
    spaces: Sequence[SpaceReport],
    edges: Sequence[EdgeReport],
    gaps: Sequence[GapReport],
    shifts: Sequence[ShiftReport],
) -> list[Finding]:
    """What the reports call for: faults, then warnings, then notes; nothing where all is well."""
    fitted = {(edge.a, edge.b, edge.dataset): edge.measured for edge in edges}
    alike = {(gap.a, gap.b, gap.dataset) for gap in gaps if gap.z > UNRELATED_Z}
    found = [
        *(finding for space in spaces for finding in _dead(space)),
        *(finding for space in spaces for finding in _shape(space)),
        *(finding for edge in edges for finding in _edge(edge, (edge.a, edge.b, edge.dataset) in alike)),
        *(finding for gap in gaps for finding in _gap(gap, fitted.get((gap.a, gap.b, gap.dataset)))),
        *(finding for shift in shifts for finding in _shift(shift)),
    ]
    order: tuple[Level, ...] = ("fault", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _dead(space: SpaceReport) -> Iterator[Finding]:
    where = f"space {space.space}, data set {space.dataset}"
    named = f" (ids {', '.join(space.dead_ids)}{' …' if space.zero + space.not_finite > len(space.dead_ids) else ''})"
    if space.rows == 0:
        yield Finding("warning", "no-vectors", where, "No row holds a vector.",
                      "Extract it, or leave the space out of this data set.")  # fmt: skip
    if space.not_finite:
        yield Finding("fault", "not-finite", where, f"{_of(space.not_finite, space.rows)} hold NaN or infinity{named}.",
                      "Look at these samples, then embed them again or leave them out.")  # fmt: skip
    if space.constant:
        yield Finding("fault", "constant", where, f"All {space.rows:,} vectors are the same.",
                      "The encoder does not see the samples: check how they are loaded and prepared.")  # fmt: skip
    elif space.zero:
        level: Level = "fault" if space.zero >= ZERO_FAULT * space.rows else "warning"
        yield Finding(level, "zero", where, f"{_of(space.zero, space.rows)} are zero{named}.",
                      "They have no direction and match nothing. Look for empty samples (no text, silence, a file that "
                      "was not read) and leave them out.")  # fmt: skip


def _shape(space: SpaceReport) -> Iterator[Finding]:
    where = f"space {space.space}, data set {space.dataset}"
    apart = space.equal_apart / max(space.sampled, 1)
    if apart >= EQUAL_NOTE and not space.constant:
        yield Finding(
            "warning" if apart >= EQUAL_WARNING else "note", "equal-vectors", where,
            f"{_of(space.equal_apart, space.sampled)} have exactly the vector of an item that is not known to be its "
            f"duplicate; the largest set has {space.equal_most:,} (ids {', '.join(space.equal_ids)}).",
            "No binder can tell these items apart, and a copy among the held-out rows flatters what is chosen on "
            "them. If they are duplicates, give them one group; if not, the encoder misses what sets them apart.",
        )  # fmt: skip
    rank = space.effective_rank
    if rank is not None and space.most_directions >= WIDE_ENOUGH and rank < LOW_RANK * space.most_directions:
        yield Finding(
            "warning", "low-rank", where,
            f"The vectors use about {rank:.1f} directions of {space.most_directions:,} (effective rank).",
            "Only what shows in these can be found by. Check how samples are prepared (a fixed prompt, a border, "
            "silence at the end), or take another encoder.",
        )  # fmt: skip
    if space.hubness is not None and space.hubness > HUBS:
        yield Finding(
            "note", "hubs", where,
            f"A few items are near everything: skewness of the 10-occurrence {space.hubness:.1f}, 0.3 by chance.",
            "A search in this space will show them too often. Score batches of queries with "
            "anybind.postprocessing.csls, or single ones with querybank.",
        )  # fmt: skip


def _edge(edge: EdgeReport, alike: bool) -> Iterator[Finding]:
    """``alike``: the two sides come from one encoder space and agree there."""
    where = f"edge {edge.a} – {edge.b}, data set {edge.dataset}"
    found = edge.measured
    if found is None:
        yield Finding(
            "warning", "few-pairs", where,
            f"Only {edge.pairs:,} rows in {edge.groups:,} groups hold both.",
            f"Nothing can be judged below {FEWEST_GROUPS} groups of pairs, and little learnt: add pairs.",
        )  # fmt: skip
    elif found.z < UNRELATED_Z and not alike:
        yield Finding(
            "warning", "unrelated-edge", where,
            f"Neither side predicts the other: the right row is placed above {found.placed_above:.0%} of the wrong "
            f"ones, 50% by chance ({edge.pairs:,} pairs).",
            "Check that an id names the same item on both sides: a shifted or shuffled file is the usual cause. If it "
            "does, these encoders show nothing in common here: more pairs, or another encoder. A route over this edge "
            "carries nothing.",
        )  # fmt: skip
    else:
        yield from _related(found, where)


def _related(edge: Measured, where: str) -> Iterator[Finding]:
    if edge.mutual < NO_NEIGHBOURS * edge.mutual_chance and edge.mrr > FOUND * edge.chance:
        yield Finding(
            "note", "neighbours-differ", where,
            f"Each side predicts the other (held-out MRR {edge.mrr:.3f}, {edge.chance:.3f} by chance), but a row's "
            f"neighbours are others on each side (kNN {edge.mutual:.3f}, {edge.mutual_chance:.3f} by chance).",
            "What they share is faint beside what they do not. Use a method that weighs directions by their "
            "correlation (pcca, cca-chain, auto) rather than relative or ridge-chain, and plain cosine never.",
        )  # fmt: skip
    if _gains(edge.mrr_csls, edge.mrr):
        yield Finding(
            "note", "csls-helps", where,
            f"CSLS lifts held-out retrieval from MRR {edge.mrr:.3f} to {edge.mrr_csls:.3f}.",
            "Where queries come in batches, score them with anybind.postprocessing.csls.",
        )  # fmt: skip
    if _gains(edge.mrr, edge.mrr_half, MORE_PAIRS):
        yield Finding(
            "note", "more-pairs-help", where,
            f"Held-out MRR is {edge.mrr:.3f}, and {edge.mrr_half:.3f} fitted on half of the pairs.",
            "More pairs of this kind would lift it further.",
        )  # fmt: skip


def _gap(gap: GapReport, edge: Measured | None) -> Iterator[Finding]:
    where = f"edge {gap.a} – {gap.b}, data set {gap.dataset}"
    if gap.share >= GAP_SHARE and _gains(gap.mrr_centred, gap.mrr):
        yield Finding(
            "note", "modality-gap", where,
            f"The two sides lie {gap.distance:.2f} apart, {gap.share:.0%} of the squared distance of pairs; plain "
            f"cosine finds with MRR {gap.mrr:.3f}, after centring each side with {gap.mrr_centred:.3f}.",
            "Subtract each side's mean before you compare their vectors yourself; the binders do.",
        )  # fmt: skip
    if edge is not None and _gains(gap.mrr_centred, edge.mrr):
        yield Finding(
            "note", "aligned-already", where,
            f"The towers agree as they are: centred cosine finds with MRR {gap.mrr_centred:.3f}, a linear map fitted "
            f"to these pairs with {edge.mrr:.3f}.",
            "For this pair of spaces compare the vectors directly: a map needs more pairs before it is worth having.",
        )  # fmt: skip


def _shift(shift: ShiftReport) -> Iterator[Finding]:
    if shift.p_value <= SHIFT_P and shift.mean_share >= SHIFT_SHARE:
        yield Finding(
            "warning", "pivot-shift", f"pivot {shift.space}, data sets {' and '.join(shift.datasets)}",
            f"The two hold different things there: {shift.mean_share:.0%} of the variance lies between their means "
            f"(p = {shift.p_value:.3f}).",
            "If only the preparation differs (language, case, prompt, sampling rate), prepare both alike and extract "
            "again. If the items differ, expect less than held-out pairs of either data set promise; prefer pcca, "
            "whose means: affine corrects for it, and measure on some true pairs.",
        )  # fmt: skip


def _gains(better: float, worse: float, share: float = GAIN_SHARE) -> bool:
    return better - worse >= max(GAIN, share * worse)


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,} vectors"
