"""The built-in plugin keeps the contract that it asks of others."""

from anybind.testing import conformance

test_conformance = conformance("builtin")
