"""A saved binder: a folder of config.json, model.safetensors, and what is known of its making.

    config.json         format version, method and fitted choices, spaces and encoders, sha256 of the rest
    model.safetensors   every fitted tensor
    graph.yaml          the declaration it was fitted from, if there was one
    metrics.json        what was measured, if anything was
    forecast.json       what forecasts of retrieval are calculated from, if held-out rows could be looked at
    README.md           the model card
    .eval_results/      the same numbers as the Hugging Face Hub reads them
    moments.safetensors what a fit saw of the data, if it was asked for: sums, no rows

Loading is strict: file sums, tensor names, shapes, dtypes and finiteness are checked, and nothing that a
file names is imported; encoders and methods are found by registered name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors.torch import load, save

from anybind.errors import ArtifactError
from anybind.specs import Name

FORMAT_VERSION = 1
CONFIG, MODEL = "config.json", "model.safetensors"
GRAPH, METRICS, FORECAST, CARD = "graph.yaml", "metrics.json", "forecast.json", "README.md"
_MAX_CONFIG_BYTES = 16 * 2**20
_CODE_ENDINGS = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".py")
_DTYPES = {"float32": torch.float32, "float64": torch.float64}

EVALUATION = ".eval_results/anybind.yaml"
MOMENTS = "moments.safetensors"

FileName = Literal[
    "model.safetensors", "graph.yaml", "metrics.json", "forecast.json", "README.md", ".eval_results/anybind.yaml",
    "moments.safetensors",
]
FILES: tuple[str, ...] = get_args(FileName)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SpaceInfo(_Model):
    """What a space of a binder is: its vectors, and the encoder that makes them, if it is known."""

    name: Name
    modality: Name
    kind: Name | None = None
    dim: int = Field(ge=1, le=65536, description="Length of the raw vectors.")
    normalise: bool = Field(default=True, description="Whether raw vectors are scaled to unit length first.")
    input_dim: int = Field(ge=1, le=65536, description="Length of what the method sees: after kernel and projection.")
    encoder: Name | None = None
    weights: str | None = None
    revision: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    distribution: str | None = None
    licence: str | None = None


class TensorInfo(_Model):
    """Shape and dtype of a saved tensor."""

    shape: Annotated[tuple[int, ...], Field(strict=False)]
    dtype: Literal["float32", "float64"]


class DatasetInfo(_Model):
    """A data set a binder was fitted on, and where it came from, if that is known."""

    rows: dict[Name, int] = Field(description="Space -> number of rows that have it.")
    use: Name | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    distribution: str | None = None
    licence: str | None = None
    attribution: str | None = None
    added: bool = Field(default=False, description="Whether it came later, by partial_fit.")


class PathInfo(_Model):
    """The route by which a pair of spaces was bound."""

    pair: Annotated[tuple[Name, Name], Field(strict=False)]
    spaces: Annotated[tuple[Name, ...], Field(strict=False, description="The pair with its pivots between.")]
    datasets: Annotated[
        tuple[Annotated[tuple[str, ...], Field(strict=False)], ...],
        Field(strict=False, description="For every hop the data sets that hold both ends."),
    ]

    @property
    def direct(self) -> bool:
        """Whether some data set holds the pair itself."""
        return len(self.spaces) == 2


class Training(_Model):
    """The data a binder was fitted on."""

    datasets: dict[str, DatasetInfo] = Field(default_factory=dict)
    seed: int = 0
    paths: Annotated[tuple[PathInfo, ...], Field(strict=False)] = ()


class Config(_Model):
    """config.json."""

    format_version: Literal[1]
    library: Literal["anybind"] = "anybind"
    library_version: str
    licence: str | None = Field(default=None, description="As the Hub names it, where a person has chosen one.")
    method: Name
    fitted: dict[str, Any]
    spaces: dict[Name, SpaceInfo] = Field(max_length=1024)
    training: Training
    tensors: dict[str, TensorInfo] = Field(max_length=1_000_000)
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        wrong = [name for name, space in self.spaces.items() if space.name != name]
        if wrong:
            raise ValueError(f"space {wrong[0]!r} names itself {self.spaces[wrong[0]].name!r}")
        return self


@dataclass(frozen=True)
class Saved:
    """The content of an artifact, checked."""

    config: Config
    tensors: Mapping[str, torch.Tensor]
    texts: Mapping[str, str] = field(default_factory=dict)
    moments: bytes | None = None


def write_artifact(
    folder: Path | str,
    header: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    texts: Mapping[str, str],
    moments: bytes | None = None,
) -> Path:
    """Write an artifact; an older one in the folder is replaced, other files there stay.

    Everything is written into a folder of its own first and moved to its place at the end, config.json
    last. When that fails, as on a full disk, what was there before is put back; after a kill in between
    the folder has no config.json, which tells that it is unfinished.

    Args:
        folder: Where; made if missing.
        header: The fields of ``Config`` but ``format_version``, ``tensors`` and ``files``.
        tensors: Finite float32 or float64 tensors by name.
        texts: The text files by name, those there are.
        moments: moments.safetensors, if it is to be kept.

    Raises:
        ArtifactError: the folder cannot be written, or holds files of other things under the same names;
            a tensor is not finite, or the header is no valid one.
    """
    folder = Path(folder)
    kept = {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in sorted(tensors.items())}
    for name, tensor in kept.items():
        _require_finite(tensor, f"tensor {name}")
    contents = {MODEL: save(kept)} | {name: text.encode() for name, text in texts.items()}
    if moments is not None:
        contents[MOMENTS] = moments
    try:
        contents[CONFIG] = _config_bytes(header, kept, contents)
        _move_in(folder, contents)
    except (TypeError, ValueError) as error:
        raise ArtifactError("the binder cannot be saved as it is", where=folder, got=error) from error
    except OSError as error:
        raise ArtifactError(
            "the artifact cannot be written", where=folder, got=error.strerror or error,
            hint="free some space or choose another folder; what was there before is kept",
        ) from error  # fmt: skip
    return folder


def _config_bytes(
    header: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], contents: Mapping[str, bytes]
) -> bytes:
    infos = {
        name: {"shape": tuple(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
        for name, tensor in tensors.items()
    }
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
    config = Config.model_validate(
        {**header, "format_version": FORMAT_VERSION, "tensors": infos, "files": sums}
    )
    # not mode="json", which would write null for NaN
    return (json.dumps(config.model_dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _move_in(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    replaced = _replaceable(folder, contents)
    staging = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder))
    aside = staging / "old"
    try:
        for name in contents:
            for place in (aside, staging, folder):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with open(staging / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        moves_out = [(folder / name, aside / name) for name in replaced]
        moves_in = [(staging / name, folder / name) for name in sorted(contents, key=lambda n: n == CONFIG)]
        _move_all(moves_out + moves_in)
    except BaseException:
        if not any(path.is_file() for path in aside.rglob("*")):  # else it holds what could not be put back
            shutil.rmtree(staging, ignore_errors=True)
        raise
    shutil.rmtree(staging, ignore_errors=True)


def _replaceable(folder: Path, names: Iterable[str]) -> list[str]:
    """The files of an older artifact, config.json first; refuses to overwrite what is not ours.

    A model of another library has a config.json, too, and any folder may have a README.md.
    """
    ours: set[str] = set()
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        config = _parsed(folder / CONFIG)
        if config["library"] == "anybind":
            ours = {CONFIG, *config["files"]}
    present = [name for name in (CONFIG, *FILES) if (folder / name).exists()]
    foreign = [name for name in present if name not in ours and name in names]
    if foreign:
        raise ArtifactError(
            "the folder holds files that are not of a saved binder, and would be lost", where=folder,
            got=", ".join(foreign), hint="choose an empty folder, or delete them",
        )  # fmt: skip
    return [name for name in present if name in ours]


def _move_all(moves: Iterable[tuple[Path, Path]]) -> None:
    """Move files, from and to; when one cannot be moved, move back those that were."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            os.replace(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            os.replace(target, source)
        raise


