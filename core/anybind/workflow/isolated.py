"""Extraction in another Python environment: for an encoder whose dependencies do not go with the others'.

The other environment needs anybind, the encoder's plugin with all it depends on, and the plugins of the data sets.
It is given jobs, opens the data sets itself, and writes to the store: vectors go no other way. Here the encoder's
plugin must be installed too, but without its dependencies: listing it needs none.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, TextIO, cast

from anybind import errors
from anybind.distributed import Runtime
from anybind.errors import AnybindError, PluginError, UsageError
from anybind.extract import ExtractReport, OnError, Skipped, SpaceReport
from anybind.progress import Progress, ProgressCallback, reporting
from anybind.store import EmbeddingStore, FillReport
from anybind.version import installed_version
from anybind.workflow.graph import Graph
from anybind.workflow.vectors import space_key, wanted_spaces

PROTOCOL = 1
_LAST_LINES = 5


def extract_isolated(
    graph: Graph,
    store: EmbeddingStore,
    python: Path | str,
    *,
    spaces: Collection[str],
    seeds: Sequence[int] | None = None,
    on_error: OnError = "fail",
    workers: int = 2,
    progress: ProgressCallback | None = None,
) -> ExtractReport:
    """Embed some spaces of a graph by another Python interpreter; what is stored already is not embedded again.

    Args:
        graph: The graph.
        store: Where the vectors go; both environments must see its folder.
        python: The other interpreter, or the folder of its virtual environment.
        spaces: Names of the spaces to embed.
        seeds, on_error, workers, progress: As ``anybind.workflow.extract_graph``.

    Raises:
        UsageError: there is no such interpreter.
        PluginError: the other environment lacks anybind or a plugin, has another version, or died.
        DataError, StoreError: as ``anybind.extract.extract``; ``where`` names the environment too.
    """
    interpreter = _interpreter(Path(python))
    job = {
        "protocol": PROTOCOL, "anybind": installed_version(), "store": str(store.root.resolve()),
        "on_error": on_error, "workers": workers, "tasks": list(_tasks(graph, seeds, spaces)),
    }  # fmt: skip
    with reporting(progress, Runtime()) as report_progress:
        return _run(interpreter, job, report_progress)


def _tasks(graph: Graph, seeds: Sequence[int] | None, spaces: Collection[str]) -> Iterator[dict[str, Any]]:
    for use, seed, label, space in wanted_spaces(graph, seeds, spaces):
        key = space_key(graph, space, graph.open(use, seed, label).collection)
        yield {
            "label": label, "space": space.name, "key": key.settings(),
            "dataset": {"use": use.use, "options": graph.dataset_options(use, seed), "modalities": use.modalities},
            "modality": {"name": space.modality, "kinds": dict(graph.declaration.kinds)},
            "encoder": {
                "use": space.encoder, "options": graph.encoder_options(space.name),
                "revision": graph.declaration.encoders[space.name].revision,
            },
        }  # fmt: skip


def _run(interpreter: Path, job: Mapping[str, Any], progress: ProgressCallback) -> ExtractReport:
    """Hand over the job, pass on what comes back line by line, and end with the report or the error."""
    command = [str(interpreter), "-m", "anybind.workflow.extract_worker"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    environment.pop("PYTHONPATH", None)  # this environment's packages would shadow the other's
    environment.pop("PYTHONHOME", None)
    begun = time.monotonic()
    with subprocess.Popen(  # noqa: S603 the user names the interpreter to run
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        text=True, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            answer, noise = _conversation(process, job, progress)
        except BaseException:  # interrupted here: nothing must go on working there
            process.kill()
            raise
    if "error" in answer:
        raise _carried_back(answer["error"], interpreter)
    if "report" not in answer:
        raise _died(interpreter, process.returncode, noise, time.monotonic() - begun)
    return _report(answer["report"])


def _conversation(
    process: subprocess.Popen[str], job: Mapping[str, Any], progress: ProgressCallback
) -> tuple[dict[str, Any], list[str]]:
    """The last word of the worker, and the last lines of what else it printed."""
    noise: list[str] = []
    reader = Thread(target=_pass_on, args=(process.stderr, noise), daemon=True)
    reader.start()
    answer: dict[str, Any] = {}
    with suppress(BrokenPipeError), cast("TextIO", process.stdin) as stdin:
        stdin.write(json.dumps(job))  # a pipe that is broken: it has died, and the lines it printed tell why
    for line in cast("TextIO", process.stdout):
        told = _message(line)
        if "progress" in told:
            progress(Progress(**told["progress"]))
        elif told:
            answer = told
    reader.join()
    return answer, noise


def _pass_on(stream: TextIO, noise: list[str]) -> None:
    """Keep the last lines that the worker prints for people: they are shown only if it dies."""
    for line in stream:
        noise.append(line.rstrip())
        del noise[:-_LAST_LINES]


def _message(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _interpreter(given: Path) -> Path:
    """The interpreter itself, also where the folder of an environment was given."""
    candidates = [given / "bin" / "python", given / "Scripts" / "python.exe"] if given.is_dir() else [given]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise UsageError(
            "there is no Python interpreter", where="--python", got=given,
            expected="an interpreter, or the folder of a virtual environment",
            hint="make one with python -m venv DIR, and install anybind and the encoder's plugin into it",
        )  # fmt: skip
    return found.absolute()  # not resolved: a virtual environment's interpreter is a link, and known by its place


def _carried_back(told: Mapping[str, Any], interpreter: Path) -> AnybindError:
    """The worker's error as one of the same kind here."""
    kind = getattr(errors, str(told.get("type")), PluginError)
    where = f"{told['where']}, in {interpreter}" if told.get("where") else str(interpreter)
    fields = {name: told.get(name) for name in ("got", "expected", "hint")}
    error: AnybindError = kind(str(told.get("what")), where=where, **fields)
    return error


def _died(interpreter: Path, code: int, noise: Sequence[str], seconds: float) -> PluginError:
    missing = any("No module named 'anybind" in line or "No module named anybind" in line for line in noise)
    return PluginError(
        "the other environment has no anybind that can extract" if missing else "the other environment broke off",
        where=str(interpreter), got=" | ".join(noise) or f"exit code {code} after {seconds:.0f} s",
        expected=f"anybind {installed_version()}",
        hint="install it there from where it was installed here, and the encoder's plugin" if missing
        else "what was finished is in the store: run the same command again",
    )  # fmt: skip


def _report(told: Mapping[str, Any]) -> ExtractReport:
    spaces = [
        SpaceReport(**{**space, "datasets": tuple(space["datasets"]),
                       "fill": FillReport(**{**space["fill"], "repaired": tuple(space["fill"]["repaired"])})})
        for space in told["spaces"]
    ]  # fmt: skip
    return ExtractReport(tuple(spaces), tuple(Skipped(**skipped) for skipped in told["skipped"]))
