"""LoRA adapters: reading one that peft saved, and merging it into a network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anybind
from anybind.encoder_kit.notices import quiet_transformers
from anybind_transformers.loading import reading

_FILES = ("adapter_config.json", "adapter_model.safetensors")


def peft() -> Any:
    """The library, imported on use; PluginError with the command that installs it."""
    try:
        import peft as library
    except ImportError as error:
        raise anybind.PluginError(
            "LoRA needs peft", where="plugin anybind-transformers", got=error,
            hint="pip install 'peft>=0.18,<1' (extra 'lora' of anybind-transformers)",
        ) from error  # fmt: skip
    return library


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Without notices; peft still uses a property that transformers has renamed, which warns on every use."""
    with quiet_transformers(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        yield


def with_adapter(network: Any, folder: str | None) -> Any:
    """The network with an adapter merged into its weights; the network itself when ``folder`` is None.

    Raises:
        PluginError: the folder is no adapter saved as safetensors, or the adapter does not fit the network.
    """
    if folder is None:
        return network
    path = Path(folder)
    missing = [name for name in _FILES if not (path / name).is_file()]
    if missing:
        raise anybind.PluginError(
            "an adapter's folder lacks files", where=folder, got=f"no {' and no '.join(missing)}",
            expected=" and ".join(_FILES), hint="save it with peft's save_pretrained, as safetensors",
        )  # fmt: skip
    library = peft()
    with reading("LoRA adapter", path), quiet_peft():
        _check_fits(library, network, path)
        return library.PeftModel.from_pretrained(network, str(path)).merge_and_unload()


def _check_fits(library: Any, network: Any, path: Path) -> None:
    """peft itself only warns of weights that it could not place."""
    from safetensors import safe_open

    own = set(network.state_dict())
    with safe_open(path / "adapter_model.safetensors", framework="pt") as file:
        names = list(file.keys())
    foreign = [name for name in names if f"{_target(name)}.weight" not in own]
    if foreign:
        raise anybind.PluginError(
            "an adapter does not fit the network", where=path,
            got=f"{len(foreign)} of its {len(names)} weights have no place, e.g. {foreign[0]}",
            expected=f"an adapter of {type(network).__name__}",
        )  # fmt: skip


def _target(name: str) -> str:
    """base_model.model.LAYER.lora_A.weight -> LAYER."""
    return name.removeprefix("base_model.model.").partition(".lora_")[0]
