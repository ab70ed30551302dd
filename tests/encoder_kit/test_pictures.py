"""Pictures come out as networks were trained on them: scaled, cut and normalised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from anybind.encoder_kit.pictures import (
    CLIP_MEAN,
    CLIP_STD,
    centre_square,
    check_pictures,
    pixel_tensor,
    whole_square,
)
from anybind.errors import DataError


def stripes(width: int, height: int) -> Image.Image:
    """Columns whose brightness is their place."""
    row = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.repeat(np.repeat(row[None, :, None], height, 0), 3, 2))


@pytest.mark.parametrize(("width", "height"), [(64, 32), (32, 64), (33, 47), (10, 10), (500, 9)])
def test_the_middle_square_as_transformers_cuts_it(width: int, height: int) -> None:
    """Oracle: CLIP's own preprocessing in transformers."""
    from transformers import CLIPImageProcessorPil

    picture = stripes(width, height)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    wanted = processor(images=[picture], return_tensors="pt")["pixel_values"]
    found = pixel_tensor([centre_square(picture, 16)], CLIP_MEAN, CLIP_STD)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.02)


def test_the_whole_square_keeps_both_ends() -> None:
    values = np.asarray(whole_square(stripes(100, 20), 50))[:, :, 0]
    assert values.shape == (50, 50)
    assert values[0, 0] < 5
    assert values[0, -1] > 250
    square = stripes(50, 50)
    assert whole_square(square, 50) is square


def test_normalised_values_have_the_mean_and_deviation_asked_for() -> None:
    grey = Image.new("RGB", (4, 4), (51, 102, 204))
    found = pixel_tensor([grey, grey], (0.2, 0.4, 0.3), (1.0, 1.0, 0.5))
    assert found.shape == (2, 3, 4, 4)
    torch.testing.assert_close(found[0, :, 0, 0], torch.tensor([0.0, 0.0, 1.0]))


@pytest.mark.parametrize("sample", ["a.png", None, np.zeros((3, 3))])
def test_what_is_no_picture_is_named_by_its_place(sample: object) -> None:
    with pytest.raises(DataError, match="sample 1"):
        check_pictures("demo", [Image.new("RGB", (2, 2)), sample])
