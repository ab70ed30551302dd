"""The contract of plugins."""

import pytest

from anybind.testing import conformance

pytest.importorskip("h5py", reason="h5py is not installed: NYU Depth V2 cannot be written")

test_conformance = conformance("paper")
