"""A saved binder: a folder of config.json, model.safetensors, and what is known of its making.

    config.json         format version, method and fitted choices, spaces and encoders, sha256 of the rest
    model.safetensors   every fitted tensor
    graph.yaml          the declaration it was fitted from, if there was one
    metrics.json        what was measured, if anything was
    README.md           the model card

Loading is strict: file sums, tensor names, shapes, dtypes and finiteness are checked, and nothing that a
file names is imported; encoders and methods are found by registered name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from anybind.errors import ArtifactError
from anybind.specs import Name

FORMAT_VERSION = 1
CONFIG, MODEL, GRAPH, METRICS, CARD = "config.json", "model.safetensors", "graph.yaml", "metrics.json", "README.md"
_MAX_CONFIG_BYTES = 16 * 2**20
_CODE_ENDINGS = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".py")
_DTYPES = {"float32": torch.float32, "float64": torch.float64}

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SpaceInfo(_Model):
    """What a space of a binder is: its vectors, and the encoder that makes them, if one is known."""

    name: Name
    modality: Name
    kind: Name | None = None
    dim: int = Field(ge=1, le=65536, description="Length of the raw vectors.")
    normalise: bool = Field(description="Whether raw vectors are scaled to unit length first.")
    projected: int | None = Field(default=None, ge=1, le=65536, description="Dims after the input projection.")
    encoder: Name | None = None
    revision: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    distribution: str | None = None
    licence: str | None = None


class TensorInfo(_Model):
    """Shape and dtype of a saved tensor."""

    shape: Annotated[tuple[int, ...], Field(strict=False)]
    dtype: Literal["float32", "float64"]


class Training(_Model):
    """The data a binder was fitted on."""

    datasets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seed: int = 0


class Config(_Model):
    """config.json."""

    format_version: Literal[1]
    library: Literal["anybind"] = "anybind"
    library_version: str
    method: Name
    fitted: dict[str, Any]
    spaces: dict[Name, SpaceInfo] = Field(max_length=1024)
    training: Training
    tensors: dict[str, TensorInfo] = Field(max_length=1_000_000)
    files: dict[str, Sha256]


@dataclass(frozen=True)
class Saved:
    """The content of an artifact, checked."""

    config: Config
    tensors: Mapping[str, torch.Tensor]
    texts: Mapping[str, str] = field(default_factory=dict)


def write_artifact(
    folder: Path | str, header: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], texts: Mapping[str, str]
) -> Path:
    """Write an artifact; an older one in the folder is replaced, other files there stay.

    Everything is written beside the folder first and moved in at the end, config.json last, so that a
    full disk or a kill leaves what was there before, or a folder whose sums tell that it is unfinished.

    Args:
        folder: Where; made if missing.
        header: The fields of ``Config`` but ``format_version``, ``tensors`` and ``files``.
        tensors: Finite float32 or float64 tensors by name.
        texts: graph.yaml, metrics.json, README.md, those there are.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    folder = Path(folder)
    kept = {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in sorted(tensors.items())}
    contents = {MODEL: save(kept)} | {name: text.encode() for name, text in texts.items()}
    config = Config.model_validate(
        {
            **header,
            "format_version": FORMAT_VERSION,
            "tensors": {n: {"shape": tuple(t.shape), "dtype": str(t.dtype).removeprefix("torch.")} for n, t in kept.items()},
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())},
        }
    )  # fmt: skip
    contents[CONFIG] = (json.dumps(config.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()
    try:
        _move_in(folder, contents)
    except OSError as error:
        raise ArtifactError(
            "the artifact cannot be written", where=folder, got=error.strerror or error,
            hint="free some space or choose another folder; what was there before is unchanged or has a wrong sum",
        ) from error  # fmt: skip
    return folder


def _move_in(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in contents.items():
            with open(staging / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in (GRAPH, METRICS, CARD):
            if name not in contents:
                (folder / name).unlink(missing_ok=True)
        for name in sorted(contents, key=lambda n: n == CONFIG):
            os.replace(staging / name, folder / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_artifact(folder: Path | str) -> Saved:
    """Read and check an artifact.

    Raises:
        ArtifactError: not an artifact, made by a newer version, damaged, or holding pickled files.
    """
    folder = Path(folder)
    config = _read_config(folder)
    suspicious = sorted(path.name for path in folder.iterdir() if path.name.lower().endswith(_CODE_ENDINGS))
    if suspicious:
        raise ArtifactError(
            "the folder holds files that could run code when read", where=folder, got=", ".join(suspicious),
            expected="safetensors and text only", hint="delete them if you trust the rest",
        )  # fmt: skip
    if MODEL not in config.files:
        raise ArtifactError("config.json lists no model.safetensors", where=folder)
    contents = {name: _read_checked(folder, name, digest) for name, digest in config.files.items()}
    tensors = _read_tensors(folder / MODEL, contents.pop(MODEL), config)
    return Saved(config, tensors, {name: content.decode() for name, content in contents.items()})


def _read_config(folder: Path) -> Config:
    path = folder / CONFIG
    if not path.is_file():
        raise ArtifactError(
            "this is no saved binder", where=folder, got="no config.json", expected="a folder made by save_pretrained"
        )
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise ArtifactError("config.json is too large", where=path, got=f"{path.stat().st_size} bytes")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        version = raw.get("format_version") if isinstance(raw, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ArtifactError(
                "the artifact was made by a newer anybind", where=path, got=f"format_version {version}",
                expected=f"at most {FORMAT_VERSION}", hint="upgrade: pip install -U anybind",
            )  # fmt: skip
        return Config.model_validate(raw)
    except (ValueError, RecursionError) as error:
        details = error.errors()[0] if isinstance(error, ValidationError) else error
        raise ArtifactError("config.json is damaged", where=path, got=details) from error


def _read_checked(folder: Path, name: str, digest: str) -> bytes:
    path = folder / name
    if Path(name).name != name or name == CONFIG:
        raise ArtifactError("config.json lists a file outside the artifact", where=folder, got=name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError("a file of the artifact is missing or unreadable", where=path, got=error.strerror) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ArtifactError(
            "a file of the artifact is damaged or was changed", where=path, got=f"sha256 {found}, {len(content)} bytes",
            expected=f"sha256 {digest}", hint="save or download it again",
        )  # fmt: skip
    return content


def _read_tensors(path: Path, content: bytes, config: Config) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load(content)
    except SafetensorError as error:
        raise ArtifactError("model.safetensors is damaged", where=path, got=error) from error
    if tensors.keys() != config.tensors.keys():
        raise ArtifactError(
            "model.safetensors and config.json list different tensors", where=path,
            got=sorted(tensors.keys() ^ config.tensors.keys())[:8],
        )  # fmt: skip
    for name, tensor in tensors.items():
        info = config.tensors[name]
        if tuple(tensor.shape) != info.shape or tensor.dtype != _DTYPES[info.dtype]:
            got = f"{tuple(tensor.shape)} {tensor.dtype}"
            raise ArtifactError("a tensor does not fit config.json", where=f"{path}: {name}", got=got, expected=info)
        if not torch.isfinite(tensor).all():
            raise ArtifactError("a tensor holds NaN or infinity", where=f"{path}: {name}")
    return tensors
