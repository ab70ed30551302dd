"""The parts of a binder made again from a checked artifact: its input maps, its fitted method, its moments."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from anybind.artifact import FORECAST, MOMENTS, Saved, SpaceInfo
from anybind.errors import ArtifactError, NoPathError
from anybind.forecasting.basis_text import parsed_basis
from anybind.forecasting.forecast import Basis
from anybind.input_maps import InputMap
from anybind.moments import Moments
from anybind.moments_file import moments_from

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


def restored_basis(saved: Saved, folder: str | Path) -> Basis | None:
    """What forecasts are calculated from, if it was saved; refuses that of other spaces."""
    text = saved.texts.get(FORECAST)
    if text is None:
        return None
    place = Path(folder) / FORECAST
    basis = parsed_basis(text, place)
    named = {space for pair in basis.pairs for space in pair}
    if not named <= saved.config.spaces.keys():
        raise ArtifactError("the forecast is of other spaces than config.json", where=place, got=sorted(named),
                            expected=sorted(saved.config.spaces))  # fmt: skip
    return basis


def restored_moments(saved: Saved, folder: str | Path) -> Moments | None:
    """The moments, if they were kept; refuses those of other spaces or data than config.json tells of."""
    if saved.moments is None:
        return None
    place = Path(folder) / MOMENTS
    moments, config = moments_from(saved.moments, place), saved.config
    dims = {name: info.input_dim for name, info in config.spaces.items()}
    rows = {name: {s: moments.pairs(s, s, name) for s in moments.spaces_of(name)} for name in moments.datasets}
    told = {name: dict(info.rows) for name, info in config.training.datasets.items()}
    for what, found, expected in (("dims", moments.dims, dims), ("row counts", rows, told)):
        if found != expected:
            raise ArtifactError(f"the moments have other {what} than config.json", where=place,
                                got=found, expected=expected)  # fmt: skip
    return moments
