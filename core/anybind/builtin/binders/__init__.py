"""The specs of the built-in binder methods, one file per family."""

from __future__ import annotations

from anybind.builtin.binders import automatic, calmrl, chains, contrastive, latent, mox
from anybind.specs import BinderSpec


def built_in_binders() -> list[BinderSpec]:
    """Every built-in method: the default first, closed forms before trained ones."""
    families = (automatic, latent, chains, mox, contrastive, calmrl)
    return [spec for family in families for spec in family.BINDERS]
