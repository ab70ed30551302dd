"""``anybind doctor``: is this installation sound, or are these vectors?"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from anybind.cli.common import (
    PATH,
    RUNS,
    command,
    find_plugins,
    first_seed,
    open_graph,
    open_store,
    seed_option,
    store_option,
)
from anybind.cli.output import Output
from anybind.cli.plugins.listing import plugin_fields, plugin_lines, plugin_problems
from anybind.errors import UsageError
from anybind.version import installed_version

_NEEDED = (
    "torch",
    "numpy",
    "safetensors",
    "huggingface_hub",
    "pydantic",
    "pluggy",
    "PyYAML",
    "click",
    "tqdm",
)
_OPTIONAL = ("pillow", "soundfile")
_SWITCHES = (
    "ANYBIND_DISABLE_PLUGINS",
    "ANYBIND_PLUGINS_STRICT",
    "ANYBIND_REGISTRY",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_HOME",
    "HF_HUB_CACHE",
    "OMP_NUM_THREADS",
    "NO_COLOR",
)
_OLDEST_PYTHON = (3, 11)


@command("doctor")
@click.argument("graph_path", metavar="[G.yaml]", type=PATH, required=False)
@store_option
@seed_option
@click.option("--torch", "with_torch", is_flag=True, help="Without a graph: import torch too, and name the devices.")
def doctor(
    out: Output, graph_path: Path | None, store_path: Path | None, seed: int | None, with_torch: bool
) -> int:
    """Look for what is wrong: with the installation, or with a graph's vectors.

    Without a graph: versions, plugins, places and switches. With one, after 'anybind extract': dead and equal
    vectors, effective rank, hubs, what every edge can carry, and how pivots differ between data sets, with
    advice. Exit code 1 when something must be put right.

    \b
    anybind doctor
    anybind doctor graph.yaml --store runs/store
    """
    if graph_path is not None:
        if with_torch:
            raise UsageError("--torch looks at the installation", got="a graph", expected="anybind doctor --torch")
        return _examine(out, graph_path, store_path, seed)
    if store_path is not None or seed is not None:
        raise UsageError("--store and --seed need a graph", expected="anybind doctor G.yaml --store DIR")
    return _check_installation(out, with_torch)


def _examine(out: Output, graph_path: Path, store_path: Path | None, seed: int | None) -> int:
    """Diagnose a graph's stored vectors."""
    from anybind.cli.diagnosis import diagnosis_lines
    from anybind.workflow.diagnosing import diagnose_graph

    graph = open_graph(graph_path)
    store, chosen = open_store(graph, store_path), first_seed(graph, seed)
    found = diagnose_graph(graph, store, seed=chosen, progress=out.note)
    fields = {"name": graph.name, "graph": graph_path, "store": store.root, "seed": chosen, **found.to_dict()}
    out.result(fields, diagnosis_lines(graph.name, found))
    return 1 if found.faults else 0


def _check_installation(out: Output, with_torch: bool) -> int:
    """Versions, plugins, places and switches, and what is wrong with them."""
    from anybind.catalogue import catalogue_path

    registry, statuses = find_plugins()
    fields: dict[str, Any] = {
        "versions": _versions(),
        **plugin_fields(statuses, registry.conflicts),
        "places": {
            "catalogue": catalogue_path(),
            "stores": _stores(),
            "hub_cache": _hub_cache(),
        },
        "switches": {name: os.environ[name] for name in _SWITCHES if name in os.environ},
        "devices": _devices() if with_torch else None,
    }
    problems = [*_version_problems(fields["versions"]), *plugin_problems(statuses, registry.conflicts)]
    fields["problems"] = problems
    out.result(fields, _lines(fields, list(plugin_lines(statuses, registry.conflicts))))
    return 1 if problems else 0


def _versions() -> dict[str, str | None]:
    own = {
        "anybind": installed_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    return {**own, **{name: _version(name) for name in (*_NEEDED, *_OPTIONAL)}}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _version_problems(versions: Mapping[str, str | None]) -> list[str]:
    missing = [f"{name} is not installed: pip install {name}" for name in _NEEDED if versions[name] is None]
    if sys.version_info < _OLDEST_PYTHON:
        missing.append(f"Python {versions['python']} is too old: 3.11 or later is needed")
    return missing


def _stores() -> list[str]:
    """The stores of runs in the present folder."""
    return [str(path) for path in (RUNS / "store", *sorted(RUNS.glob("*/store"))) if path.is_dir()]


def _hub_cache() -> Path:
    """Where huggingface_hub keeps downloads, without importing it."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def _devices() -> list[str]:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    apple = ["Apple GPU (mps)"] if torch.backends.mps.is_available() else []
    return [f"CPU, {torch.get_num_threads()} threads", *gpus, *apple]


def _lines(fields: Mapping[str, Any], plugin_table: list[str]) -> Iterator[str]:
    for name, found in fields["versions"].items():
        yield f"{name:<16}{found or 'not installed'}"
    yield f"{'devices':<16}{', '.join(fields['devices'] or ['not looked at; anybind doctor --torch does'])}"
    for name, place in fields["places"].items():
        yield f"{name:<16}{(', '.join(place) if isinstance(place, list) else place) or 'none'}"
    for name, value in fields["switches"].items():
        yield f"{name}={value}"
    yield from ["", *plugin_table, ""]
    yield from (f"! {problem}" for problem in fields["problems"] if f"! {problem}" not in plugin_table)
    yield "nothing wrong" if not fields["problems"] else f"problems: {len(fields['problems'])}"
