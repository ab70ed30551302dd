"""The contract of plugins."""

from anybind.testing import conformance

test_conformance = conformance("webdataset")
