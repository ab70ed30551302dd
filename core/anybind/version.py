"""The installed version of a distribution, read from its metadata."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _metadata_version

UNKNOWN_VERSION = "0.0.0+unknown"


def installed_version(distribution: str = "anybind") -> str:
    """The version of ``distribution``; ``0.0.0+unknown`` in a checkout that is not installed."""
    try:
        return _metadata_version(distribution)
    except PackageNotFoundError:
        return UNKNOWN_VERSION
