"""The two parts of a binder made again from a checked artifact: its input maps and its fitted method."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from anybind.artifact import Saved, SpaceInfo
from anybind.errors import ArtifactError, NoPathError
from anybind.input_maps import InputMap

if TYPE_CHECKING:
    from anybind.protocols import BinderMethod
    from anybind.registry import Registry


def restored_inputs(spaces: Mapping[str, SpaceInfo], tensors: Mapping[str, torch.Tensor]) -> dict[str, InputMap]:
    """The saved input maps; refuses those that do not give what config.json says."""
    inputs = {}
    for name, info in spaces.items():
        prefix = f"input/{name}/"
        own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        inputs[name] = InputMap.restore(info.normalise, info.dim, own, name)
        if inputs[name].width(info.dim) != info.input_dim:
            raise ArtifactError("the saved input map does not fit its space", where=f"space {name!r}",
                                got=sorted(own), expected=f"a map to {info.input_dim} dims")  # fmt: skip
    return inputs


def restored_method(
    saved: Saved, inputs: Mapping[str, InputMap], registry: Registry, folder: str | Path
) -> BinderMethod:
    """The fitted method; refuses tensors that are nobody's and spaces that it cannot embed."""
    config = saved.config
    method_class = registry.binder_class(config.method)
    own = {n.removeprefix("method/"): t for n, t in saved.tensors.items() if n.startswith("method/")}
    try:
        method: BinderMethod = method_class.restore(config.fitted, own)
        known = {f"method/{name}" for name in method.tensors()}
        known |= {f"input/{space}/{name}" for space, each in inputs.items() for name in each.tensors()}
        problem: object = sorted(known ^ saved.tensors.keys())
        for name, info in config.spaces.items():
            with suppress(NoPathError):
                method.embed(name, inputs[name](torch.zeros(1, info.dim)))
    except ArtifactError:
        raise
    except Exception as error:  # whatever a method stumbles over was not written by it
        problem = f"{type(error).__name__}: {error}"
    if problem:
        what = f"the saved state does not fit the method {config.method!r}"
        raise ArtifactError(what, where=folder, got=problem)
    return method