def read_artifact(folder: Path | str) -> Saved:
    """Read and check an artifact.

    Raises:
        ArtifactError: not an artifact, made by a newer version, damaged, or holding pickled files.
    """
    folder = Path(folder)
    try:
        config = parse_config(folder / CONFIG)
        suspicious = sorted(n for n in os.listdir(folder) if n.lower().endswith(_CODE_ENDINGS))
    except OSError as error:
        raise ArtifactError("the folder cannot be read", where=folder, got=error.strerror or error) from error
    if suspicious:
        raise ArtifactError(
            "the folder holds files that could run code when read", where=folder, got=", ".join(suspicious),
            expected="safetensors and text only", hint="delete them if you trust the rest",
        )  # fmt: skip
    if MODEL not in config.files:
        raise ArtifactError("config.json lists no model.safetensors", where=folder)
    contents: dict[str, bytes] = {n: _read_checked(folder / n, digest) for n, digest in config.files.items()}
    tensors = _read_tensors(folder / MODEL, contents.pop(MODEL), config)
    moments = contents.pop(MOMENTS, None)
    texts = {name: _text(folder / name, content) for name, content in contents.items()}
    return Saved(config, tensors, texts, moments)


def parse_config(path: Path) -> Config:
    """A config.json, checked.

    Raises:
        ArtifactError: missing, damaged, no binder's, or made by a newer version.
    """
    folder = path.parent
    if not path.is_file():
        raise ArtifactError(
            "this is no saved binder",
            where=folder, got="no config.json", expected="a folder made by save_pretrained",
        )  # fmt: skip
    try:
        raw = _parsed(path)
        version = raw.get("format_version") if isinstance(raw, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ArtifactError(
                "the artifact was made by a newer anybind", where=path, got=f"format_version {version}",
                expected=f"at most {FORMAT_VERSION}", hint="upgrade anybind to read it",
            )  # fmt: skip
        return Config.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ArtifactError("config.json is damaged", where=path, got=f"{place}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError("config.json is damaged", where=path, got=error) from error


def _parsed(path: Path) -> Any:
    """JSON as its standard has it: no key twice, no NaN.

    Raises:
        ValueError: too large, not UTF-8 or not JSON.
        RecursionError: too deep.
    """
    size = path.stat().st_size
    if size > _MAX_CONFIG_BYTES:
        raise ValueError(f"{size} bytes are too many, at most {_MAX_CONFIG_BYTES}")
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} occurs twice")
    return result


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _read_checked(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        got = error.strerror or error
        raise ArtifactError("a file of the artifact is missing or unreadable", where=path, got=got) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ArtifactError(
            "a file of the artifact is damaged or was changed", where=path,
            got=f"sha256 {found}, {len(content)} bytes",
            expected=f"sha256 {digest}", hint="save or download it again",
        )  # fmt: skip
    return content


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ArtifactError("a file of the artifact is no UTF-8 text", where=path, got=error) from error


def _read_tensors(path: Path, content: bytes, config: Config) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load(content)
    except Exception as error:  # safetensors lets errors of several kinds through
        raise ArtifactError("model.safetensors is damaged", where=path, got=error) from error
    if tensors.keys() != config.tensors.keys():
        raise ArtifactError(
            "model.safetensors and config.json list different tensors", where=path,
            got=sorted(tensors.keys() ^ config.tensors.keys())[:8],
        )  # fmt: skip
    for name, tensor in tensors.items():
        info = config.tensors[name]
        if tuple(tensor.shape) != info.shape or tensor.dtype != _DTYPES[info.dtype]:
            raise ArtifactError(
                "a tensor does not fit config.json", where=f"{path}: {name}",
                got=f"{tuple(tensor.shape)} {tensor.dtype}", expected=f"{info.shape} {info.dtype}",
            )  # fmt: skip
        _require_finite(tensor, f"{path}: {name}")
    return tensors


def _require_finite(tensor: torch.Tensor, where: str) -> None:
    if not torch.isfinite(tensor).all():
        raise ArtifactError("a tensor holds NaN or infinity", where=where)
