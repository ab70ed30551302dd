"""A tiny VideoCLIP with random weights, in the files and names of the published one."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from anybind.encoder_kit.notices import quiet_transformers
from anybind_transformers.videoclip import CHECKPOINT, S3D_FILE, VideoClipText, VideoClipVideo

DIM = 64
_WIDTH, _FEATURES = 8, 16
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def videoclip(folder: Path, seed: int = 0) -> Path:
    """All three files: the towers of one checkpoint, S3D with a text tower that nobody reads, and the vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    words = _vocabulary(folder)
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text, video = VideoClipText(words, DIM), VideoClipVideo(words, DIM, _WIDTH, _FEATURES)
        for network in (text, video):
            _spread(network)
    own = {name: value for name, value in video.state_dict().items() if name.startswith("video_encoder.")}
    whole = {f"mmmodel.{name}": value for name, value in (text.state_dict() | own).items()}
    for tower in ("text_encoder.", "video_encoder.bert."):
        whole[f"mmmodel.{tower}pooler.dense.weight"] = torch.zeros(DIM, DIM)
        whole[f"mmmodel.{tower}pooler.dense.bias"] = torch.zeros(DIM)
        whole[f"mmmodel.{tower}embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"args": argparse.Namespace(arch="mmarch"), "model": whole}, folder / CHECKPOINT)
    of_s3d = dict(video.s3d.state_dict()) | {"text_module.fc1.weight": torch.zeros(4, 3)}
    torch.save(of_s3d, folder / S3D_FILE)
    return folder


def _vocabulary(folder: Path) -> int:
    """Special tokens at the numbers that they have in bert-base-uncased."""
    unused = [f"[unused{number}]" for number in range(99)]
    words = ["[PAD]", *unused, "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return len(words)


@torch.no_grad()
def _spread(network: nn.Module) -> None:
    """Larger weights than training starts from, and batch norms that differ, so that other inputs show."""
    for name, weight in network.named_parameters():
        if weight.ndim == 5:
            weight.normal_(std=(2 / weight[0].numel()) ** 0.5)
        elif weight.ndim == 2:
            # Small in BERT's layers: large ones would make the states of all places alike.
            weight.normal_(std=0.1 if ".layer." in name else 1.0)
        elif ".bn" in name:
            weight.uniform_(0.5, 1.5) if name.endswith("weight") else weight.normal_(std=0.2)
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(std=0.2)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
