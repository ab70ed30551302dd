"""A whole graph of data sets looked at: every space, edge, gap and pivot, and the findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

from anybind.array_input import array_sources
from anybind.diagnosis.advice import Finding, findings
from anybind.diagnosis.edges import EdgeReport, edge_report
from anybind.diagnosis.gap import GapReport, gap_report
from anybind.diagnosis.pivots import ShiftReport, shift_report
from anybind.diagnosis.sampling import FEWEST_ROWS, SampledRows, sample_rows
from anybind.diagnosis.spaces import SpaceReport, space_report
from anybind.errors import ShapeError, UnknownNameError, UsageError
from anybind.fit_data import RowSource
from anybind.options import did_you_mean

Tell: TypeAlias = Callable[[str], None]
ROWS = 5000


@dataclass(frozen=True)
class Diagnosis:
    """What the vectors tell.

    Attributes:
        rows: Data set -> its rows.
        sampled: Data set -> how many of them were measured on; dead vectors are counted over all.
        spaces: One report per space and data set.
        edges: One per pair of spaces and data set.
        gaps: One per edge whose two encoders share a space.
        shifts: One per space and pair of data sets that hold it.
        findings: What the numbers call for, faults first.
    """

    rows: Mapping[str, int]
    sampled: Mapping[str, int]
    spaces: tuple[SpaceReport, ...]
    edges: tuple[EdgeReport, ...]
    gaps: tuple[GapReport, ...]
    shifts: tuple[ShiftReport, ...]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are faults."""
        return tuple(finding for finding in self.findings if finding.level == "fault")

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as plain JSON values."""
        parts = {name: [report.to_dict() for report in getattr(self, name)]
                 for name in ("spaces", "edges", "gaps", "shifts", "findings")}  # fmt: skip
        return {"rows": dict(self.rows), "sampled": dict(self.sampled), **parts}


def diagnose(
    datasets: Mapping[str, Mapping[str, Any]],
    *,
    present: Mapping[str, Mapping[str, Any]] | None = None,
    ids: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    shared: Sequence[Sequence[str]] = (),
    rows: int = ROWS,
    seed: int = 0,
) -> Diagnosis:
    """Look at arrays before a binder is fitted to them.

    Args:
        datasets: As for ``anybind.fit``: data set -> space -> (n, dim) array, row i of all spaces one item. NaN is
            allowed: it is reported.
        present, ids, groups: As for ``anybind.fit``.
        shared: Spaces whose encoders were trained together, such as ``[("image", "text")]``; their modality gap is
            measured.
        rows: Rows of each data set that are measured on, at most, chosen by a hash of their ids; >= 20.
        seed: Seeds the sample, the folds and the permutations.

    Raises:
        ShapeError, DataError, UnknownNameError, UsageError: the arrays or arguments do not fit.
    """
    sources = array_sources(datasets, present=present, ids=ids, groups=groups)
    return diagnose_sources(sources, shared=shared, rows=rows, seed=seed)


def diagnose_sources(
    sources: Sequence[RowSource],
    *,
    shared: Sequence[Sequence[str]] = (),
    rows: int = ROWS,
    seed: int = 0,
    progress: Tell | None = None,
) -> Diagnosis:
    """Look at data sets that come as streams. Arguments and errors as ``diagnose``.

    Args:
        sources: The data sets; each is read once.
        progress: Told in words what is being looked at.
    """
    _check(sources, shared, rows)
    tell = progress or (lambda _: None)
    samples = list(_samples(sources, rows, seed, tell))
    spaces, edges = tuple(_spaces(samples, tell)), tuple(_edges(samples, seed, tell))
    gaps, shifts = tuple(_gaps(samples, shared, seed)), tuple(_shifts(samples, seed, tell))
    return Diagnosis(
        {sample.name: sample.n_rows for sample in samples}, {sample.name: len(sample.ids) for sample in samples},
        spaces, edges, gaps, shifts, tuple(findings(spaces, edges, gaps, shifts)),
    )  # fmt: skip


def _samples(sources: Sequence[RowSource], rows: int, seed: int, tell: Tell) -> Iterator[SampledRows]:
    for source in sources:
        tell(f"reading data set {source.name}")
        yield sample_rows(source, rows, seed)


def _spaces(samples: Sequence[SampledRows], tell: Tell) -> Iterator[SpaceReport]:
    for sample in samples:
        for space in sample.vectors:
            tell(f"space {space} in {sample.name}")
            yield space_report(sample, space)


def _edges(samples: Sequence[SampledRows], seed: int, tell: Tell) -> Iterator[EdgeReport]:
    for sample in samples:
        for a, b in combinations(sample.vectors, 2):
            tell(f"edge {a} – {b} in {sample.name}")
            yield edge_report(sample, a, b, seed)


def _gaps(samples: Sequence[SampledRows], shared: Sequence[Sequence[str]], seed: int) -> Iterator[GapReport]:
    for sample in samples:
        for a, b in combinations(sample.vectors, 2):
            if any(a in together and b in together for together in shared):
                report = gap_report(sample, a, b, seed)
                if report is not None:
                    yield report


def _shifts(samples: Sequence[SampledRows], seed: int, tell: Tell) -> Iterator[ShiftReport]:
    for one, other in combinations(samples, 2):
        for space in one.vectors:
            if space in other.vectors:
                tell(f"pivot {space} in {one.name} and {other.name}")
                report = shift_report(one, other, space, seed)
                if report is not None:
                    yield report


def _check(sources: Sequence[RowSource], shared: Sequence[Sequence[str]], rows: int) -> None:
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < FEWEST_ROWS:
        raise UsageError("rows is a whole number", got=repr(rows), expected=f"at least {FEWEST_ROWS}")
    dims: dict[str, int] = {}
    for source in sources:
        for space, dim in source.dims.items():
            if dims.setdefault(space, dim) != dim:
                raise ShapeError("a space has other dims in another data set", got=f"{dim} dims",
                                 where=f"data set {source.name!r}, space {space!r}", expected=f"{dims[space]} dims")
    for together in shared:
        if isinstance(together, str):
            raise UsageError("shared lists groups of spaces", got=repr(together), expected='[("image", "text")]')
        for space in together:
            if space not in dims:
                raise UnknownNameError("shared names a space that no data set holds", got=space,
                                       expected=", ".join(dims), hint=did_you_mean(space, dims))
        if len({dims[space] for space in together}) > 1:
            raise ShapeError("spaces of one encoder space have the same dims",
                             got={space: dims[space] for space in together})
