"""EfficientNet-Lite0: the same numbers as the package's own network, and what goes with an encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from anybind_lite import plugin, weights
from anybind_lite.efficientnet import EfficientNetLite0
from PIL import Image, ImageDraw

import anybind
from anybind.encoder_kit import package_files

SPEC = next(spec for spec in plugin.anybind_encoders() if spec.name == "efficientnet-lite0")


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLite0:
    return EfficientNetLite0(SPEC, batch_size=3)


def noise_pictures(count: int, size: int = 128) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (size, size, 3), dtype=np.uint8)) for _ in range(count)
    ]


def drawing(shape: str, colour: str, shift: int) -> Image.Image:
    picture = Image.new("RGB", (200, 200), "white")
    draw = ImageDraw.Draw(picture)
    box = (40 + shift, 40 - shift, 150 + shift, 150 - shift)
    if shape == "ring":
        draw.ellipse(box, outline=colour, width=14)
    else:
        for x in range(0, 200, 25):
            draw.line((x + shift, 0, x + shift, 200), fill=colour, width=8)
    return picture


def plain_features(pictures: list[Image.Image]) -> torch.Tensor:
    """The package's own network, nothing folded, one picture at a time."""
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(weights.EFFICIENTNET_LITE0.checked(), weights_only=True))
    model.eval()
    rows = []
    with torch.no_grad():
        for picture in pictures:
            values = torch.tensor(np.array(picture)).permute(2, 0, 1)[None].float()
            rows.append(model.extract_features((values - 127) / 128).mean((2, 3))[0])
    return torch.stack(rows)


def test_vectors_are_those_of_the_unfolded_network(encoder: EfficientNetLite0) -> None:
    pictures = noise_pictures(4)
    torch.testing.assert_close(encoder.encode(pictures), plain_features(pictures), rtol=1e-3, atol=2e-4)


def test_shape_order_and_batches(encoder: EfficientNetLite0) -> None:
    pictures = noise_pictures(7)
    together = encoder.encode(pictures)
    assert together.shape == (7, 1280)
    assert together.dtype == torch.float32
    assert together.device.type == "cpu"
    assert not together.requires_grad
    assert bool(torch.isfinite(together).all())
    alone = torch.cat([encoder.encode([picture]) for picture in pictures])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(encoder.encode(pictures[::-1]), together.flip(0), rtol=1e-3, atol=1e-4)
    assert torch.equal(encoder.encode(pictures), together)
    assert encoder.encode([]).shape == (0, 1280)


def test_like_pictures_are_closer_than_unlike_ones(encoder: EfficientNetLite0) -> None:
    pictures = [drawing("ring", "red", 0), drawing("ring", "red", 9), drawing("bars", "blue", 0)]
    vectors = torch.nn.functional.normalize(encoder.encode(pictures), dim=1)
    same, other = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert float(same) > float(other) + 0.1


def test_any_size_and_mode_is_read_as_rgb(encoder: EfficientNetLite0) -> None:
    square = drawing("ring", "black", 0)
    grey = square.convert("L")
    vectors = encoder.encode([square, grey, square.resize((128, 128), Image.Resampling.BICUBIC)])
    torch.testing.assert_close(vectors[0], vectors[1], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(vectors[0], vectors[2], rtol=1e-3, atol=1e-4)
    assert encoder.encode([square.resize((31, 300))]).shape == (1, 1280)


def test_image_size_changes_the_vectors() -> None:
    pictures = noise_pictures(1)
    large = EfficientNetLite0(SPEC, image_size=160).encode(pictures)
    small = EfficientNetLite0(SPEC, image_size=75).encode(pictures)
    assert large.shape == small.shape == (1, 1280)
    assert not torch.allclose(large, small, atol=1e-2)


def test_loading_and_encoding_leave_the_random_numbers_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    EfficientNetLite0(SPEC).encode(noise_pictures(1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("wrong", ["picture.png", b"png", np.zeros((128, 128, 3)), None])
def test_what_is_no_picture_is_refused_by_its_place(encoder: EfficientNetLite0, wrong: object) -> None:
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode([*noise_pictures(1), wrong])  # type: ignore[list-item]
    assert caught.value.where == "sample 1"
    assert "efficientnet-lite0" in caught.value.what


def test_unknown_device_is_refused() -> None:
    with pytest.raises(anybind.UsageError) as caught:
        EfficientNetLite0(SPEC, device="warp")
    assert caught.value.got == "warp"
    assert "device" in str(caught.value.where)


def test_damaged_weights_stop_the_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / weights.EFFICIENTNET_LITE0.path
    copy.parent.mkdir()
    shutil.copyfile(weights.EFFICIENTNET_LITE0.checked(), copy)
    with copy.open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"damaged")
    monkeypatch.setattr(package_files, "package_folder", lambda package, distribution: tmp_path)
    with pytest.raises(anybind.PluginError) as caught:
        EfficientNetLite0(SPEC)
    assert caught.value.where == copy
    assert "reinstall" in str(caught.value.hint)
