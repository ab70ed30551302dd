"""Makes the mutants importable by name: plugins name their factories as text, and the probe's process imports them."""

from pathlib import Path

import pytest


@pytest.fixture
def on_path(monkeypatch):
    """The folder of the mutants is on the path, also of processes that the kit starts."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
