"""The toy encoders are deterministic, bounded, and see a little of what is there."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch

from anybind.builtin.toy import ToyImage, ToyText, Vectors
from anybind.errors import ShapeError, UsageError
from anybind.specs import EncoderSpec


def spec_of(name: str, modality: str, dim: int = 64) -> EncoderSpec:
    return EncoderSpec(
        name=name, modality=modality, dim=dim, factory=f"anybind.builtin.toy:{name}", weights="none",
        revision="1", licence="Apache-2.0",
    )  # fmt: skip


TEXT, IMAGE = ToyText(spec_of("ToyText", "text")), ToyImage(spec_of("ToyImage", "image"))


def test_text_is_the_same_on_every_machine() -> None:
    """Stored vectors outlive the process: these numbers may only change with the revision."""
    vector = TEXT.encode(["ab"])[0]
    counts = vector / vector[vector != 0].abs().min()
    places = {int(place): round(float(counts[place])) for place in counts.nonzero().flatten()}
    assert places == {3: 1, 5: 2, 18: -1, 19: 1, 32: -1, 40: 1, 45: 1, 57: -1}


def test_text_vectors_have_unit_norm_and_ignore_case_and_spaces() -> None:
    vectors = TEXT.encode(["A  Dog", "a dog ", "犬", "🐕"])
    assert vectors.shape == (4, 64)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    assert torch.equal(vectors[0], vectors[1])


def test_like_words_are_nearer_than_unlike_ones() -> None:
    dog, dogs, train = TEXT.encode(["a small dog", "small dogs", "express train"])
    assert dog @ dogs > dog @ train + 0.2


def test_pictures_of_like_colours_are_nearer() -> None:
    red, dark_red, blue = (PIL.Image.new("RGB", (30, 20), colour) for colour in ("red", "#cc0000", "blue"))
    vectors = IMAGE.encode([red, dark_red, blue])
    assert vectors.shape == (3, 64)
    assert vectors.dtype == torch.float32
    assert 0 <= float(vectors.min()) <= float(vectors.max()) <= 1
    assert (vectors[0] - vectors[1]).norm() < (vectors[0] - vectors[2]).norm()


def test_what_each_part_of_a_picture_vector_is() -> None:
    """Against a picture simple enough to work out by hand: left half black, right half white."""
    values = np.zeros((8, 16, 3), dtype=np.uint8)
    values[:, 8:] = 255
    vector = IMAGE.encode([PIL.Image.fromarray(values)])[0]
    thumbnail = vector[:48].reshape(4, 4, 3)
    assert torch.equal(thumbnail[:, :2], torch.zeros(4, 2, 3))
    assert torch.equal(thumbnail[:, 2:], torch.ones(4, 2, 3))
    assert vector[48:63].tolist() == [0.5, 0, 0, 0, 0.5] * 3
    assert float(vector[63]) == pytest.approx(16 / 24)


@pytest.mark.parametrize("encoder", [TEXT, IMAGE, Vectors(spec_of("Vectors", "vector", 3))])
def test_no_samples_give_no_rows(encoder: ToyText | ToyImage | Vectors) -> None:
    vectors = encoder.encode([])
    assert vectors.shape == (0, encoder.spec.dim)
    assert vectors.dtype == torch.float32


@pytest.mark.parametrize("kind", [ToyText, ToyImage])
def test_a_spec_of_another_dim_is_refused(kind: type[ToyText]) -> None:
    with pytest.raises(UsageError):
        kind(spec_of("toy", "text", 32))


def test_vectors_pass_through_unchanged() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    encoder = Vectors(spec_of("Vectors", "vector", 512), dim=3)
    assert encoder.spec.dim == 3
    np.testing.assert_array_equal(encoder.encode(list(rows)).numpy(), rows)
    assert Vectors(spec_of("Vectors", "vector", 3)).encode(list(rows)).shape == (4, 3)


def test_a_vector_of_another_length_names_the_option() -> None:
    with pytest.raises(ShapeError) as caught:
        Vectors(spec_of("Vectors", "vector", 512), dim=3).encode([np.zeros(3), np.zeros(4)])
    assert caught.value.got == (4,)
    assert "sample 1" in str(caught.value.where)
    assert "option dim" in str(caught.value.hint)
