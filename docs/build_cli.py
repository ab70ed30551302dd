"""Write docs/cli.md from the command line itself: ``python docs/build_cli.py``.

A test compares the file with what this script makes, so that the page cannot drift.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from anybind.cli.app import cli

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 78  # what click fills on a terminal of 80 columns
INTRODUCTION = """\
# Command line

<!-- Made by docs/build_cli.py from the commands themselves. Edit those, then run the script. -->

`anybind COMMAND --help` shows what stands here.

Every command but the group `plugins` has `--json` and `-q`. With `--json` the result is one JSON object on
stdout that carries `schema_version`; a failure is one too, under `error`. Notes and progress go to stderr,
and only when it is a terminal. `NO_COLOR` turns colours off.

| exit code | meaning |
|---|---|
| 0 | it worked |
| 1 | it failed: data, a plugin, the disk, or no route |
| 2 | usage: an option or argument is wrong |
| 3 | the graph file, or a name in it, is wrong |
| 130 | interrupted |

An error says what went wrong, where, what was got, what was expected, and what to do.
`anybind --debug COMMAND` shows the traceback too.

| variable | meaning |
|---|---|
| `ANYBIND_DISABLE_PLUGINS=a,b` | leave plugins out, by name of the distribution or the entry point |
| `ANYBIND_REGISTRY=FILE:FILE` | registry files of your own, beside `--registry` |
| `ANYBIND_PLUGINS_STRICT=1` | a broken plugin is an error at once, not a line in a list |
"""


def page() -> str:
    """The whole of docs/cli.md."""
    sections = [f"## `{path}`\n\n```text\n{text}\n```\n" for path, text in help_texts()]
    return "\n".join([INTRODUCTION, *sections])


def help_texts() -> Iterator[tuple[str, str]]:
    """Each command as people type it, with its help, depth first."""
    context = click.Context(cli, info_name="anybind", terminal_width=WIDTH, **cli.context_settings)
    yield from _help(cli, context)


def _help(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _help(found, click.Context(found, info_name=name, parent=context))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}", file=sys.stderr)
