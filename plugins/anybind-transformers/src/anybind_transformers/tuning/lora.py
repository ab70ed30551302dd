"""The adapter of a tower while it is trained."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch

import anybind
from anybind_transformers.adapters import peft, quiet_peft
from anybind_transformers.encoder import NetworkEncoder

# Projections of queries, keys and values, as the networks of transformers call them.
_ATTENTION = ("q_proj", "k_proj", "v_proj", "query", "key", "value", "q", "k", "v", "q_lin", "k_lin", "v_lin")


class Adapter:
    """LoRA matrices in the layers of an encoder's network, in place: the encoder's vectors change with them.

    The network stays in evaluation mode, without dropout, so that nothing but the order of rows is random.

    Args:
        encoder: Its network is frozen, and gets the matrices; the second of each pair begins at 0.
        rank: Rank of the matrices.
        alpha: The adapter counts alpha / rank.
        modules: Ends of the names of the layers to adapt; none for queries, keys and values.
        seed: Seeds the first matrices.

    Raises:
        UsageError: the network has no such layers.
        PluginError: peft is not installed.
    """

    def __init__(
        self, encoder: NetworkEncoder, *, rank: int, alpha: float, modules: tuple[str, ...], seed: int
    ) -> None:
        library, network = peft(), encoder.network
        ends = modules or _ATTENTION
        chosen = [
            name for name, layer in network.named_modules()
            if isinstance(layer, torch.nn.Linear) and name.rpartition(".")[2] in ends
        ]  # fmt: skip
        if not chosen:
            layers = {n.rpartition(".")[2] for n, m in network.named_modules() if isinstance(m, torch.nn.Linear)}
            raise anybind.UsageError(
                "the tower has no layers of these names", where=f"encoder {encoder.spec.name}",
                got=", ".join(ends), expected=f"some of {', '.join(sorted(layers))}", hint="name them with --modules",
            )  # fmt: skip
        config = library.LoraConfig(r=rank, lora_alpha=alpha, target_modules=chosen, lora_dropout=0.0, bias="none")
        with quiet_peft(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._model: Any = library.get_peft_model(network, config)
        self._model.eval()

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Name -> matrix, those that are trained."""
        return {f"lora/{name}": value for name, value in self._model.named_parameters() if value.requires_grad}

    def save(self, folder: Path) -> None:
        """Write the adapter as peft does, as safetensors; the folder appears whole."""
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        with quiet_peft():
            self._model.save_pretrained(str(temporary), safe_serialization=True, save_embedding_layers=False)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
