"""The hooks, and the published architectures at full size, on the meta device."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from anybind_open_clip import plugin
from anybind_open_clip.architectures import ARCHITECTURES
from anybind_open_clip.config import image_config, text_config
from anybind_open_clip.network import ImageTower, TextTower

PLUGIN = Path(__file__).parents[1]
# All parameters of open_clip 3.3.0's models of these names, the scale of the logits among them.
PARAMETERS = {
    "ViT-B-32": 151_277_313,
    "ViT-B-16": 149_620_737,
    "ViT-L-14": 427_616_513,
    "ViT-L-14-336": 427_944_193,
    "ViT-H-14": 986_109_441,
}
# Some of the tensors of laion/CLIP-ViT-H-14-laion2B-s32B-b79K: it is the one whose heads are not 64 wide.
H_14 = {
    "visual.class_embedding": (1280,),
    "visual.positional_embedding": (257, 1280),
    "visual.proj": (1280, 1024),
    "visual.conv1.weight": (1280, 3, 14, 14),
    "visual.ln_pre.weight": (1280,),
    "visual.ln_post.bias": (1280,),
    "visual.transformer.resblocks.31.ln_1.weight": (1280,),
    "visual.transformer.resblocks.31.attn.in_proj_weight": (3840, 1280),
    "visual.transformer.resblocks.31.attn.in_proj_bias": (3840,),
    "visual.transformer.resblocks.31.attn.out_proj.weight": (1280, 1280),
    "visual.transformer.resblocks.31.mlp.c_fc.weight": (5120, 1280),
    "visual.transformer.resblocks.31.mlp.c_proj.weight": (1280, 5120),
    "visual.transformer.resblocks.31.mlp.c_proj.bias": (1280,),
    "positional_embedding": (77, 1024),
    "text_projection": (1024, 1024),
    "token_embedding.weight": (49408, 1024),
    "transformer.resblocks.23.ln_2.bias": (1024,),
    "transformer.resblocks.23.attn.in_proj_weight": (3072, 1024),
    "transformer.resblocks.23.mlp.c_fc.bias": (4096,),
    "ln_final.weight": (1024,),
}


def towers(name: str) -> tuple[ImageTower, TextTower]:
    with torch.device("meta"):
        return (
            ImageTower(image_config("test", ARCHITECTURES[name], name)),
            TextTower(text_config("test", ARCHITECTURES[name], name)),
        )


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_architecture_has_the_published_number_of_parameters(name: str) -> None:
    image, text = towers(name)
    scale = 1
    assert sum(p.numel() for tower in (image, text) for p in tower.parameters()) + scale == PARAMETERS[name]


def test_tensors_have_the_published_names_and_shapes() -> None:
    image, text = towers("ViT-H-14")
    shapes = {f"visual.{name}": tuple(value.shape) for name, value in image.state_dict().items()}
    shapes |= {name: tuple(value.shape) for name, value in text.state_dict().items()}
    assert {name: shapes.get(name) for name in H_14} == H_14
    assert len(shapes) == (7 + 32 * 12 + 1) + (5 + 24 * 12)
    heads = image.transformer.resblocks[0].attn.num_heads
    assert heads == 16


def test_architectures_come_with_both_activations() -> None:
    assert set(ARCHITECTURES) == {*PARAMETERS, *(f"{name}-quickgelu" for name in PARAMETERS)}
    for name in PARAMETERS:
        assert not image_config("test", ARCHITECTURES[name], name).quick_gelu
        assert text_config("test", ARCHITECTURES[f"{name}-quickgelu"], name).quick_gelu


def test_presets_pin_a_commit_and_have_the_length_of_their_architecture() -> None:
    specs = plugin.anybind_encoders()
    assert len(specs) == 2 * len(plugin.PRESETS)
    for spec in specs:
        assert re.fullmatch("[0-9a-f]{40}", spec.revision)
        assert spec.licence == "MIT"
        assert spec.name == f"{spec.shared_space}-{spec.modality}"
        (name,) = [name for name in PARAMETERS if f"CLIP-{name}-" in spec.weights]
        assert spec.dim == ARCHITECTURES[name]["embed_dim"]


def test_the_module_with_the_hooks_is_light() -> None:
    code = (
        "import sys; from anybind_open_clip import plugin; plugin.anybind_encoders(); plugin.anybind_examples(); "
        "bad = {'torch', 'numpy', 'PIL', 'tokenizers', 'huggingface_hub'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_encoding_imports_neither_open_clip_nor_torchvision_nor_transformers() -> None:
    code = (
        "import sys; from anybind_open_clip import image, text; "
        "bad = {'open_clip', 'torchvision', 'timm', 'transformers'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_readme_names_every_encoder_with_its_weights() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "anybind>=0.1,<0.2" in project["dependencies"]
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for spec in plugin.anybind_encoders():
        assert f"`{spec.name}`" in readme
        assert spec.weights in readme
        assert spec.revision[:7] in readme
