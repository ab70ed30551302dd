"""The conformance kit on every encoder of this plugin."""

from anybind.testing import conformance

test_conformance = conformance("transformers")
