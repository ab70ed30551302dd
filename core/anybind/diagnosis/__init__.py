"""What stored vectors tell before a binder is fitted: dead rows, rank, hubs, gaps, shifts, and what edges can carry.

Pure functions on arrays and row sources; nothing here knows encoders or files.
"""

from anybind.diagnosis.advice import Finding, Level
from anybind.diagnosis.diagnose import Diagnosis, diagnose, diagnose_sources
from anybind.diagnosis.edges import EdgeReport, Measured
from anybind.diagnosis.gap import GapReport
from anybind.diagnosis.pivots import ShiftReport
from anybind.diagnosis.spaces import SpaceReport

__all__ = [
    "Diagnosis",
    "EdgeReport",
    "Finding",
    "GapReport",
    "Level",
    "Measured",
    "ShiftReport",
    "SpaceReport",
    "diagnose",
    "diagnose_sources",
]
