"""``anybind push``: a saved binder to the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anybind.cli.common import PATH, command
from anybind.cli.output import Output

if TYPE_CHECKING:
    from anybind.hub import PushResult


@command("push")
@click.argument("folder", metavar="DIR", type=PATH)
@click.argument("repo_id", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, default=None, help="Make a new repository private.")
@click.option("--revision", metavar="BRANCH", help="The branch [main].")
@click.option("--tag", metavar="NAME", help="A name for the commit, e.g. v1.0.")
@click.option("--create-pr", is_flag=True, help="Propose the change as a pull request.")
@click.option("--commit-message", metavar="TEXT", help="The commit's first line.")
@click.option("--license", metavar="NAME", help="The licence to pass it on under, e.g. cc-by-nc-4.0, or other.")
@click.option("--token", metavar="TOKEN", help="A token of your own [the saved one, or HF_TOKEN].")
@click.option("--dry-run", is_flag=True, help="Tell what would be uploaded, and change nothing.")
def push(
    out: Output, folder: Path, repo_id: str, private: bool | None, revision: str | None, tag: str | None,
    create_pr: bool, commit_message: str | None, license: str | None, token: str | None, dry_run: bool,
) -> None:  # fmt: skip
    """Upload a saved binder to OWNER/NAME on the Hugging Face Hub, in one commit.

    The repository is made if it does not exist; what it holds already is not sent again.
    """
    from anybind.hub import push as upload

    result = upload(
        folder, repo_id, private=private, revision=revision, create_pr=create_pr, commit_message=commit_message,
        tag=tag, license=license, token=token, dry_run=dry_run,
    )  # fmt: skip
    out.result(result.to_dict(), _lines(result))


def _lines(result: PushResult) -> Iterator[str]:
    would = "would be " if result.dry_run else ""
    for name in result.uploaded:
        yield f"{would}uploaded  {name}"
    for name in result.deleted:
        yield f"{would}deleted   {name}"
    if result.unchanged:
        yield "nothing has changed: no commit" + (" would be made" if result.dry_run else " was made")
    for note in result.notes:
        yield f"! {note}"
    if result.pull_request:
        yield f"pull request {result.pull_request}"
    if result.commit:
        yield f"commit {result.commit} on {result.revision}" + (f", tagged {result.tag}" if result.tag else "")
    yield result.url
