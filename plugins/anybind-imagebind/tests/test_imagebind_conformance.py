"""The plugin keeps what anybind's contract promises."""

from __future__ import annotations

from anybind.testing import conformance

test_conformance = conformance("imagebind")
