"""Where a tuning stands, in one file that appears whole: tensors, and in the header the state and a checksum."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from anybind import StoreError, UsageError


@dataclass(frozen=True)
class Saved:
    """A JSON-plain state, and tensors by name."""

    state: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


def write(path: Path, key: str, saved: Saved) -> None:
    """Replace a checkpoint.

    Raises:
        StoreError: it cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in saved.tensors.items()}
    state = json.dumps({"key": key, **saved.state}, sort_keys=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(save(tensors, {"state": state, "sha256": _digest(state, tensors)}))
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(
            "a checkpoint cannot be written", where=path, got=error.strerror or error, hint="free some space, run again"
        ) from error


def read(path: Path, key: str) -> Saved | None:
    """What was saved last, None when there is nothing.

    Raises:
        UsageError: it belongs to another tuning.
        StoreError: it is damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        told = header.get("state", "")
        if header.get("sha256") != _digest(told, tensors):
            raise ValueError("its content does not match its checksum")
        state = json.loads(told)
    except (OSError, ValueError, SafetensorError) as error:
        raise StoreError(
            "a checkpoint is damaged", where=path, got=error, hint="delete it to start over"
        ) from error
    if state.pop("key") != key:
        raise UsageError(
            "the folder holds another tuning: its settings, its data or its encoders are others", where=path,
            hint="name another --out, or delete this folder",
        )  # fmt: skip
    return Saved(state, tensors)


def _digest(state: str, tensors: Mapping[str, torch.Tensor]) -> str:
    return hashlib.sha256(state.encode() + save(dict(tensors))).hexdigest()
