"""Reading the requirements of a distribution."""

from __future__ import annotations

import re

_REQUIREMENT = re.compile(r"^\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*\(?(?P<versions>[^;)]*)")
_BOUND = re.compile(r"<|==|~=")


def is_bounded_above(requirement: str, distribution: str) -> bool:
    """Whether a requirement is of ``distribution``, and holds its version below some bound."""
    match = _REQUIREMENT.match(requirement)
    if match is None or re.sub(r"[-_.]+", "-", match["name"]).casefold() != distribution:
        return False
    return _BOUND.search(match["versions"]) is not None
