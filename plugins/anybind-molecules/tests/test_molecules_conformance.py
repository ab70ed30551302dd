"""Every rule for plugins that anybind checks."""

from __future__ import annotations

from anybind.testing import conformance

test_conformance = conformance("molecules")
