"""The conformance kit: checks of what a plugin promises, for its author to run.

The rules stand numbered in docs/contract.md; every check is a plain function of one of the modules ``checks_*``
and cites its rule. ``anybind plugins check NAME`` runs them on the command line. Under pytest this is the whole
file::

    from anybind.testing import conformance

    test_conformance = conformance("my-plugin")

The names of checks are public: an expected failure is written down by them.
"""

from __future__ import annotations

from anybind.testing.cases import Case, iter_checks
from anybind.testing.errors import ConformanceError, NotApplicableError
from anybind.testing.examples import DatasetExample, EncoderExample, ModalityExample
from anybind.testing.in_pytest import conformance
from anybind.testing.outcomes import Outcome, run_checks

__all__ = [
    "Case",
    "ConformanceError",
    "DatasetExample",
    "EncoderExample",
    "ModalityExample",
    "NotApplicableError",
    "Outcome",
    "conformance",
    "iter_checks",
    "run_checks",
]
