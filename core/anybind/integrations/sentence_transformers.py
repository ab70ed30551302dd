"""A text space as a model folder that ``SentenceTransformer(folder)`` loads, without code of anybind's.

The encoder's own model is followed by layers that take its vectors to the joint space: ``Dense`` and
``Normalize``. What fits into those: linear maps, heads, and Gaussian Nyström features of unit vectors, where
``exp(-g |x - l|^2) = elu(2 g x·l - g (1 + |l|^2)) + 1`` as the argument is never positive. Needs the extra
``sentence-transformers``, and an encoder with a method ``as_sentence_transformer``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import singledispatchmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import ModelCardData
from torch import nn

from anybind.encoder_kit.notices import quiet_transformers
from anybind.errors import ArtifactError, PluginError, UsageError
from anybind.features import NystroemMap
from anybind.integrations.common import imported
from anybind.joint_map import joint_steps
from anybind.provenance import combined_licence
from anybind.report.markdown import inline
from anybind.steps import Gelu, Linear, Shift, Steps, UnitLength
from anybind.version import installed_version

if TYPE_CHECKING:
    from anybind.binder import Binder

_PROBES = ["a dog", "Two dogs play in the snow, and a third one watches them.", "犬", "0123456789 " * 20]
# Of the difference between a row and what the exported model makes of its text, in lengths of the row.
_TOLERANCE = 1e-3


def export_sentence_transformer(binder: Binder, space: str, folder: str | Path) -> Path:
    """Write a model folder whose embeddings are those of ``binder.encode``.

    What was written is loaded and compared with the binder before the folder gets its name.

    Args:
        binder: A fitted binder.
        space: One of its spaces, of text, with an encoder that knows its model.
        folder: Where; must be empty or not there yet.

    Returns:
        The folder.

    Raises:
        PluginError: sentence-transformers or the encoder is not installed, or the encoder has no such model.
        UsageError: the map to the joint space cannot be told in the library's own layers, or the folder is in use.
        UnknownNameError, NoPathError: as ``Binder.embed``.
        ArtifactError: the folder cannot be written, or the written model gives other vectors.
    """
    folder = Path(folder)
    library = imported("sentence_transformers")
    steps = joint_steps(binder, space)
    layers = _Layers(binder.spaces[space].dim).along(steps)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder is in use", got=folder, expected="an empty folder, or a new one")
    expected = binder.embed(space, binder.encode_raw(_PROBES, space=space))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".exporting-") as staging, quiet_transformers():
            written = Path(staging) / "model"
            _joined(library, _own_model(binder, space), layers).save_pretrained(str(written), create_model_card=False)
            (written / "README.md").write_text(_card(binder, space), encoding="utf-8")
            _require_same(_vectors(library, written), expected)
            if folder.exists():
                folder.rmdir()
            os.replace(written, folder)
    except OSError as error:
        raise ArtifactError("the model cannot be written", where=folder, got=error.strerror or error) from error
    return folder


def _own_model(binder: Binder, space: str) -> Any:
    encoder = binder._encoders[space]  # it has just encoded
    if not hasattr(encoder, "as_sentence_transformer"):
        raise PluginError(
            "the encoder of this space is no model of sentence-transformers", where=f"space {space!r}",
            got=binder.spaces[space].encoder, expected="an encoder with a method as_sentence_transformer",
            hint="minilm-l6, hf-text, and those of anybind-sentence-transformers have one",
        )  # fmt: skip
    return encoder.as_sentence_transformer()


def _joined(library: Any, own: Any, layers: list[nn.Module]) -> Any:
    model = library.SentenceTransformer(
        modules=[*own, *layers], prompts=own.prompts, default_prompt_name=own.default_prompt_name,
        similarity_fn_name="cosine", device="cpu",
    )  # fmt: skip
    return model.float().eval()


def _vectors(library: Any, folder: Path) -> torch.Tensor:
    model = library.SentenceTransformer(str(folder), device="cpu", trust_remote_code=False, local_files_only=True)
    found: torch.Tensor = model.encode(_PROBES, convert_to_tensor=True, show_progress_bar=False)
    return found


def _require_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    if found.shape == expected.shape:
        away = (found - expected).norm(dim=1) / expected.norm(dim=1).clamp(min=1e-12)
        if float(away.max()) <= _TOLERANCE:
            return
        got = f"vectors that differ by {float(away.max()):.2g} of their length"
    else:
        got = f"{tuple(found.shape)}"
    raise ArtifactError(
        "the exported model would not give this binder's vectors", got=got, expected=f"at most {_TOLERANCE:g}",
        hint="fit with features: identity, whose map loses no digits in float32",
    )  # fmt: skip


@dataclass
class _Layers:
    """Layers so far, and the affine map that is not among them yet: ``rows @ matrix + bias``.

    Attributes:
        dim: Length of the rows that come in.
    """

    dim: int
    modules: list[nn.Module] = field(default_factory=list)
    matrix: torch.Tensor | None = None
    bias: torch.Tensor | None = None

    def along(self, steps: Steps) -> list[nn.Module]:
        """The layers of a map."""
        for step in steps:
            self.add(step)
        self._write(None)
        return self.modules

    @singledispatchmethod
    def add(self, step: Any) -> None:
        """Add a step of a map."""
        raise _untellable(step)

    @add.register
    def _(self, step: Shift) -> None:
        by = step.by.to(torch.float64)
        self.bias = by if self.bias is None else self.bias + by

    @add.register
    def _(self, step: Linear) -> None:
        by = step.matrix.to(torch.float64)
        self.matrix = by if self.matrix is None else self.matrix @ by
        self.bias = None if self.bias is None else self.bias @ by

    @add.register
    def _(self, step: UnitLength) -> None:
        self._write(None)
        if not self._ends_at_unit_length():
            self.modules.append(_library().Normalize())

    @add.register
    def _(self, step: Gelu) -> None:
        self._write(nn.GELU())

    @add.register
    def _(self, step: NystroemMap) -> None:
        if step.kernel != "gaussian" or not self._ends_at_unit_length():
            raise _untellable(step)
        landmarks = step.landmarks.to(torch.float64)
        self.matrix = 2 * step.gamma * landmarks.T
        self.bias = -step.gamma * (1 + landmarks.square().sum(1))
        self._write(nn.ELU())
        self.matrix = step.root.to(torch.float64)
        self.bias = self.matrix.sum(0)  # the 1 that elu takes off

    def _ends_at_unit_length(self) -> bool:
        pending = self.matrix is not None or self.bias is not None
        return not pending and bool(self.modules) and isinstance(self.modules[-1], _library().Normalize)

    def _write(self, activation: nn.Module | None) -> None:
        """The pending map as a layer, if it is not the identity."""
        if self.matrix is None and self.bias is None and activation is None:
            return
        matrix = torch.eye(self.dim, dtype=torch.float64) if self.matrix is None else self.matrix
        bias = torch.zeros(matrix.shape[1], dtype=torch.float64) if self.bias is None else self.bias
        self.modules.append(_library().Dense(
            *matrix.shape, activation_function=activation, init_weight=matrix.T.contiguous().to(torch.float32),
            init_bias=bias.to(torch.float32),
        ))  # fmt: skip
        self.dim, self.matrix, self.bias = matrix.shape[1], None, None


def _untellable(step: Any) -> UsageError:
    return UsageError(
        "this binder's map cannot be told in layers of sentence-transformers", got=type(step).__name__,
        expected="linear maps, heads, or Gaussian Nyström features of normalised vectors",
        hint="fit one method (not an average of several) with features: identity",
    )  # fmt: skip


def _library() -> Any:
    return imported("sentence_transformers.sentence_transformer.modules")


def _card(binder: Binder, space: str) -> str:
    info = binder.spaces[space]
    licence = binder.licence or combined_licence(binder.spaces, binder.training).hub
    head = ModelCardData(
        library_name="sentence-transformers", pipeline_tag="feature-extraction", tags=["anybind"], license=licence
    )
    others = ", ".join(inline(name) for name in binder.spaces if name != space)
    return f"""---
{head.to_yaml()}
---

The space {inline(space)} of a binder made with anybind {installed_version()} by the method {binder.method_name}, as a
model of sentence-transformers. Its vectors are those of the binder's joint space, so they compare with the binder's
other spaces: {others}.

Encoder: {info.encoder}, weights {inline(str(info.weights))}, revision {inline(str(info.revision))}, licence
{inline(str(info.licence))}.
"""
