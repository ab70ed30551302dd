"""The specs of the built-in binder methods, one file per family."""

from __future__ import annotations

from anybind.builtin.binders import chains, latent
from anybind.specs import BinderSpec


def built_in_binders() -> list[BinderSpec]:
    """Every built-in method, the default first."""
    return [spec for family in (latent, chains) for spec in family.BINDERS]
