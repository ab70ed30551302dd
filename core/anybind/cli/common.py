"""What all commands share: how one is made, its options, and how a graph and its store are opened."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from anybind.cli.output import Output

if TYPE_CHECKING:
    from anybind.plugins import PluginStatus
    from anybind.registry import Registry
    from anybind.store import EmbeddingStore
    from anybind.workflow import Graph

Body: TypeAlias = Callable[..., int | None]

PATH: Any = click.Path(path_type=Path)
RUNS = Path("runs")


@dataclass(frozen=True)
class Settings:
    """The options of ``anybind`` itself, as every command sees them."""

    debug: bool = False
    plugins: bool = True
    registries: tuple[Path, ...] = ()


def command(name: str) -> Callable[[Body], click.Command]:
    """Make a command out of a function that takes an Output and its arguments, and returns an exit code.

    Every command has --json and --quiet. While it runs, whatever prints to stdout by accident (a plugin, a
    library) is sent to stderr: stdout belongs to the result.
    """

    def decorate(body: Body) -> click.Command:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        @click.option("-q", "--quiet", is_flag=True, help="No notes and no progress.")
        @functools.wraps(body)
        def run(*, as_json: bool, quiet: bool, **arguments: Any) -> int | None:
            out = Output(as_json=as_json, quiet=quiet)
            with redirect_stdout(sys.stderr):
                return body(out, **arguments)

        return click.command(name)(run)

    return decorate


def show_help(ctx: click.Context) -> None:
    """A group without a command: its help on stderr, and exit code 2."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


graph_argument = click.argument("graph_path", metavar="G.yaml", type=PATH)
store_option = click.option("--store", "store_path", type=PATH, metavar="DIR", help="Where the vectors lie.")
method_option = click.option("--method", metavar="NAME", help="Another binder method than the graph's.")
seed_option = click.option("--seed", type=click.IntRange(min=0), help="The seed [the graph's first].")


def find_plugins() -> tuple[Registry, list[PluginStatus]]:
    """All plugins, or the built-in one alone under --no-plugins; with what the files of --registry know."""
    from anybind.plugins import discover

    settings = click.get_current_context().find_object(Settings) or Settings()
    registry, statuses = discover(load_external=settings.plugins)
    return (registry.with_files(settings.registries) if settings.registries else registry), statuses


def load_registry() -> Registry:
    """What is installed, as the options of ``anybind`` ask."""
    return find_plugins()[0]


def open_graph(path: Path) -> Graph:
    """The graph of a file, checked against what is installed."""
    from anybind.workflow import load_graph

    return load_graph(path, registry=load_registry())


def open_store(graph: Graph, store_path: Path | None) -> EmbeddingStore:
    """The store at ``store_path``, else the one that ``anybind run`` uses for this graph."""
    from anybind.store import EmbeddingStore
    from anybind.workflow import default_store

    return EmbeddingStore(store_path or default_store(RUNS / graph.name))


def first_seed(graph: Graph, seed: int | None) -> int:
    """The seed asked for, else the graph's first."""
    return graph.declaration.seeds[0] if seed is None else seed
