"""``anybind plugins``: a group whose commands have a file each, imported when they are used."""

from __future__ import annotations

from importlib import import_module

import click

from anybind.cli.common import show_help
from anybind.options import closest_name

# name -> (module:command, summary). The summaries stand here: --help imports none.
COMMANDS = {
    "list": ("listing:list_plugins", "List the plugins, what they provide, and why those that failed did."),
    "check": ("check:check", "Check that a plugin keeps its contract."),
    "search": ("search:search", "Find what exists, installed or not, and how to get it."),
    "new": ("new:new", "Write a plugin of your own, whose tests pass at once."),
}


class PluginsGroup(click.Group):
    """Finds a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(f"{__name__}.{module}"), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a name that does not exist."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = closest_name(args[0], COMMANDS)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {near!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group("plugins", cls=PluginsGroup, invoke_without_command=True)
@click.pass_context
def plugins(ctx: click.Context) -> None:
    """Look at the installed plugins."""
    show_help(ctx)
