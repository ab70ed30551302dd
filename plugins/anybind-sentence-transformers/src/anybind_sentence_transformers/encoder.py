"""Models of sentence-transformers as encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

import anybind
from anybind.encoder_kit.batches import check_texts, encode_in_batches
from anybind.encoder_kit.checkpoints import checkpoint_folder
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind.encoder_kit.notices import quiet_transformers

# No Python files; the older weights only where there are no safetensors.
_SETTINGS = ["*.json", "*.txt", "*.model"]
_SAFE, _OLDER = "*.safetensors", "*pytorch_model*.bin"


class _Model:
    """Texts through a SentenceTransformer, with its own pooling, prompts and further layers."""

    def __init__(
        self, spec: anybind.EncoderSpec, path: Path, *, prompt_name: str | None, prompt: str | None, normalize: bool,
        batch_size: int, device: str, dtype: str, truncate_dim: int | None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self._batch_size = batch_size
        place, number_format = checked_device(spec.name, device), checked_dtype(spec.name, dtype)
        self._model = _loaded(path, place, number_format, truncate_dim)
        self._options: dict[str, Any] = {
            "prompt_name": _known(spec.name, self._model, prompt_name, prompt), "prompt": prompt,
            "normalize_embeddings": normalize,
        }  # fmt: skip

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        """Embed texts, in order.

        Returns:
            (len(samples), spec.dim) float32 tensor on the CPU.

        Raises:
            anybind.DataError: a sample is not text.
        """
        check_texts(self.spec.name, samples)
        return encode_in_batches(
            samples, self._vectors, batch_size=self._batch_size, dim=self.spec.dim, length=len
        )

    def as_sentence_transformer(self) -> SentenceTransformer:
        """The model with what the options add to it: the prompt, fewer numbers, length 1. For export."""
        layers: list[torch.nn.Module] = list(self._model)
        if self._model.truncate_dim is not None:
            layers.append(_first_numbers(layers, self._model.truncate_dim))
        if self._options["normalize_embeddings"]:
            layers.append(Normalize())
        name, prompt = self._options["prompt_name"], self._options["prompt"]
        prompts: dict[str, Any] = self._model.prompts if prompt is None else {"anybind": prompt}
        default = (name or self._model.default_prompt_name) if prompt is None else "anybind"
        return SentenceTransformer(modules=layers, prompts=prompts, default_prompt_name=default, device="cpu")

    def dim(self) -> int:
        """The length of the vectors, found by embedding a text."""
        with torch.inference_mode():
            return int(self._vectors(["a"]).shape[1])

    def _vectors(self, batch: list[str]) -> torch.Tensor:
        found: torch.Tensor = self._model.encode(
            batch, batch_size=len(batch), convert_to_tensor=True, show_progress_bar=False, **self._options
        )
        return found


class AnyModel(_Model):
    """Any SentenceTransformer, from a folder or a repository, if it needs no code of its own.

    Args:
        spec: The encoder's spec; the option ``dim`` takes the place of its length.
        dim: Length of the vectors, after ``truncate_dim``.
        weights: Repository on the Hugging Face Hub.
        revision: Commit of that repository.
        folder: A model on disk, in place of both.
        prompt_name: One of the model's own prompts; None for the model's default, if it has one.
        prompt: Put before every text.
        truncate_dim: Keep the first numbers only.
        normalize: Scale every vector to length 1.
        batch_size: Texts per batch, at least 1.
        device: A torch device.
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        anybind.PluginError: the model cannot be had or read.
        anybind.UsageError: an option does not fit the model; for ``dim`` the message has the right one.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        dim: int,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        truncate_dim: int | None = None,
        normalize: bool = True,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        super().__init__(
            spec.model_copy(update={"dim": dim}), _fetched(spec.name, weights, revision, folder),
            prompt_name=prompt_name, prompt=prompt, normalize=normalize, batch_size=batch_size, device=device,
            dtype=dtype, truncate_dim=truncate_dim,
        )  # fmt: skip
        right = self.dim()
        if right != dim:
            raise anybind.UsageError(
                "the option dim is not the length of the model's vectors", where=f"encoder {spec.name}, option dim",
                got=dim, expected=right, hint=f"dim: {right}",
            )  # fmt: skip


