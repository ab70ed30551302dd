"""Published checkpoints of jointly trained towers, and where each fact about them comes from. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """One tower of a published checkpoint.

    Attributes:
        name: The encoder's name.
        modality: What the tower reads.
        dim: Length of its projected vectors.
        weights: Repository on the Hugging Face Hub.
        revision: The commit that the repository's main branch had when this was written; None where no second
            source for it could be found.
        licence: SPDX expression of the weights' licence, as the repository states it.
        shared_space: The towers of one checkpoint share it.
        description: One line for people.
    """

    name: str
    modality: str
    dim: int
    weights: str
    revision: str | None
    licence: str
    shared_space: str
    description: str


# The licence of OpenAI's repository CLIP, which publishes the weights; the cards on the Hub state none.
_CLIP_LICENCE = "MIT"


def _towers(
    space: str, other: str, dim: int, repository: str, revision: str | None, licence: str, paper: str
) -> list[Preset]:
    return [
        Preset(f"{space}-{modality}", modality, dim, repository, revision, licence, space,
               f"The {modality} tower of {repository} ({paper}).")
        for modality in (other, "text")
    ]  # fmt: skip


PRESETS = [
    *_towers("clip-vit-b32", "image", 512, "openai/clip-vit-base-patch32",
             "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268", _CLIP_LICENCE, "Radford et al. 2021, arXiv:2103.00020"),
    *_towers("clip-vit-l14", "image", 768, "openai/clip-vit-large-patch14",
             "32bd64288804d66eefd0ccbe215aa642df71cc41", _CLIP_LICENCE, "Radford et al. 2021, arXiv:2103.00020"),
    *_towers("siglip2-base", "image", 768, "google/siglip2-base-patch16-224",
             "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2", "Apache-2.0", "Tschannen et al. 2025, arXiv:2502.14786"),
    *_towers("clap-htsat", "audio", 512, "laion/clap-htsat-unfused",
             "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a", "Apache-2.0", "Wu et al. 2023, arXiv:2211.06687"),
    *_towers("x-clip-base", "video", 512, "microsoft/xclip-base-patch32", None, "MIT",
             "Ni et al. 2022, arXiv:2208.02816"),
]  # fmt: skip
