"""``anybind demo``: the emoji example, from pictures and words to a page."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from anybind.cli.common import PATH, command, load_registry, store_option
from anybind.cli.output import Output
from anybind.cli.run import run_lines
from anybind.errors import DeclarationError, PluginError

_PACKAGED = "demo.yaml"
_IN_A_CHECKOUT = Path("examples", "emoji", "graph.yaml")


@command("demo")
@click.option(
    "--out",
    "out_path",
    type=PATH,
    metavar="DIR",
    default="runs/demo",
    show_default=True,
    help="Where results go.",
)
@store_option
def demo(out: Output, out_path: Path, store_path: Path | None) -> None:
    """Bind pictures to Japanese text through English, without one such pair in training.

    Needs the plugins anybind-emoji and anybind-lite. It takes a few minutes on two cores
    and ends with a page to look at.
    """
    from anybind.workflow import load_graph
    from anybind.workflow import run as run_graph

    registry = load_registry()
    try:
        graph = load_graph(demo_graph(), registry=registry)
    except DeclarationError as error:
        raise _cannot_run(error) from error
    result = run_graph(
        graph, out_path, store=store_path, registry=registry, echo=out.note, progress=out.progress,
        epoch_progress=out.epoch_progress,
    )  # fmt: skip
    out.result({**result.to_dict(), "page": out_path / "report.html"}, run_lines(result))


def demo_graph() -> Path:
    """The packaged graph of the demo, else the one of a checkout.

    Raises:
        PluginError: there is neither.
    """
    package = Path(str(files("anybind")))
    candidates = (package / _PACKAGED, package.parent.parent / _IN_A_CHECKOUT)
    for path in candidates:
        if path.is_file():
            return path
    expected = " or ".join(map(str, candidates))
    raise PluginError(
        "the demo's graph is not in this installation", expected=expected, hint="install anybind again"
    )


def _cannot_run(error: DeclarationError) -> PluginError:
    """The problems of the demo's own graph come from what is not installed."""
    messages = [problem.message for problem in error.problems]
    hints = dict.fromkeys(problem.hint for problem in error.problems if problem.hint)
    return PluginError(
        "the demo needs plugins that are not in use",
        where=error.where,
        got="; ".join(messages) or error.what,
        hint="; ".join(hints) or error.hint,
    )
