"""Checkpoints and the log of a training: ``<folder>/<method>-<key>/checkpoint.safetensors`` and ``training.jsonl``.

The key is a hash of the method, its options, the seed and the data, so a checkpoint of another fit is never
used. A checkpoint is one file that appears whole (a temporary file, then a rename): the tensors, and in the
header the state as JSON and the sha256 of both. It stays when the fit is done, marked as finished, so
that the same fit returns at once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from anybind.distributed import Runtime
from anybind.errors import StoreError
from anybind.fit_data import Sample

CHECKPOINT, LOG = "checkpoint.safetensors", "training.jsonl"
_FORMAT = 1
_KEY_DIGITS = 16


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: a JSON-plain state, and tensors by name."""

    state: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


def fit_key(label: str, settings: Mapping[str, Any], samples: Mapping[str, Sample]) -> str:
    """A hash of a method's name, all that it was told (JSON-plain), and every row it trains on."""
    told = json.dumps([_FORMAT, label, settings], sort_keys=True)
    digest = hashlib.sha256(told.encode())
    for name, sample in sorted(samples.items()):
        digest.update(json.dumps([name, sample.ids, sorted(sample.vectors)]).encode())
        digest.update(sample.folds.numpy().tobytes())
        for space in sorted(sample.vectors):
            digest.update(sample.present[space].numpy().tobytes())
            digest.update(sample.vectors[space].contiguous().numpy().tobytes())
    return digest.hexdigest()[:_KEY_DIGITS]


class Keeper:
    """Keeps the checkpoint and the log of one fit; does nothing without a folder.

    Rank 0 reads and writes; all ranks get what it read, and all fail when it does.
    """

    def __init__(self, folder: Path | None, name: str, runtime: Runtime) -> None:
        self._folder = None if folder is None else folder / name
        self._runtime = runtime

    def load(self) -> Saved | str | None:
        """What was saved last; None when there is nothing, a text that says what is wrong with a damaged file."""
        if self._folder is None:
            return None
        found = _read(self._folder / CHECKPOINT) if self._runtime.rank == 0 else None
        return self._runtime.broadcast(found)

    def save(self, saved: Saved) -> None:
        """Replace the checkpoint.

        Raises:
            StoreError: it cannot be written; on every rank.
        """
        self._write("write a checkpoint", CHECKPOINT, lambda path: _replace(path, _packed(saved)))

    def start_log(self, records: list[dict[str, Any]]) -> None:
        """Begin the log with the records there are; what a killed fit logged after its last checkpoint goes."""
        text = "".join(map(_line, records))
        self._write("write the log", LOG, lambda path: _replace(path, text.encode()))

    def log(self, record: dict[str, Any]) -> None:
        """Add a record to the log."""
        self._write("write the log", LOG, lambda path: _append(path, _line(record)))

    def _write(self, action: str, name: str, write: Callable[[Path], None]) -> None:
        if self._folder is None:
            return
        problem = None
        if self._runtime.rank == 0:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                write(self._folder / name)
            except OSError as error:
                problem = error.strerror or repr(error)
        problem = self._runtime.broadcast(problem)
        if problem is not None:
            raise StoreError(
                f"cannot {action} of a training", where=self._folder / name, got=problem,
                hint="free some space or choose another folder for checkpoints, and run again",
            )  # fmt: skip


def _packed(saved: Saved) -> bytes:
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in saved.tensors.items()}
    state = json.dumps(saved.state)
    return save(tensors, {"state": state, "sha256": _digest(state, tensors)})


def _read(path: Path) -> Saved | str | None:
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if header.get("sha256") != _digest(header.get("state", ""), tensors):
            return "its content does not match its checksum"
        return Saved(json.loads(header["state"]), tensors)
    except (OSError, SafetensorError, ValueError) as error:
        return str(error) or type(error).__name__


def _digest(state: str, tensors: Mapping[str, torch.Tensor]) -> str:
    return hashlib.sha256(state.encode() + save(dict(tensors))).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
