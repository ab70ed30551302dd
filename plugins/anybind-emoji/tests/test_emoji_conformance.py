"""The plugin keeps the contract of anybind."""

from anybind.testing import conformance

test_conformance = conformance("emoji")
