"""A binder as a model of mteb, for its tasks of texts, pictures and sounds. Needs the extra ``mteb``.

Embeddings are those of ``Binder.encode``, compared by cosine. An item of several modalities (a picture with a
caption) is fused by the binder, where its method can. A text without a visible character, of which data sets of
mteb's have some, is embedded as a full stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anybind.builtin.audio import AudioClip
from anybind.errors import DataError, UsageError
from anybind.integrations.common import imported

if TYPE_CHECKING:
    from anybind.binder import Binder

MODALITIES = ("text", "image", "audio")


def as_mteb_encoder(binder: Binder, spaces: Mapping[str, str], *, name: str | None = None) -> MtebEncoder:
    """A model for ``mteb.evaluate``.

    Args:
        binder: A fitted binder, whose encoders load when they are first needed.
        spaces: Modality of mteb (text, image, audio) -> the space, or modality, of the binder that reads it.
        name: Under which results are kept, ``owner/name``; "anybind/" and the method if None.

    Raises:
        PluginError: mteb is not installed.
        UsageError: a modality is none of these, or there is none.
        UnknownNameError: the binder has no such space.
    """
    unknown = [modality for modality in spaces if modality not in MODALITIES]
    if unknown or not spaces:
        raise UsageError("these are no modalities of mteb's that a binder can read", got=unknown or "none",
                         expected=f"some of {', '.join(MODALITIES)}")  # fmt: skip
    library = imported("mteb")
    known = {modality: binder.space_of(space) for modality, space in spaces.items()}
    return MtebEncoder(binder, known, _meta(library, binder, known, name or f"anybind/{binder.method_name}"))


class MtebEncoder:
    """Implements ``mteb.models.EncoderProtocol``; made by ``as_mteb_encoder``.

    Attributes:
        mteb_model_meta: What mteb keeps with the results.
    """

    def __init__(self, binder: Binder, spaces: Mapping[str, str], meta: Any) -> None:
        self.mteb_model_meta = meta
        self._binder = binder
        self._spaces = dict(spaces)

    def encode(
        self, inputs: Any, *, task_metadata: Any, hf_split: str, hf_subset: str, prompt_type: Any = None, **kwargs: Any
    ) -> torch.Tensor:
        """Embed what a data loader of mteb's gives, in order.

        Args:
            inputs: Batches: modality -> list of samples, among other things.
            task_metadata: Tells the modalities of the task's items.
            hf_split, hf_subset, kwargs: Unused.
            prompt_type: Query or document, which may differ in modality.

        Returns:
            (n, r) float32.

        Raises:
            UsageError: the task has a modality that no space was given for, or items of several where the method
                cannot fuse.
            DataError, PluginError: as ``Binder.encode``.
        """
        modalities = tuple(task_metadata.get_modalities(prompt_type))
        missing = [modality for modality in modalities if modality not in self._spaces]
        if missing:
            raise UsageError(
                "a task needs a modality that no space was given for", where=f"task {task_metadata.name}",
                got=", ".join(missing), expected=f"some of {', '.join(self._spaces)}",
            )  # fmt: skip
        parts = [self._embedded(batch, modalities) for batch in inputs]
        return torch.cat(parts) if parts else torch.zeros(0, int(self.mteb_model_meta.embed_dim))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """(n, m) cosines of (n, r) and (m, r) arrays; a single vector is one row."""
        return _unit(embeddings1) @ _unit(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """(n,) cosines of the rows of two (n, r) arrays."""
        return (_unit(embeddings1) * _unit(embeddings2)).sum(1)

    def _embedded(self, batch: Mapping[str, Any], modalities: tuple[str, ...]) -> torch.Tensor:
        raw = {
            self._spaces[modality]: self._binder.encode_raw(
                [_sample(modality, each) for each in batch[modality]], space=self._spaces[modality]
            )
            for modality in modalities if modality in batch
        }  # fmt: skip
        if len(raw) == 1:
            ((space, vectors),) = raw.items()
            return self._binder.embed(space, vectors)
        if not raw:
            raise DataError("a batch holds none of its task's modalities", got=", ".join(batch),
                            expected=" or ".join(modalities))  # fmt: skip
        return self._binder.fuse(raw)


def _sample(modality: str, value: Any) -> Any:
    """A sample of mteb's as a source for the binder."""
    if modality == "text":
        return value if value.strip() else "."
    if modality == "image":
        return value
    if hasattr(value, "get_all_samples"):  # a decoder of torchcodec's
        decoded = value.get_all_samples()
        frames, rate = decoded.data.mean(0).numpy(), decoded.sample_rate
    else:
        frames, rate = np.asarray(value["array"]), value["sampling_rate"]
    return AudioClip(np.asarray(frames, dtype=np.float32), int(rate))


def _unit(rows: Any) -> torch.Tensor:
    table = torch.as_tensor(rows).to(torch.float32)
    return torch.nn.functional.normalize(table[None] if table.ndim == 1 else table, dim=1)


def _meta(library: Any, binder: Binder, spaces: Mapping[str, str], name: str) -> Any:
    space = next(iter(spaces.values()))
    width = binder.embed(space, torch.zeros(1, binder.spaces[space].dim)).shape[1]
    told = {"name": name, "revision": binder.revision or "local", "embed_dim": width, "modalities": list(spaces),
            "similarity_fn_name": library.models.model_meta.ScoringFunction.COSINE, "framework": ["PyTorch"],
            "use_instructions": False}  # fmt: skip
    return library.models.ModelMeta.create_empty(told)
