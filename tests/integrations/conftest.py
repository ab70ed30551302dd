"""Binders over three spaces of synthetic vectors, and libraries that seem not to be installed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hidden_items import Fits


@pytest.fixture(scope="session")
def fitted() -> Fits:
    return Fits()


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a library look as if it were not installed."""

    def hide(module: str) -> None:
        for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)

    return hide
