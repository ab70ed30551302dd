"""A forecast's basis as the text of a file, and back."""

from __future__ import annotations

import json
from pathlib import Path

from anybind.errors import ArtifactError
from anybind.forecasting.forecast import Basis

SCHEMA_VERSION = 1


def basis_text(basis: Basis) -> str:
    """JSON, without NaN."""
    content = {"schema_version": SCHEMA_VERSION, **basis.to_dict()}
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def parsed_basis(text: str, where: Path | str) -> Basis:
    """Back from ``basis_text``.

    Raises:
        ArtifactError: the text is damaged.
    """
    try:
        known = json.loads(text)
        if known.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("another schema_version")
        return Basis.from_dict(known)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise ArtifactError("the forecast of the binder is damaged", where=where, got=error) from error
