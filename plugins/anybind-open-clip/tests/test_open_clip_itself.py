"""Against open_clip itself, where it can be imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from anybind_open_clip import examples, plugin
from anybind_open_clip.checkpoint import CONFIG, SAFE_WEIGHTS
from anybind_open_clip.image import ImageEncoder
from anybind_open_clip.text import TextEncoder
from anybind_open_clip.tokens import tidied
from PIL import Image
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def open_clip() -> Any:
    try:
        import open_clip  # it needs torchvision, which does not import beside every build of torch
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"open_clip cannot be imported: {error}")
    return open_clip


@pytest.mark.parametrize("quick_gelu", [False, True])
def test_both_towers_give_open_clips_vectors(tmp_path: Path, open_clip: Any, quick_gelu: bool) -> None:
    examples.write_tiny_checkpoint(tmp_path, quick_gelu=quick_gelu)
    config = json.loads((tmp_path / CONFIG).read_text("utf-8"))
    model = open_clip.CLIP(**config["model_cfg"]).eval()
    model.load_state_dict(load_file(tmp_path / SAFE_WEIGHTS))
    prepare = open_clip.image_transform(32, is_train=False, **config["preprocess_cfg"])
    specs = {spec.name: spec.model_copy(update={"dim": examples.DIM}) for spec in plugin.anybind_encoders()}
    pictures = [Image.linear_gradient("L").convert("RGB").resize(size) for size in [(32, 32), (70, 45), (33, 90)]]
    texts = TextEncoder(specs["open-clip-vit-b32-laion2b-text"], folder=str(tmp_path), normalize=False)
    images = ImageEncoder(specs["open-clip-vit-b32-laion2b-image"], folder=str(tmp_path), normalize=False)
    tokens = torch.zeros(2, 12, dtype=torch.long)
    found = texts._tokens(["a cat", "dogs and more"])
    tokens[:, : found.shape[1]] = found
    with torch.inference_mode():
        expected = model.encode_image(torch.stack([prepare(picture) for picture in pictures]))
        torch.testing.assert_close(images.encode(pictures), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            texts.encode(["a cat", "dogs and more"]), model.encode_text(tokens), atol=1e-4, rtol=1e-4
        )


def test_text_is_tidied_as_open_clip_does(open_clip: Any) -> None:
    clean = open_clip.tokenizer._clean_lower
    texts = ["It’s “one” &amp; two", "ＡＢＣ １２，ﾊﾝｶｸ", "ﬁne ﬂy ŉ", " a\t\ncat ", "‘x’ ‚y‛ „z‟", "Łódź Ĳ ǅ 12½ ™ …"]
    for text in texts:
        assert " ".join(tidied(text).lower().split()) == clean(text)