class Published(_Model):
    """A published model by name.

    Args:
        spec: The encoder's spec.
        weights: Repository on the Hugging Face Hub; None for the spec's own, at the spec's revision.
        revision: Commit of that repository; needed for other weights.
        folder: A model on disk, in place of both.
        prompt: Put before every text.
        normalize: Scale every vector to length 1.
        batch_size: Texts per batch, at least 1.
        device: A torch device.
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        anybind.PluginError: the model cannot be had or read, or its vectors have another length.
        anybind.UsageError: the device does not exist, or no revision is named.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        prompt: str | None = None,
        normalize: bool = True,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        own = weights is None or weights == spec.weights
        pinned = spec.revision if own else None
        super().__init__(
            spec, _fetched(spec.name, weights or spec.weights, revision or pinned, folder), prompt_name=None,
            prompt=prompt, normalize=normalize, batch_size=batch_size, device=device, dtype=dtype, truncate_dim=None,
        )  # fmt: skip
        right = self.dim()
        if right != spec.dim:
            raise anybind.PluginError(
                f"the model is not one for encoder {spec.name}", where=folder or weights,
                got=f"vectors of {right} numbers", expected=f"vectors of {spec.dim} numbers, as {spec.weights} has",
            )  # fmt: skip


class Query(Published):
    """A published model of the E5 family, whose texts are led in by ``query:``. Arguments as ``Published``'s."""

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        prompt: str | None = "query: ",
        normalize: bool = True,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        super().__init__(
            spec, weights=weights, revision=revision, folder=folder, prompt=prompt, normalize=normalize,
            batch_size=batch_size, device=device, dtype=dtype,
        )  # fmt: skip


def _first_numbers(layers: Sequence[Any], kept: int) -> Dense:
    """A layer that keeps the first numbers of what others give."""
    dim = next(each.get_embedding_dimension() for each in reversed(layers) if hasattr(each, "get_embedding_dimension"))
    return Dense(dim, kept, bias=False, activation_function=None, init_weight=torch.eye(dim)[:kept].clone())


def _fetched(encoder: str, weights: str | None, revision: str | None, folder: str | None) -> Path:
    """The model's folder; the older weights are fetched only where safetensors are missing."""
    def with_files(files: list[str]) -> Path:
        return checkpoint_folder(encoder, weights=weights, revision=revision, folder=folder, files=files)

    found = with_files([*_SETTINGS, _SAFE])
    return found if folder or list(found.glob(_SAFE)) else with_files([*_SETTINGS, _OLDER])


def _loaded(
    path: Path, device: torch.device, dtype: torch.dtype, truncate_dim: int | None
) -> SentenceTransformer:
    # With no modules.json the library would make a model up: mean pooling over whatever the folder holds.
    if not (path / "modules.json").is_file():
        raise anybind.PluginError(
            "the folder holds no model of sentence-transformers", where=path, got="no modules.json",
            expected="a folder that SentenceTransformer.save made", hint="for a plain network use encoder hf-text",
        )  # fmt: skip
    try:
        with quiet_transformers(), torch.random.fork_rng(devices=[]):  # networks are built with random weights
            model = SentenceTransformer(
                str(path), device=str(device), trust_remote_code=False, local_files_only=True,
                model_kwargs={"dtype": dtype}, truncate_dim=truncate_dim,
            )  # fmt: skip
    except Exception as error:  # the library and what it reads with raise anything
        raise anybind.PluginError(
            "a model of sentence-transformers cannot be read", where=path,
            got=str(error).strip().split("\n", 1)[0] or type(error).__name__,
            expected="a whole model that needs no code of its own",
        ) from error  # fmt: skip
    return model.to(dtype).eval().requires_grad_(False)


def _known(encoder: str, model: SentenceTransformer, name: str | None, prompt: str | None) -> str | None:
    """The name of a prompt, if the model has it and no other prompt is given."""
    where = f"encoder {encoder}, option prompt_name"
    if name is not None and prompt is not None:
        raise anybind.UsageError("two prompts are given", where=where, got=f"{name} and {prompt!r}", expected="one")
    if name is not None and name not in model.prompts:
        known = ", ".join(sorted(model.prompts)) or "the model has none"
        raise anybind.UsageError("the model has no prompt of this name", where=where, got=name, expected=known)
    return name
