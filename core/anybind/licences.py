"""Which licence a binder can be passed on under, from those of the encoders and data it was made of.

Whether fitted numbers are an adaptation of their training data in law is not settled. So this takes the careful view:
what a part asks for, the whole asks for. A table of known licences says what each asks; where two ask for what cannot
be had together, or one is not known, a person has to decide. This is no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

UNKNOWN = "unknown"
OTHER = "other"


@dataclass(frozen=True)
class Licence:
    """What a licence asks of those who pass the work on.

    Attributes:
        name: Its SPDX identifier.
        hub: Its identifier on the Hugging Face Hub.
        attribution: Whether the makers must be named.
        share_alike: Whether adaptations must have the same licence.
        commercial: Whether commercial use is allowed.
        derivatives: Whether adaptations may be passed on at all.
    """

    name: str
    hub: str
    attribution: bool = True
    share_alike: bool = False
    commercial: bool = True
    derivatives: bool = True


def _creative_commons(kind: str, version: str, **asks: bool) -> Licence:
    name = f"CC-{kind}-{version}"
    return Licence(name, name.lower(), **asks)


_LICENCES = (
    Licence("CC0-1.0", "cc0-1.0", attribution=False),
    Licence("Unlicense", "unlicense", attribution=False),
    Licence("PDDL-1.0", "pddl", attribution=False),
    Licence("MIT", "mit"),
    Licence("MIT-CMU", "other"),
    Licence("ISC", "isc"),
    Licence("BSD-2-Clause", "bsd-2-clause"),
    Licence("BSD-3-Clause", "bsd-3-clause"),
    Licence("Apache-2.0", "apache-2.0"),
    Licence("Zlib", "zlib"),
    Licence("BSL-1.0", "bsl-1.0"),
    Licence("ODC-By-1.0", "odc-by"),
    Licence("CDLA-Permissive-2.0", "cdla-permissive-2.0"),
    Licence("Unicode-3.0", "other"),
    Licence("ODbL-1.0", "odbl", share_alike=True),
    Licence("GPL-3.0-only", "gpl-3.0", share_alike=True),
    Licence("GPL-3.0-or-later", "gpl-3.0", share_alike=True),
    Licence("AGPL-3.0-only", "agpl-3.0", share_alike=True),
    *(_creative_commons("BY", version) for version in ("2.0", "2.5", "3.0", "4.0")),
    *(_creative_commons("BY-SA", version, share_alike=True) for version in ("3.0", "4.0")),
    *(_creative_commons("BY-NC", version, commercial=False) for version in ("2.0", "3.0", "4.0")),
    *(
        _creative_commons("BY-NC-SA", version, commercial=False, share_alike=True)
        for version in ("2.0", "3.0", "4.0")
    ),
    *(_creative_commons("BY-ND", version, derivatives=False) for version in ("4.0",)),
    *(
        _creative_commons("BY-NC-ND", version, commercial=False, derivatives=False)
        for version in ("3.0", "4.0")
    ),
)
KNOWN: Mapping[str, Licence] = {licence.name.casefold(): licence for licence in _LICENCES}

# Which permissive licence the whole has, when nothing asks for more: the one that asks for most goes first.
_PERMISSIVE_FIRST = ("cc-by-", "odc-by", "apache-", "bsd-", "mit")


@dataclass(frozen=True)
class Combined:
    """The licences of all parts of a binder, taken together.

    Attributes:
        hub: Licence of the whole as the Hub names it; ``other`` when a person has to decide.
        parts: Licence -> what has it, sorted.
        unknown: Parts whose licence is not known.
        conflicts: Why two licences do not go together, a sentence each.
    """

    hub: str
    parts: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()

    @property
    def needs_decision(self) -> bool:
        """Whether a person has to name the licence."""
        return bool(self.unknown or self.conflicts)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a person has to, a sentence each; empty when nobody has to."""
        told = (f"the licence of {part} is not known" for part in self.unknown)
        return (*told, *self.conflicts)


def combined(parts: Mapping[str, str | None]) -> Combined:
    """The licence of a whole from the licences of its parts.

    Args:
        parts: What it is, e.g. "encoder minilm-l6" -> SPDX expression of licences joined by AND, or None.
    """
    having: dict[str, list[str]] = {}
    unknown = []
    for part, expression in parts.items():
        names = licence_names(expression)
        if not names or any(name.casefold() not in KNOWN for name in names):
            unknown.append(part)
        for name in names or [UNKNOWN]:
            shown = KNOWN[name.casefold()].name if name.casefold() in KNOWN else name
            having.setdefault(shown, []).append(part)
    known = [KNOWN[name.casefold()] for name in having if name.casefold() in KNOWN]
    conflicts = tuple(_conflicts(known))
    sorted_parts = {name: tuple(sorted(having[name])) for name in sorted(having)}
    hub = OTHER if unknown or conflicts else _whole(known)
    return Combined(hub, sorted_parts, tuple(sorted(unknown)), conflicts)


def licence_names(expression: str | None) -> list[str]:
    """The licences of an SPDX expression that are joined by AND; [] for none, "unknown" or an expression with OR."""
    if expression is None or expression.strip().casefold() in ("", UNKNOWN, "none", "noassertion"):
        return []
    if re.search(r"\b(OR|WITH)\b|[()]", expression):
        return []
    return [name.strip() for name in re.split(r"\bAND\b", expression)]


def _conflicts(licences: Iterable[Licence]) -> Iterable[str]:
    listed = sorted(licences, key=lambda licence: licence.name)
    for licence in listed:
        if not licence.derivatives:
            yield f"{licence.name} does not allow adaptations to be passed on"
    for a, b in combinations(listed, 2):
        if a.share_alike and b.share_alike and a.hub != b.hub:
            yield f"{a.name} and {b.name} each ask that adaptations have their own licence"
        for shared, other in ((a, b), (b, a)):
            if shared.share_alike and shared.commercial and not other.commercial and not other.share_alike:
                yield f"{shared.name} asks that adaptations may be used commercially, {other.name} forbids that"


def _whole(licences: list[Licence]) -> str:
    """The licence that asks for all that the parts ask for."""
    shared = [licence for licence in licences if licence.share_alike]
    if shared:
        return shared[0].hub
    closed = sorted(licence.hub for licence in licences if not licence.commercial)
    if closed:
        return closed[-1]
    asking = [licence.hub for licence in licences if licence.hub != OTHER and licence.attribution]
    for prefix in _PERMISSIVE_FIRST:
        found = sorted(hub for hub in asking if hub.startswith(prefix))
        if found:
            return found[-1]
    return next(iter(sorted(asking)), next((licence.hub for licence in licences), OTHER))
