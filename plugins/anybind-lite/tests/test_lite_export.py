"""``minilm-l6`` as a model of sentence-transformers."""

from __future__ import annotations

import pytest
import torch
from anybind_lite import plugin
from anybind_lite.minilm import MiniLM

pytest.importorskip("sentence_transformers")


def test_the_model_for_export_is_the_encoder() -> None:
    (spec,) = [spec for spec in plugin.anybind_encoders() if spec.name == "minilm-l6"]
    encoder, texts = MiniLM(spec), ["a dog", "naïve café: 犬", "word " * 400]
    before = torch.get_rng_state()
    found = encoder.as_sentence_transformer().encode(texts, convert_to_tensor=True)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(found, encoder.encode(texts), rtol=1e-4, atol=1e-5)
