"""Every tensor of ImageBind-Huge has its place: names, shapes and counts of the published architecture."""

from __future__ import annotations

import pytest
import torch
from anybind_imagebind.checkpoint import LAYOUTS, empty_tower

# tower: width, blocks, heads, learnt key and value, norm before the blocks
TRUNKS = {
    "vision": (1280, 32, 16, False, True),
    "text": (1024, 24, 16, False, False),
    "audio": (768, 12, 12, True, False),
    "depth": (384, 12, 8, True, False),
    "thermal": (768, 12, 12, True, False),
    "imu": (512, 6, 8, True, False),
}
# What stands before the blocks, by published name.
STEMS = {
    "vision": {"cls_token": (1, 1, 1280), "pos_embedding_helper.pos_embed": (1, 257, 1280),
               "rgbt_stem.proj.1.weight": (1280, 3, 2, 14, 14)},
    "text": {"token_embedding.weight": (49408, 1024), "pos_embed": (1, 77, 1024), "mask": (77, 77)},
    "audio": {"cls_token": (1, 1, 768), "pos_embedding_helper.pos_embed": (1, 229, 768),
              "rgbt_stem.proj.weight": (768, 1, 16, 16), "rgbt_stem.norm_layer.weight": (768,),
              "rgbt_stem.norm_layer.bias": (768,)},
    "depth": {"cls_token": (1, 1, 384), "pos_embedding_helper.pos_embed": (1, 197, 384),
              "depth_stem.proj.weight": (384, 1, 16, 16), "depth_stem.norm_layer.weight": (384,),
              "depth_stem.norm_layer.bias": (384,)},
    "thermal": {"cls_token": (1, 1, 768), "pos_embedding_helper.pos_embed": (1, 197, 768),
                "rgbt_stem.proj.weight": (768, 1, 16, 16), "rgbt_stem.norm_layer.weight": (768,),
                "rgbt_stem.norm_layer.bias": (768,)},
    "imu": {"cls_token": (1, 1, 512), "pos_embed": (1, 251, 512), "imu_stem.proj.weight": (512, 48),
            "imu_stem.norm_layer.weight": (512,), "imu_stem.norm_layer.bias": (512,)},
}  # fmt: skip
HEADS = {"text": ("proj.0", "proj.1"), "imu": ("0", "3")}
UNUSED = {"modality_preprocessors.text.mask"}
# Vision and text are OpenCLIP's ViT-H/14 (986 109 440 parameters), whose patches here have two frames (752 640 more).
PARAMETERS = {"vision": 632_829_440, "text": 354_032_640, "audio": 86_235_648, "depth": 21_871_872,
              "thermal": 86_211_072, "imu": 19_600_384}  # fmt: skip


def published(tower: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a tower's tensors in imagebind_huge.pth, the temperature left out."""
    width, blocks, _, memory, norm_first = TRUNKS[tower]
    norm = {"weight": (width,), "bias": (width,)}
    found: dict[str, tuple[int, ...]] = {
        f"modality_preprocessors.{tower}.{name}": shape for name, shape in STEMS[tower].items()
    }
    trunk = f"modality_trunks.{tower}"
    if norm_first:
        found |= {f"{trunk}.pre_transformer_layer.0.{part}": shape for part, shape in norm.items()}
    for number in range(blocks):
        block = f"{trunk}.blocks.{number}"
        found |= {f"{block}.{name}.{part}": shape for name in ("norm_1", "norm_2") for part, shape in norm.items()}
        found |= {
            f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,),
            f"{block}.attn.out_proj.weight": (width, width), f"{block}.attn.out_proj.bias": (width,),
            f"{block}.mlp.fc1.weight": (4 * width, width), f"{block}.mlp.fc1.bias": (4 * width,),
            f"{block}.mlp.fc2.weight": (width, 4 * width), f"{block}.mlp.fc2.bias": (width,),
        }  # fmt: skip
        if memory:
            found |= {f"{block}.attn.bias_k": (1, 1, width), f"{block}.attn.bias_v": (1, 1, width)}
    first, last = HEADS.get(tower, ("0", "2"))
    found |= {f"modality_heads.{tower}.{first}.{part}": shape for part, shape in norm.items()}
    return found | {f"modality_heads.{tower}.{last}.weight": (1024, width)}


@pytest.mark.parametrize("tower", TRUNKS)
def test_a_tower_has_exactly_the_published_tensors(tower: str) -> None:
    layout = LAYOUTS[tower]
    shapes = published(tower)
    renamed = {name: layout.rename(name) for name in shapes}
    assert {name for name, new in renamed.items() if new is None} == UNUSED & shapes.keys()
    wanted = {new: torch.empty(shapes[name], device="meta") for name, new in renamed.items() if new is not None}
    network = empty_tower(layout, wanted, where="the test", device="meta")
    assert {name: tensor.shape for name, tensor in network.state_dict().items()} == {
        name: tensor.shape for name, tensor in wanted.items()
    }
    assert len(wanted) == len(shapes) - len(UNUSED & shapes.keys())  # no two names fell together
    assert network.blocks[0].attn._heads == TRUNKS[tower][2]
    assert network.blocks[0].norm_1.eps == network.after.eps == 1e-6
    assert getattr(network.stem, "norm", None) is None or getattr(network.stem.norm, "eps", 1e-5) == 1e-5
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[tower]


def test_all_towers_together_are_one_point_two_billion() -> None:
    assert PARAMETERS["vision"] + PARAMETERS["text"] == 986_109_440 + 1280 * 3 * 14 * 14
    assert sum(PARAMETERS.values()) == pytest.approx(1.2e9, rel=0.001)


@pytest.mark.parametrize("tower", TRUNKS)
def test_a_tower_takes_no_tensor_of_another_one(tower: str) -> None:
    others = [name for other in TRUNKS if other != tower for name in published(other)]
    others += [f"modality_postprocessors.{other}.1.log_logit_scale" for other in TRUNKS]
    assert [name for name in others if LAYOUTS[tower].rename(name) is not None] == []
