"""``anybind encode``: raw inputs to vectors of the joint space."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anybind.cli.common import PATH, command, load_registry
from anybind.cli.inputs import as_sources, read_arguments
from anybind.cli.output import Output
from anybind.cli.tables import shortened
from anybind.errors import UsageError

if TYPE_CHECKING:
    import torch

_ENDINGS = (".npy", ".safetensors")


@command("encode")
@click.argument("artifact", type=PATH)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("--modality", required=True, metavar="NAME", help="The inputs' modality, or space.")
@click.option("--out", "out_path", type=PATH, metavar="FILE", help="Save the vectors: .npy or .safetensors.")
def encode(
    out: Output, artifact: Path, inputs: tuple[str, ...], modality: str, out_path: Path | None
) -> None:
    """Turn texts, or files of any other modality, into vectors of a binder's joint space.

    INPUT is a text where the modality is one of text, else the path of a file; - reads them from stdin,
    one a line.
    """
    if out_path is not None and out_path.suffix not in _ENDINGS:
        expected = " or ".join(_ENDINGS)
        raise UsageError("vectors cannot be saved in this format", got=out_path, expected=expected)
    given = read_arguments(inputs)
    from anybind.binder import Binder

    registry = load_registry()
    binder = Binder.from_pretrained(artifact, registry=registry)
    space = binder.space_of(modality)
    vectors = binder.encode(as_sources(given, binder.spaces[space], registry), modality=space)
    fields = {"space": space, "rows": vectors.shape[0], "dim": vectors.shape[1], "inputs": given}
    if out_path is None:
        out.result({**fields, "vectors": vectors.tolist()}, _lines(given, vectors))
    else:
        _save(vectors, out_path)
        out.result({**fields, "out": out_path}, [f"{_size(vectors)}: {out_path}"])


def _lines(inputs: Sequence[str], vectors: torch.Tensor) -> Iterator[str]:
    for text, vector in zip(inputs, vectors, strict=True):
        yield f"{shortened(text)}\t{' '.join(f'{value:.4g}' for value in vector.tolist())}"


def _size(vectors: torch.Tensor) -> str:
    rows, dim = vectors.shape
    return f"{rows} vector{'' if rows == 1 else 's'} of {dim} numbers"


def _save(vectors: torch.Tensor, path: Path) -> None:
    """Write the whole file or none: (rows, dim) float32, named ``vectors`` in safetensors."""
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".npy":
            import numpy as np

            with temporary.open("wb") as file:
                np.save(file, vectors.numpy(), allow_pickle=False)
        else:
            from safetensors.torch import save_file

            save_file({"vectors": vectors.contiguous()}, temporary)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # usually it has its final name by now
            temporary.unlink()
