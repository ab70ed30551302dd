"""Names of repositories."""

from __future__ import annotations

import re

from anybind.errors import UsageError

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def require_name(repo_id: str) -> None:
    """Raise UsageError unless ``repo_id`` is ``owner/name``."""
    if not REPOSITORY.fullmatch(repo_id):
        raise UsageError("this is no repository's name", got=repo_id, expected="owner/name")
