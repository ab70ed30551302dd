"""The command ``anybind``: finds a command's module when it is asked for, and turns failures into exit codes.

Exit codes: 0 ok, 1 failed, 2 usage, 3 invalid declaration, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from anybind.cli.common import PATH, Settings, show_help
from anybind.cli.failures import report_failure
from anybind.options import closest_name
from anybind.version import installed_version

# The module anybind.cli.<name> holds the command <name>. The summaries stand here: --help imports none.
COMMANDS = {
    "demo": "Bind pictures to Japanese text through English, and show it on a page.",
    "run": "Extract, fit and evaluate a graph; write the binder, the numbers and a page.",
    "plan": "Show the routes that join two spaces, or what is missing.",
    "validate": "Check a graph file.",
    "schema": "Print the JSON Schema of graph files, for editors.",
    "extract": "Embed a graph's data sets into its store.",
    "fit": "Fit a binder on the stored vectors and save it.",
    "evaluate": "Measure a binder on the graph's test pairs.",
    "forecast": "Say how well two spaces will find each other, without true pairs.",
    "report": "Make the page of a run again.",
    "encode": "Turn texts or files into vectors of the joint space.",
    "search": "Find the items of one space that fit a query from another.",
    "export": "Write a space of a binder for ONNX, faiss or sentence-transformers.",
    "push": "Upload a saved binder to the Hugging Face Hub.",
    "pull": "Fetch a binder from the Hugging Face Hub, and check it.",
    "refit": "Make a published binder again from its own graph, and compare.",
    "plugins": "Look at the installed plugins.",
    "doctor": "Check this installation, or the vectors of a graph.",
}


class AnybindGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"anybind.cli.{cmd_name}"), cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a name that does not exist."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = closest_name(name, COMMANDS)
            ctx.fail(f"there is no command {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit with its code; without ``standalone_mode`` let code and errors through."""
        arguments = list(sys.argv[1:] if args is None else args)
        run: Callable[[], Any] = partial(
            super().main, arguments, prog_name or "anybind", complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        code: Any
        try:
            code = run()
            sys.stdout.flush()
        except BrokenPipeError:
            code = _reader_has_gone()
        except (Exception, KeyboardInterrupt) as error:
            code = report_failure(error, as_json="--json" in arguments, debug="--debug" in arguments)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    "anybind",
    cls=AnybindGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(installed_version(), message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--no-plugins", is_flag=True, help="Use what is built in, and no plugin.")
@click.option(
    "--registry", "registries", type=PATH, multiple=True, metavar="FILE",
    help="A registry file of your own; may be given again.",
)  # fmt: skip
@click.pass_context
def cli(ctx: click.Context, debug: bool, no_plugins: bool, registries: tuple[Path, ...]) -> None:
    """Bind any two modalities, also when no data set holds both."""
    ctx.obj = Settings(debug=debug, plugins=not no_plugins, registries=registries)
    show_help(ctx)


def _reader_has_gone() -> int:
    """Whoever read stdout has closed it (``anybind plan ... | head``): leave without another word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
