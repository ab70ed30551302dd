"""``anybind pull``: a binder from the Hugging Face Hub, every file checked."""

from __future__ import annotations

from pathlib import Path

import click

from anybind.cli.common import PATH, command
from anybind.cli.output import Output


@command("pull")
@click.argument("repo_id", metavar="OWNER/NAME")
@click.option("--revision", metavar="NAME", help="Branch, tag or commit [main].")
@click.option("--out", "out_path", type=PATH, metavar="DIR", help="Copy it there; by default it stays in the cache.")
@click.option("--token", metavar="TOKEN", help="A token of your own [the saved one, or HF_TOKEN].")
@click.option("--offline", is_flag=True, help="Look into the cache only.")
def pull(
    out: Output, repo_id: str, revision: str | None, out_path: Path | None, token: str | None, offline: bool
) -> None:
    """Fetch the binder OWNER/NAME from the Hugging Face Hub and check every file.

    All commands that take a binder also take OWNER/NAME itself.
    """
    from anybind.artifact import read_artifact
    from anybind.hub import pull as fetch
    from anybind.hub.finishing import copy_artifact

    found = fetch(repo_id, revision=revision, token=token, local_files_only=offline)
    saved = read_artifact(found.folder)
    folder = copy_artifact(found.folder, out_path) if out_path is not None else found.folder
    spaces = {name: space.dim for name, space in saved.config.spaces.items()}
    fields = {"repo_id": repo_id, "revision": found.revision, "binder": folder, "method": saved.config.method,
              "spaces": spaces}  # fmt: skip
    listed = ", ".join(f"{space} ({dim})" for space, dim in spaces.items())
    lines = [f"{saved.config.method} over {listed}", f"commit {found.revision}", f"binder {folder}"]
    out.result(fields, lines)
