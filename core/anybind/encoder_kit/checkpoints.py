"""Finding a checkpoint, on disk or on the Hub, and reading the part of it that an encoder needs.

Reading a file never runs code from it: safetensors holds numbers alone, and the older formats are read by torch's
reader of plain tensors (``weights_only``), which refuses everything else.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open

from anybind.errors import PluginError, UsageError

# The usual names of a checkpoint's weights, the safest first.
WEIGHT_FILES = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip
_MAX_INDEX = 50_000_000
Rename = Callable[[str], str | None]


def checkpoint_folder(
    encoder: str, *, weights: str | None, revision: str | None, folder: str | None, files: Sequence[str]
) -> Path:
    """The folder of a checkpoint: ``folder`` if given, else the Hub's, fetched into the Hub's own cache if need be.

    Args:
        encoder: The encoder's name, for messages.
        weights: Repository on the Hub.
        revision: Commit, branch or tag; a branch may hold other weights tomorrow.
        folder: A folder on disk.
        files: Names or patterns of the files that are needed; nothing else is fetched.

    Raises:
        UsageError: neither a folder nor a repository with its revision is named.
        PluginError: the folder is missing, or the Hub does not have it or cannot be reached.
    """
    where = f"encoder {encoder}"
    if folder is not None:
        if not Path(folder).is_dir():
            raise PluginError("a checkpoint's folder is missing", where=where, got=folder, expected="a folder")
        return Path(folder)
    if weights is None or revision is None:
        raise UsageError(
            "no checkpoint is named", where=where, got=f"weights {weights}, revision {revision}",
            expected="the options weights and revision, or folder",
            hint="revision is the commit hash that the repository's page shows",
        )  # fmt: skip
    return _from_hub(where, weights, revision, files)


def read_tensors(path: Path, rename: Rename = lambda name: name) -> dict[str, torch.Tensor]:
    """The wanted tensors of a file of weights, or of all files of a sharded checkpoint.

    Args:
        path: A ``.safetensors``, ``.bin``, ``.pt`` or ``.pth`` file, an ``.index.json`` of such files, or a folder
            that holds one of ``WEIGHT_FILES``.
        rename: A tensor's name in the checkpoint -> its name in the network, or None to leave it out. Of a
            safetensors file only wanted tensors are read.

    Returns:
        New name -> tensor on the CPU, as stored.

    Raises:
        PluginError: missing, damaged, or holding something other than tensors; ``where`` names the file.
    """
    if path.is_dir():
        path = _weight_file(path)
    if path.name.endswith(".index.json"):
        found: dict[str, torch.Tensor] = {}
        for part in _shards(path):
            found |= read_tensors(part, rename)
        return found
    try:
        return _safetensors(path, rename) if path.suffix == ".safetensors" else _plain_tensors(path, rename)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError, pickle.UnpicklingError) as error:
        got = str(error).split("\n", 1)[0] or type(error).__name__
        if isinstance(error, pickle.UnpicklingError):  # its text is advice to load the rest too
            got = "a file that holds more than tensors"
        raise PluginError(
            "a file of weights cannot be read", where=path, got=got, expected="a whole file of tensors",
            hint="fetch it again" if path.exists() else None,
        ) from error  # fmt: skip


def load_tensors(encoder: str, network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Put tensors into a network; every name and shape must fit.

    Raises:
        PluginError: something is missing, left over or of another shape; ``got`` says how much and names the first.
    """
    wanted = network.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    foreign = sorted(tensors.keys() - wanted.keys())
    misshapen = sorted(
        f"{name} {tuple(tensors[name].shape)} for {tuple(wanted[name].shape)}"
        for name in wanted.keys() & tensors.keys() if tensors[name].shape != wanted[name].shape
    )  # fmt: skip
    faults = {"missing": missing, "not known": foreign, "of another shape": misshapen}
    told = [f"{len(names)} {what}, e.g. {names[0]}" for what, names in faults.items() if names]
    if told:
        raise PluginError(
            f"The weights do not fit the network of encoder {encoder}.", where=path, got="; ".join(told),
            expected=f"the {len(wanted)} tensors of the published architecture",
        )  # fmt: skip
    network.load_state_dict(dict(tensors), strict=True)


def read_json(path: Path) -> dict[str, object]:
    """A checkpoint's JSON file; raises PluginError when it is missing, too large or no JSON object."""
    try:
        if path.stat().st_size > _MAX_INDEX:
            raise ValueError(f"larger than {_MAX_INDEX} bytes")
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"a JSON {type(found).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise PluginError(
            "a checkpoint's file cannot be read", where=path, got=error, expected="a JSON object"
        ) from error
    return found


def _from_hub(where: str, weights: str, revision: str, files: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(weights, revision=revision, allow_patterns=list(files)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise PluginError(
            "a checkpoint cannot be fetched from the Hugging Face Hub", where=where,
            got=str(error).strip().split("\n", 1)[0], expected=f"{weights} at {revision}",
            hint="check the name and the network, log in where it is gated, or give the option folder",
        ) from error  # fmt: skip


def _weight_file(folder: Path) -> Path:
    found = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)
    if found is None:
        raise PluginError(
            "a checkpoint has no file of weights", where=folder,
            got=", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "an empty folder",
            expected=" or ".join(WEIGHT_FILES),
        )  # fmt: skip
    return found


def _shards(index: Path) -> list[Path]:
    names = read_json(index).get("weight_map")
    parts = sorted({str(name) for name in names.values()}) if isinstance(names, dict) else []
    if not parts or any(Path(name).name != name for name in parts):
        raise PluginError("a checkpoint's index names no files beside it", where=index, got=", ".join(parts[:5]))
    return [index.parent / name for name in parts]


def _safetensors(path: Path, rename: Rename) -> dict[str, torch.Tensor]:
    with safe_open(path, framework="pt", device="cpu") as file:
        wanted = {name: new for name in file.keys() if (new := rename(name)) is not None}
        return {new: file.get_tensor(name) for name, new in wanted.items()}


def _wrapped(state: object) -> dict[str, object] | None:
    """The inner dictionary, where a training script has wrapped its tensors, or None."""
    inner = [state.get(key) for key in ("state_dict", "model")] if isinstance(state, dict) else []
    return next((each for each in inner if isinstance(each, dict)), None)


def _plain_tensors(path: Path, rename: Rename) -> dict[str, torch.Tensor]:
    # Mapped into memory, only the tensors that are used are read; torch's oldest format cannot be.
    state: object = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    while nested := _wrapped(state):
        state = nested
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}")
    wanted = {name: new for name in state if (new := rename(str(name))) is not None}
    strange = [name for name in wanted if not isinstance(state[name], torch.Tensor)]
    if strange:
        raise ValueError(f"{strange[0]} is no tensor")
    return {new: state[name] for name, new in wanted.items()}
