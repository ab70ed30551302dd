"""The model that an encoder gives for export has the encoder's vectors, whatever its options."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from anybind_sentence_transformers import plugin, tiny
from sentence_transformers import SentenceTransformer

SPECS = {spec.name: spec for spec in plugin.anybind_encoders()}
TEXTS = ["a dog", "a cat that sleeps on a mat", "x", "word " * 40]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prompt_name": "query"},
        {"prompt": "passage: "},
        {"truncate_dim": 5, "dim": 5},
        {"truncate_dim": 5, "dim": 5, "normalize": False, "prompt": "a: "},
    ],
)
def test_the_model_for_export_is_the_encoder(options: dict[str, Any], tmp_path: Path) -> None:
    module, _, factory = SPECS["sentence-transformers"].factory.partition(":")
    made = getattr(importlib.import_module(module), factory)
    given = {"dim": tiny.DIM, "folder": str(tiny.model(tmp_path / "tiny"))} | options
    encoder = made(SPECS["sentence-transformers"], **given)
    encoder.as_sentence_transformer().save_pretrained(str(tmp_path / "again"), create_model_card=False)
    again = SentenceTransformer(str(tmp_path / "again"), device="cpu", local_files_only=True)
    found = again.encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(found, encoder.encode(TEXTS), rtol=1e-5, atol=1e-6)
