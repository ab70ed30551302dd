"""The two towers of X-CLIP (Ni et al. 2022, arXiv:2208.02816), made of transformers' parts.

The published model adapts the vectors of texts to the video they are compared with. A text by itself has no video,
so ``XClipText`` gives the vector before that step: the model's ``get_text_features``.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from transformers import XCLIPTextModel, XCLIPVisionModel
from transformers.models.x_clip.modeling_x_clip import XCLIPMultiframeIntegrationTransformer


class XClipText(nn.Module):
    """The text tower and its projection.

    Args:
        config: The whole checkpoint's XCLIPConfig.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config.text_config
        self.text_model = XCLIPTextModel(config.text_config)
        self.text_projection = nn.Linear(config.text_config.hidden_size, config.projection_dim, bias=False)

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Tokens -> (n, projection_dim)."""
        projected: torch.Tensor = self.text_projection(self.text_model(**inputs).pooler_output)
        return projected


class XClipVideo(nn.Module):
    """The cross-frame vision tower, its projection, and the transformer that joins frames to a video.

    Args:
        config: The whole checkpoint's XCLIPConfig.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        vision = config.vision_config
        self.config = vision
        self.vision_model = XCLIPVisionModel(vision)
        self.visual_projection = nn.Linear(vision.hidden_size, config.projection_dim, bias=False)
        self.mit = XCLIPMultiframeIntegrationTransformer(_joining(vision))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(n, num_frames, 3, height, width) -> (n, projection_dim)."""
        count, frames = pixel_values.shape[:2]
        seen = self.vision_model(pixel_values.flatten(0, 1)).pooler_output
        of_frames = self.visual_projection(seen).reshape(count, frames, -1)
        joined: torch.Tensor = self.mit(of_frames).pooler_output
        return joined


def _joining(vision: Any) -> Any:
    """The settings of the multi-frame integration transformer, which stand among those of the vision tower."""
    settings = copy.copy(vision)
    settings.hidden_size = vision.mit_hidden_size
    settings.intermediate_size = vision.mit_intermediate_size
    settings.num_hidden_layers = vision.mit_num_hidden_layers
    settings.num_attention_heads = vision.mit_num_attention_heads
    return settings
