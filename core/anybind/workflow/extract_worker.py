"""``python -m anybind.workflow.extract_worker``: what ``anybind extract --python`` runs in the other environment.

A job comes in on stdin as JSON. Out go lines of JSON on stdout: ``progress`` as often as there is some, and at the
end ``report`` or ``error``. Everything that libraries print goes to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from anybind.errors import AnybindError, PluginError
from anybind.extract import ExtractReport, ExtractTask, extract
from anybind.plugins import installed_registry
from anybind.registry import Registry
from anybind.store import EmbeddingStore, SpaceKey
from anybind.version import installed_version
from anybind.workflow.isolated import PROTOCOL
from anybind.workflow.vectors import encoder_key

Tell = Callable[[dict[str, Any]], None]


def main() -> int:
    """Do the job on stdin; 0 when it is done, 1 when it failed."""
    out = sys.stdout

    def tell(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=out, flush=True)

    with redirect_stdout(sys.stderr):
        try:
            tell({"report": run_job(json.load(sys.stdin), tell).to_dict()})
        except AnybindError as error:
            tell({"error": error.to_dict()})
            return 1
        except Exception as error:  # whatever it is, the person at the other end must read it
            tell({"error": {"type": "PluginError", "what": "the extraction failed",
                            "got": f"{type(error).__name__}: {error}"}})  # fmt: skip
            return 1
    return 0


def run_job(job: Mapping[str, Any], tell: Tell) -> ExtractReport:
    """Embed what a job asks for.

    Raises:
        PluginError: it comes from another version, a plugin is missing here, or its vectors would be others.
        DataError, StoreError: as ``anybind.extract.extract``.
    """
    if job.get("protocol") != PROTOCOL:
        raise PluginError(
            "the two environments have versions of anybind that do not understand each other",
            got=f"protocol {job.get('protocol')} of anybind {job.get('anybind')}",
            expected=f"protocol {PROTOCOL}, as anybind {installed_version()} speaks it",
            hint="install the same version of anybind in both",
        )  # fmt: skip
    registry = installed_registry()
    tasks = [_task(task, registry) for task in job["tasks"]]
    return extract(
        tasks, EmbeddingStore(Path(job["store"])), on_error=job["on_error"], workers=job["workers"],
        progress=lambda progress: tell({"progress": asdict(progress)}),
    )  # fmt: skip


def _task(task: Mapping[str, Any], registry: Registry) -> ExtractTask:
    dataset, encoder, modality = task["dataset"], task["encoder"], task["modality"]
    spec = registry.encoder(encoder["use"]).spec
    opened = registry.build_dataset(dataset["use"], modalities=dataset["modalities"], **dataset["options"])
    key = encoder_key(spec, encoder["options"], encoder["revision"], modality["name"], opened.collection)
    _require_same(SpaceKey.from_settings(task["key"]), key, f"data set {task['label']}, space {task['space']}")
    return ExtractTask(
        opened, modality["name"], registry.build_modality(modality["name"], modality["kinds"]),
        partial(registry.build_encoder, encoder["use"], **encoder["options"]), key, task["label"],
    )  # fmt: skip


def _require_same(wanted: SpaceKey, found: SpaceKey, where: str) -> None:
    """Refuse to make vectors that the asking environment would not recognise."""
    if wanted == found:
        return
    asked, made = wanted.settings(), found.settings()
    differing = [name for name in asked if asked[name] != made[name] and name != "options_sha256"]
    raise PluginError(
        "the two environments would make different vectors", where=where,
        got="; ".join(f"{name}: {made[name]}" for name in differing),
        expected="; ".join(f"{name}: {asked[name]}" for name in differing),
        hint="install the same version of the plugins in both",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
