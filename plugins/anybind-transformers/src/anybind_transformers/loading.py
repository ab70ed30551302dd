"""Reading checkpoints with transformers: quietly, from a folder, and never running code that lies in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoTokenizer

import anybind
from anybind.encoder_kit.checkpoints import WEIGHT_FILES, checkpoint_folder
from anybind.encoder_kit.notices import quiet_transformers

# What lies beside the weights: settings of networks, tokenizers and processors. No Python files.
_SETTINGS = [
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer*", "special_tokens_map.json",
    "added_tokens.json", "vocab*", "merges.txt", "*.model",
]  # fmt: skip
_SAFE = ["model*.safetensors", "model.safetensors.index.json"]
_OLDER = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]
_LOCAL = {"local_files_only": True, "trust_remote_code": False}


def fetched(encoder: str, weights: str | None, revision: str | None, folder: str | None) -> Path:
    """The folder of a checkpoint with its weights; the older format is fetched only where safetensors is missing.

    Raises:
        UsageError, PluginError: as ``checkpoint_folder``.
    """
    def with_files(files: list[str]) -> Path:
        return checkpoint_folder(encoder, weights=weights, revision=revision, folder=folder, files=files)

    found = with_files([*_SETTINGS, *_SAFE])
    if folder is None and not any((found / name).is_file() for name in WEIGHT_FILES):
        found = with_files([*_SETTINGS, *_OLDER])
    return found


@contextmanager
def reading(what: str, folder: Path) -> Iterator[None]:
    """Quietly, random numbers untouched, and with whatever goes wrong as a PluginError that names the folder."""
    try:
        with quiet_transformers(), torch.random.fork_rng(devices=[]):  # networks are built with random weights
            yield
    except anybind.AnybindError:
        raise
    except Exception as error:  # readers of tokenizers and networks raise anything, also plain Exception
        got = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise anybind.PluginError(
            f"the {what} of a checkpoint cannot be read", where=folder, got=got,
            expected="a whole checkpoint in the format of transformers",
        ) from error  # fmt: skip


def read_config(folder: Path) -> Any:
    """The settings of the network."""
    with reading("config.json", folder):
        return AutoConfig.from_pretrained(folder, **_LOCAL)


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer; one without a padding token pads with its end token, which the mask hides."""
    with reading("tokenizer", folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def read_picture_processor(folder: Path) -> Any:
    """What scales and normalises pictures, with Pillow and numpy; torchvision is not needed."""
    with reading("preprocessor_config.json", folder):
        return AutoImageProcessor.from_pretrained(folder, backend="pil", **_LOCAL)  # type: ignore[no-untyped-call]


def read_sound_processor(folder: Path) -> Any:
    """What makes features of sound."""
    with reading("preprocessor_config.json", folder):
        return AutoFeatureExtractor.from_pretrained(folder, **_LOCAL)  # type: ignore[no-untyped-call]


def read_network(folder: Path, dtype: torch.dtype, *, may_lack: tuple[str, ...]) -> Any:
    """The whole network of a checkpoint, safetensors before the older format.

    Args:
        folder: The checkpoint.
        dtype: Its number format in memory.
        may_lack: Parts of names of weights that are not used, and so need not be there.

    Raises:
        PluginError: unreadable, or weights are missing, which transformers would fill with random numbers.
    """
    with reading("network", folder):
        network, told = AutoModel.from_pretrained(folder, dtype=dtype, output_loading_info=True, **_LOCAL)
    missing = sorted(name for name in told["missing_keys"] if not any(part in name for part in may_lack))
    if missing:
        raise anybind.PluginError(
            "a checkpoint lacks weights of its network", where=folder,
            got=f"{len(missing)} missing, e.g. {missing[0]}", expected=f"all weights of {type(network).__name__}",
            hint="pooling: mean needs no pooler" if "pooler" in missing[0] else None,
        )  # fmt: skip
    return network
