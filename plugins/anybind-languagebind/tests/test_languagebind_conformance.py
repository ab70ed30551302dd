"""What every plugin promises."""

from anybind.testing import conformance

test_conformance = conformance("languagebind")
