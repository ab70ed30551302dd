"""The model that ``hf-text`` gives for export has the encoder's vectors, or says why there is none."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from anybind_transformers import plugin, tiny

import anybind

SentenceTransformer = pytest.importorskip("sentence_transformers").SentenceTransformer

(SPEC,) = [spec for spec in plugin.anybind_encoders() if spec.name == "hf-text"]
TEXTS = [*tiny.texts(), "a dog " * 40]


def build(folder: Path, **options: Any) -> Any:
    folder.mkdir()
    tiny.bert(folder)
    module, _, factory = SPEC.factory.partition(":")
    return getattr(importlib.import_module(module), factory)(SPEC, folder=str(folder), dim=tiny.DIM, **options)


@pytest.mark.parametrize(
    "options", [{}, {"pooling": "cls"}, {"pooling": "last", "normalize": True}, {"max_tokens": 5}]
)
def test_the_model_for_export_is_the_encoder(options: dict[str, Any], tmp_path: Path) -> None:
    encoder = build(tmp_path / "tiny", **options)
    encoder.as_sentence_transformer().save_pretrained(str(tmp_path / "again"), create_model_card=False)
    again = SentenceTransformer(str(tmp_path / "again"), device="cpu", local_files_only=True)
    found = again.encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(found, encoder.encode(TEXTS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{"pooling": "pooler"}, {"layer": 1}])
def test_what_the_library_cannot_do_is_told(options: dict[str, Any], tmp_path: Path) -> None:
    encoder = build(tmp_path / "tiny", **options)
    with pytest.raises(anybind.UsageError, match="cannot be exported"):
        encoder.as_sentence_transformer()
