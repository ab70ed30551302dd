"""``anybind plugins list``: what is installed, who owns it, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from anybind.cli.common import command, find_plugins
from anybind.cli.output import Output
from anybind.cli.tables import table

if TYPE_CHECKING:
    from anybind.plugins import PluginStatus
    from anybind.registry import Conflict

_HEADER = ("plugin", "distribution", "version", "status", "provides")
_MOST_NAMES = 5  # of one kind in the table; --json has all of them


@command("list")
def list_plugins(out: Output) -> int:
    """List the plugins, what they provide, and why those that failed did.

    Exit code 1 when a plugin failed or two of them own one name.
    """
    registry, statuses = find_plugins()
    out.result(plugin_fields(statuses, registry.conflicts), plugin_lines(statuses, registry.conflicts))
    return 1 if plugin_problems(statuses, registry.conflicts) else 0


def plugin_fields(statuses: Sequence[PluginStatus], conflicts: Sequence[Conflict]) -> dict[str, object]:
    """The plugins and their conflicts as plain JSON values."""
    owned = [{"kind": c.kind, "name": c.name, "owners": c.owners, "hint": c.hint} for c in conflicts]
    return {"plugins": [status.to_dict() for status in statuses], "conflicts": owned}


def plugin_lines(statuses: Sequence[PluginStatus], conflicts: Sequence[Conflict]) -> Iterator[str]:
    """A table of the plugins, and what is wrong below it."""
    yield from table(_HEADER, [_row(status) for status in statuses])
    for problem in plugin_problems(statuses, conflicts):
        yield f"! {problem}"


def plugin_problems(statuses: Sequence[PluginStatus], conflicts: Sequence[Conflict]) -> list[str]:
    """One line for each plugin that failed and each name with two owners."""
    failed = [
        f"{status.distribution} {status.version} ({status.name}) failed: {status.error}"
        for status in statuses
        if status.status == "failed"
    ]
    return [*failed, *(f"{conflict}; {conflict.hint}" for conflict in conflicts)]


def _row(status: PluginStatus) -> tuple[str, ...]:
    provides = "; ".join(f"{kind}: {_listed(names)}" for kind, names in status.provides.items())
    return status.name, status.distribution, status.version, status.status, provides or "–"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"
