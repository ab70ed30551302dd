"""``anybind plugins check``: hold a plugin to the contract, without pytest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from textwrap import indent
from typing import TYPE_CHECKING

import click

from anybind.cli.common import Settings, command
from anybind.cli.output import Output
from anybind.cli.tables import table

if TYPE_CHECKING:
    from anybind.testing import Outcome

_STATUSES = ("passed", "failed", "xfail", "skipped")


@command("check")
@click.argument("name")
@click.option(
    "--expect-failure", "expected", metavar="CHECK=REASON", multiple=True,
    help="A check (or KIND/NAME/CHECK) that is known to fail, and why. It must fail then.",
)
def check(out: Output, name: str, expected: tuple[str, ...]) -> int:
    """Check that a plugin keeps its contract (docs/contract.md).

    NAME is its entry point or its distribution. Every modality, encoder and data set is tried on the example that
    the plugin has of it; nothing is downloaded. Exit code 1 when a check fails.
    """
    from anybind.plugins import find_plugin
    from anybind.testing import run_checks

    settings = click.get_current_context().find_object(Settings) or Settings()
    plugin = find_plugin(name, load_external=settings.plugins)
    outcomes = []
    for outcome in run_checks(plugin, expected_failures=dict(map(_reason, expected))):
        out.note(f"{outcome.subject}: {outcome.check} {outcome.status}")
        outcomes.append(outcome)
    counts = _counts(outcomes)
    fields = {
        "plugin": plugin.name, "distribution": plugin.distribution, "version": plugin.version,
        "ok": not counts["failed"], "counts": counts, "checks": [outcome.to_dict() for outcome in outcomes],
    }  # fmt: skip
    out.result(fields, _lines(outcomes))
    return 1 if counts["failed"] else 0


def _reason(text: str) -> tuple[str, str]:
    check_name, equals, reason = text.partition("=")
    if not (check_name and equals and reason.strip()):
        raise click.BadParameter(f"{text!r} is not CHECK=REASON", param_hint="--expect-failure")
    return check_name, reason.strip()


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {status: sum(outcome.status == status for outcome in outcomes) for status in _STATUSES}


def _lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """How many checks of each subject came out how, then the reasons of all that did not pass."""
    by_subject = defaultdict(list)
    for outcome in outcomes:
        by_subject[outcome.subject].append(outcome)
    rows = [(subject, *map(str, _counts(found).values())) for subject, found in by_subject.items()]
    rows.append(("all", *map(str, _counts(outcomes).values())))
    yield from table(("subject", *_STATUSES), rows, right=_STATUSES)
    for subject, found in by_subject.items():
        yield from _reasons(subject, found)


def _reasons(subject: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    skipped = defaultdict(list)
    for outcome in outcomes:
        if outcome.status == "failed":
            yield f"! {subject} {outcome.check}"
            yield indent(outcome.reason, "  ")
        elif outcome.status == "xfail":
            yield f"x {subject} {outcome.check}: {outcome.reason}"
        elif outcome.status == "skipped":
            skipped[outcome.reason].append(outcome.check)
    for reason, checks in skipped.items():
        yield f"- {subject} skipped, {reason}: {', '.join(checks)}"
