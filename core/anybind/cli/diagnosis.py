"""A diagnosis for people: tables of what was measured, then what it calls for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from anybind.cli.tables import table

if TYPE_CHECKING:
    from anybind.diagnosis import Diagnosis, EdgeReport, Finding, GapReport, ShiftReport, SpaceReport

_MARKS = {"fault": "!!", "warning": "! ", "note": "· "}
_UNKNOWN = "–"


def diagnosis_lines(name: str, found: Diagnosis) -> Iterator[str]:
    """Lines for people: what was looked at, four tables, and the findings."""
    yield f"{name}: {', '.join(_dataset(d, rows, found.sampled[d]) for d, rows in found.rows.items())}"
    yield from _block("spaces", _SPACES, [_space(space) for space in found.spaces])
    yield from _block("edges: what is found on held-out rows, and what agrees without a fit (kNN, CKA)", _EDGES,
                      [_edge(edge) for edge in found.edges])  # fmt: skip
    yield from _block("spaces of one encoder: plain cosine", _GAPS, [_gap(gap) for gap in found.gaps])
    yield from _block("pivots: one space in two data sets", _SHIFTS, [_shift(shift) for shift in found.shifts])
    yield ""
    yield from _findings(found.findings)


def _dataset(name: str, rows: int, sampled: int) -> str:
    return f"{name} {rows:,} rows" + (f" ({sampled:,} measured)" if sampled < rows else "")


def _block(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield from ["", title, *(f"  {line}" for line in table(header, rows, right=header[2:]))]


_SPACES = ("space", "data set", "vectors", "dead", "equal", "dims", "eff. rank", "particip.", "hubness")


def _space(space: SpaceReport) -> tuple[str, ...]:
    return (
        space.space, space.dataset, f"{space.rows:,}", f"{space.zero + space.not_finite:,}", f"{space.equal:,}",
        f"{space.dim:,}", _number(space.effective_rank, 1), _number(space.participation_ratio, 1),
        _number(space.hubness, 1),
    )  # fmt: skip


_EDGES = ("edge", "data set", "pairs", "R² →", "R² ←", "MRR", "chance", "hubness", "kNN", "chance", "CKA")


def _edge(edge: EdgeReport) -> tuple[str, ...]:
    where, found = (f"{edge.a} – {edge.b}", edge.dataset, f"{edge.pairs:,}"), edge.measured
    if found is None:
        return (*where, *[_UNKNOWN] * (len(_EDGES) - len(where)))
    return (
        *where, *(_number(share, 2) for share in found.r2), _number(found.mrr, 2), _number(found.chance, 2),
        _number(found.hubness, 1), _number(found.mutual, 2), _number(found.mutual_chance, 2), _number(found.cka, 2),
    )  # fmt: skip


_GAPS = ("spaces", "data set", "pairs", "gap", "of distance", "MRR", "MRR centred")


def _gap(gap: GapReport) -> tuple[str, ...]:
    return (f"{gap.a} – {gap.b}", gap.dataset, f"{gap.pairs:,}", _number(gap.distance, 2), f"{gap.share:.0%}",
            _number(gap.mrr), _number(gap.mrr_centred))  # fmt: skip


_SHIFTS = ("pivot", "data sets", "rows", "MMD²", "p", "between means")


def _shift(shift: ShiftReport) -> tuple[str, ...]:
    rows = " / ".join(f"{count:,}" for count in shift.rows)
    return (shift.space, " / ".join(shift.datasets), rows, f"{shift.mmd:.4f}", f"{shift.p_value:.3f}",
            f"{shift.mean_share:.1%}")  # fmt: skip


def _findings(found: Sequence[Finding]) -> Iterator[str]:
    """Findings that call for the same thing share their advice."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        alike.setdefault((finding.level, finding.advice), []).append(finding)
    for (level, advice), same in alike.items():
        for finding in same:
            yield f"{_MARKS[level]} {finding.where}: {finding.what}"
        yield f"   → {advice}"
    yield _sum(found)


def _sum(found: Sequence[Finding]) -> str:
    if not found:
        return "nothing to report"
    counts: Mapping[str, int] = {level: sum(f.level == level for f in found) for level in _MARKS}
    return ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items() if count)


def _number(value: float | None, digits: int = 3) -> str:
    return _UNKNOWN if value is None else f"{value:.{digits}f}"
