"""The full-size networks, without memory: names, shapes and numbers of parameters of the published checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from anybind_transformers.presets import PRESETS
from anybind_transformers.towers import TOWERS

from anybind.encoder_kit.notices import quiet_transformers

# The settings in the published config.json files, where they differ from the classes' defaults.
_LARGE_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
_LARGE_VISION = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "patch_size": 14,
}  # fmt: skip
_SIGLIP2_TEXT = {"vocab_size": 256_000, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
PUBLISHED: dict[str, tuple[Any, Any]] = {
    "clip-vit-b32": (transformers.CLIPModel, transformers.CLIPConfig()),
    "clip-vit-l14": (
        transformers.CLIPModel,
        transformers.CLIPConfig(text_config=_LARGE_TEXT, vision_config=_LARGE_VISION, projection_dim=768),
    ),
    "siglip2-base": (transformers.SiglipModel, transformers.SiglipConfig(text_config=_SIGLIP2_TEXT)),
    "clap-htsat": (transformers.ClapModel, transformers.ClapConfig()),
    "x-clip-base": (transformers.XCLIPModel, transformers.XCLIPConfig()),
}
# Parameters in millions of each tower: open_clip's table of models for CLIP, the papers and cards for the others.
MILLIONS = {
    "clip-vit-b32-image": 87.85, "clip-vit-b32-text": 63.43, "clip-vit-l14-image": 303.97,
    "clip-vit-l14-text": 123.65, "siglip2-base-image": 92.88, "siglip2-base-text": 282.30,
}  # fmt: skip
# Some names and shapes as they stand in the published files.
NAMES = {
    "clip-vit-b32-text": {
        "text_model.embeddings.token_embedding.weight": (49408, 512),
        "text_model.encoder.layers.11.self_attn.q_proj.weight": (512, 512),
        "text_model.final_layer_norm.bias": (512,), "text_projection.weight": (512, 512),
    },
    "clip-vit-b32-image": {
        "vision_model.embeddings.class_embedding": (768,), "vision_model.pre_layrnorm.weight": (768,),
        "vision_model.embeddings.patch_embedding.weight": (768, 3, 32, 32),
        "vision_model.embeddings.position_embedding.weight": (50, 768), "visual_projection.weight": (512, 768),
    },
    "clip-vit-l14-image": {
        "vision_model.embeddings.position_embedding.weight": (257, 1024),
        "vision_model.encoder.layers.23.mlp.fc1.weight": (4096, 1024), "visual_projection.weight": (768, 1024),
    },
    "clip-vit-l14-text": {"text_projection.weight": (768, 768)},
    "siglip2-base-text": {
        "text_model.embeddings.token_embedding.weight": (256000, 768), "text_model.head.weight": (768, 768),
        "text_model.embeddings.position_embedding.weight": (64, 768),
    },
    "siglip2-base-image": {
        "vision_model.head.probe": (1, 1, 768), "vision_model.head.attention.in_proj_weight": (2304, 768),
        "vision_model.embeddings.position_embedding.weight": (196, 768),
    },
    "clap-htsat-audio": {
        "audio_model.audio_encoder.patch_embed.proj.weight": (96, 1, 4, 4),
        "audio_model.audio_encoder.batch_norm.running_mean": (64,),
        "audio_model.audio_encoder.layers.2.blocks.5.attention.self.relative_position_bias_table": (225, 16),
        "audio_projection.linear1.weight": (512, 768), "audio_projection.linear2.weight": (512, 512),
    },
    "clap-htsat-text": {
        "text_model.embeddings.word_embeddings.weight": (50265, 768),
        "text_model.embeddings.position_embeddings.weight": (514, 768), "text_projection.linear1.weight": (512, 768),
    },
    "x-clip-base-video": {
        "vision_model.encoder.layers.11.message_fc.weight": (768, 768), "mit.position_embedding": (1, 8, 512),
        "mit.encoder.layers.0.self_attn.k_proj.weight": (512, 512), "visual_projection.weight": (512, 768),
    },
    "x-clip-base-text": {"text_projection.weight": (512, 512)},
}  # fmt: skip
# What belongs to no tower: it scales or adapts scores of pairs.
BETWEEN = ("logit_scale", "logit_bias", "logit_scale_a", "logit_scale_t", "prompts_")


@pytest.fixture(scope="module")
def towers() -> dict[str, dict[str, torch.Size]]:
    """encoder -> published name -> shape of what its network wants."""
    found = {}
    with torch.device("meta"), quiet_transformers():
        for preset in PRESETS:
            config = PUBLISHED[preset.shared_space][1]
            tower = TOWERS[config.model_type, preset.modality]
            network = tower.build(config)
            found[preset.name] = {f"{tower.strip}{key}": t.shape for key, t in network.state_dict().items()}
    return found


@pytest.mark.parametrize("space", PUBLISHED)
def test_the_towers_together_are_the_published_model(space: str, towers: dict[str, dict[str, torch.Size]]) -> None:
    model, config = PUBLISHED[space]
    with torch.device("meta"), quiet_transformers():
        whole = {name: tensor.shape for name, tensor in model(config).state_dict().items()}
    first, second = [towers[preset.name] for preset in PRESETS if preset.shared_space == space]
    assert not first.keys() & second.keys()
    assert first | second == {name: shape for name, shape in whole.items() if not name.startswith(BETWEEN)}


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_the_published_ones(name: str, towers: dict[str, dict[str, torch.Size]]) -> None:
    assert {key: tuple(towers[name].get(key, ())) for key in NAMES[name]} == NAMES[name]


@pytest.mark.parametrize("name", MILLIONS)
def test_numbers_of_parameters_are_the_published_ones(name: str, towers: dict[str, dict[str, torch.Size]]) -> None:
    assert round(sum(shape.numel() for shape in towers[name].values()) / 1e6, 2) == MILLIONS[name]


def test_every_preset_is_covered_and_says_its_length(towers: dict[str, dict[str, torch.Size]]) -> None:
    assert NAMES.keys() == {preset.name for preset in PRESETS}
    for preset in PRESETS:
        config = PUBLISHED[preset.shared_space][1]
        dim = config.text_config.hidden_size if config.model_type == "siglip" else config.projection_dim
        assert preset.dim == dim
