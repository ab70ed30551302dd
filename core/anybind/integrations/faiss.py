"""A faiss index of one space's items, searched by inner product.

Two kinds. Told a ``query`` space, the index holds the items as that space's queries see them, and the inner
products are ``Binder.score``: a search finds what the scores would rank first, in the same order. Otherwise it
holds the vectors of ``Binder.embed``, which any space may be compared with. Needs the extra ``faiss``.

Beside the index, ``<path>.json`` holds the items' ids and which spaces it is for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from anybind.errors import ArtifactError, DataError, UsageError
from anybind.integrations.common import imported, write_files
from anybind.joint_map import inner_product

if TYPE_CHECKING:
    from anybind.binder import Binder


@dataclass(frozen=True)
class Gallery:
    """What stands beside an index.

    Attributes:
        space: The items' space.
        query: The space whose queries it is for; None for an index of joint-space vectors.
        dim: Length of the index's vectors.
        ids: The items' ids; position i of the index is ``ids[i]``.
    """

    space: str
    query: str | None
    dim: int
    ids: Sequence[str]


def export_faiss(
    binder: Binder, space: str, vectors: Any, ids: Sequence[str], path: str | Path, *, query: str | None = None
) -> Gallery:
    """Write an index (``IndexFlatIP``) of items, and their ids.

    Args:
        binder: A fitted binder.
        space: The items' space.
        vectors: (n, dim) array of the encoder's raw vectors.
        ids: n different ids.
        path: The index; the ids are written to ``<path>.json``.
        query: The space that queries come from; see above.

    Returns:
        What was written beside the index.

    Raises:
        PluginError: faiss is not installed.
        UnknownNameError, NoPathError, ShapeError, DataError: as ``Binder.embed`` and ``Binder.score``.
        DataError: the ids are not as many as the vectors, or one occurs twice.
        UsageError: the method's score is no inner product.
        ArtifactError: the files cannot be written.
    """
    faiss, path = imported("faiss"), Path(path)
    rows = binder.embed(space, vectors) if query is None else inner_product(binder, query, space).right(vectors)
    _require_ids(ids, len(rows))
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows.numpy())
    gallery = Gallery(space, query, rows.shape[1], [str(each) for each in ids])
    beside = json.dumps(asdict(gallery), ensure_ascii=False, indent=1).encode()
    write_files(path.parent, {path.name: faiss.serialize_index(index).tobytes(), f"{path.name}.json": beside})
    return gallery


def open_faiss(path: str | Path) -> tuple[Any, Gallery]:
    """An exported index, and what stands beside it.

    Raises:
        PluginError: faiss is not installed.
        ArtifactError: a file is missing or damaged, or the two are not of one export.
    """
    faiss, path = imported("faiss"), Path(path)
    try:
        index = faiss.read_index(str(path))
        gallery = Gallery(**json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8")))
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise ArtifactError("the index cannot be read", where=path, got=error) from error
    if (index.ntotal, index.d) != (len(gallery.ids), gallery.dim):
        raise ArtifactError(
            "the index and its ids are not of one export", where=path, got=f"{index.ntotal} vectors of {index.d}",
            expected=f"{len(gallery.ids)} vectors of {gallery.dim}",
        )  # fmt: skip
    return index, gallery


def query_vectors(binder: Binder, gallery: Gallery, space: str, vectors: Any) -> torch.Tensor:
    """Raw vectors as an exported index is asked.

    Args:
        binder: The binder that the index was made with.
        gallery: What stands beside the index.
        space: The queries' space.
        vectors: (n, dim) array of the encoder's raw vectors.

    Returns:
        (n, d) float32, for ``index.search(rows.numpy(), k)``.

    Raises:
        UsageError: the index is for queries of another space.
        As ``export_faiss``.
    """
    if gallery.query is None:
        return binder.embed(space, vectors)
    if space != gallery.query:
        raise UsageError(
            "the index is for queries of another space", got=space, expected=gallery.query,
            hint=f"export one with query={space!r}",
        )  # fmt: skip
    return inner_product(binder, space, gallery.space).left(vectors)


def _require_ids(ids: Sequence[str], rows: int) -> None:
    if len(ids) != rows:
        raise DataError("every item has one id", got=f"{len(ids)} ids", expected=f"{rows}, one for each vector")
    (often, count), *_ = Counter(map(str, ids)).most_common(1) or [("", 1)]
    if count > 1:
        raise DataError("an id occurs twice", got=often, expected="different ids")
