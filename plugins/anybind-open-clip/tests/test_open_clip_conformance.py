"""The rules that every plugin keeps, on tiny checkpoints."""

from anybind.testing import conformance

test_conformance = conformance("open-clip")
