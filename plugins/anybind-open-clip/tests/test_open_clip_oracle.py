"""Against transformers' CLIP, whose weights are written in open_clip's names by a converter of this test alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anybind_open_clip import examples, plugin
from anybind_open_clip.checkpoint import CONFIG, OLD_WEIGHTS, SAFE_WEIGHTS, TOKENIZER
from anybind_open_clip.image import ImageEncoder
from anybind_open_clip.text import TextEncoder
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast

SPECS = {spec.name: spec.model_copy(update={"dim": examples.DIM}) for spec in plugin.anybind_encoders()}
IMAGE, TEXT = SPECS["open-clip-vit-b32-laion2b-image"], SPECS["open-clip-vit-b32-laion2b-text"]
TEXTS = ["a cat", "", "Dogs' DOGS  and\ncats, 3 of them; it's all one long text that has to be cut", "Katze €"]


def reference(vocab_size: int, activation: str) -> CLIPModel:
    """A CLIP of transformers with the sizes of the tiny configuration."""
    shared = {"hidden_act": activation, "num_hidden_layers": 2, "projection_dim": examples.DIM}
    text = {
        **shared, "vocab_size": vocab_size, "hidden_size": 24, "intermediate_size": 96, "num_attention_heads": 3,
        "max_position_embeddings": 12, "bos_token_id": vocab_size - 2, "eos_token_id": vocab_size - 1,
    }  # fmt: skip
    vision = {
        **shared, "hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 4, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=examples.DIM))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def block(state: dict[str, torch.Tensor], source: str, goal: str) -> dict[str, torch.Tensor]:
    """One block's tensors: query, key and value lie on top of one another in open_clip."""
    found = {}
    for kind in ("weight", "bias"):
        parts = [state[f"{source}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
        found[f"{goal}.attn.in_proj_{kind}"] = torch.cat(parts)
        found[f"{goal}.attn.out_proj.{kind}"] = state[f"{source}.self_attn.out_proj.{kind}"]
        found[f"{goal}.ln_1.{kind}"] = state[f"{source}.layer_norm1.{kind}"]
        found[f"{goal}.ln_2.{kind}"] = state[f"{source}.layer_norm2.{kind}"]
        found[f"{goal}.mlp.c_fc.{kind}"] = state[f"{source}.mlp.fc1.{kind}"]
        found[f"{goal}.mlp.c_proj.{kind}"] = state[f"{source}.mlp.fc2.{kind}"]
    return found


def in_open_clips_names(model: CLIPModel) -> dict[str, torch.Tensor]:
    """The whole model as an open_clip checkpoint holds it."""
    s = model.state_dict()
    found = {
        "visual.class_embedding": s["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": s["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": s["vision_model.embeddings.patch_embedding.weight"],
        "visual.proj": s["visual_projection.weight"].T,
        "token_embedding.weight": s["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": s["text_model.embeddings.position_embedding.weight"],
        "text_projection": s["text_projection.weight"].T,
        "logit_scale": s["logit_scale"],
    }
    for kind in ("weight", "bias"):
        found[f"visual.ln_pre.{kind}"] = s[f"vision_model.pre_layrnorm.{kind}"]
        found[f"visual.ln_post.{kind}"] = s[f"vision_model.post_layernorm.{kind}"]
        found[f"ln_final.{kind}"] = s[f"text_model.final_layer_norm.{kind}"]
    for layer in range(2):
        found |= block(s, f"vision_model.encoder.layers.{layer}", f"visual.transformer.resblocks.{layer}")
        found |= block(s, f"text_model.encoder.layers.{layer}", f"transformer.resblocks.{layer}")
    return {name: value.contiguous() for name, value in found.items()}


def write_checkpoint(folder: Path, activation: str, form: str) -> CLIPModel:
    """A checkpoint in one of the forms in which they are handed round, and the model it was made from."""
    tokenizer = examples.tiny_tokenizer()
    tokenizer.save(str(folder / TOKENIZER))
    config = examples.tiny_config(tokenizer.get_vocab_size(), quick_gelu=activation == "quick_gelu")
    (folder / CONFIG).write_text(json.dumps(config), "utf-8")
    model = reference(tokenizer.get_vocab_size(), activation)
    tensors = in_open_clips_names(model)
    if form == "safetensors":
        save_file(tensors, folder / SAFE_WEIGHTS)
    elif form == "bin":
        torch.save(tensors, folder / OLD_WEIGHTS)
    elif form == "training":
        wrapped = {f"module.{name}": value for name, value in tensors.items()}
        run = {"epoch": 3, "name": "run", "state_dict": wrapped, "optimizer": {"state": {}}}
        torch.save(run, folder / "epoch_3.pt")
    elif form == "custom text":
        text = {name if name.startswith(("visual", "logit")) else f"text.{name}": t for name, t in tensors.items()}
        save_file(text, folder / SAFE_WEIGHTS)
    return model


def pictures() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    # transformers rounds the place of the cut down where an odd number of pixels is cut off; torchvision does not
    sizes = [(32, 32, 3), (45, 70, 3), (91, 33, 3)]
    return [Image.fromarray(generator.integers(0, 256, size, dtype=np.uint8)) for size in sizes]


def expected_images(model: CLIPModel, samples: list[Image.Image]) -> torch.Tensor:
    config = examples.tiny_config(1)["preprocess_cfg"]
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32},
        image_mean=config["mean"], image_std=config["std"],
    )  # fmt: skip
    with torch.inference_mode():
        hidden = model.vision_model(**processor(samples, return_tensors="pt")).pooler_output
        return model.visual_projection(hidden)


def expected_texts(model: CLIPModel, samples: list[str]) -> torch.Tensor:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=examples.tiny_tokenizer(), pad_token="<|endoftext|>", model_max_length=12
    )
    tokens: Any = tokenizer(samples, padding="max_length", truncation=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model.text_model(input_ids=tokens["input_ids"]).pooler_output
        return model.text_projection(hidden)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
@pytest.mark.parametrize("form", ["safetensors", "bin", "training", "custom text"])
def test_both_towers_give_transformers_vectors(tmp_path: Path, activation: str, form: str) -> None:
    model = write_checkpoint(tmp_path, activation, form)
    samples = pictures()
    image = ImageEncoder(IMAGE, folder=str(tmp_path), normalize=False).encode(samples)
    torch.testing.assert_close(image, expected_images(model, samples), atol=2e-4, rtol=2e-4)
    text = TextEncoder(TEXT, folder=str(tmp_path), normalize=False).encode(TEXTS)
    torch.testing.assert_close(text, expected_texts(model, TEXTS), atol=2e-4, rtol=2e-4)


def test_the_two_activations_differ_by_more_than_rounding(tmp_path: Path) -> None:
    """So that the test above tells them apart."""
    model = write_checkpoint(tmp_path, "gelu", "safetensors")
    quick = reference(examples.tiny_tokenizer().get_vocab_size(), "quick_gelu")
    assert (expected_images(model, pictures()) - expected_images(quick, pictures())).abs().max() > 0.002
    assert (expected_texts(model, TEXTS) - expected_texts(quick, TEXTS)).abs().max() > 0.002


def test_vectors_have_length_one_unless_asked_otherwise(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "gelu", "safetensors")
    raw = TextEncoder(TEXT, folder=str(tmp_path), normalize=False).encode(TEXTS)
    scaled = TextEncoder(TEXT, folder=str(tmp_path)).encode(TEXTS)
    torch.testing.assert_close(scaled, raw / raw.norm(dim=1, keepdim=True))
    assert (raw.norm(dim=1) - 1).abs().min() > 0.01


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near_and_comes_out_as_float32(tmp_path: Path, dtype: str) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    for spec, kind, samples in ((IMAGE, ImageEncoder, pictures()), (TEXT, TextEncoder, TEXTS)):
        exact = kind(spec, folder=str(tmp_path)).encode(samples)
        half = kind(spec, folder=str(tmp_path), dtype=dtype).encode(samples)
        assert half.dtype == torch.float32
        assert not torch.equal(half, exact)
        assert (half * exact).sum(dim=1).min() > 0.99
        torch.testing.assert_close(half.norm(dim=1), torch.ones(len(samples)))


def test_a_whole_picture_is_squeezed_where_the_checkpoint_says_so(tmp_path: Path) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    sample = pictures()[1]
    squeezed = sample.resize((32, 32), Image.Resampling.BILINEAR)
    expected = ImageEncoder(IMAGE, folder=str(tmp_path)).encode([squeezed])
    config = json.loads((tmp_path / CONFIG).read_text("utf-8"))
    config["preprocess_cfg"] |= {"resize_mode": "squash", "interpolation": "bilinear"}
    (tmp_path / CONFIG).write_text(json.dumps(config), "utf-8")
    assert torch.equal(ImageEncoder(IMAGE, folder=str(tmp_path)).encode([sample]), expected)
