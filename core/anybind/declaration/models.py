"""What a graph YAML says, as frozen models: names, data sets, encoders, what to bind and how to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from anybind.specs import DatasetSpec, EncoderSpec, Name, Space

if TYPE_CHECKING:
    from anybind.registry import Registry

Pair = tuple[Name, Name]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModalityUse(_Model):
    """A modality the file declares: a special kind of one that is known."""

    kind: Name = Field(description="The more general modality, e.g. text for text_ja.")


class EncoderUse(_Model):
    """An encoder, and the space it makes of a modality."""

    space: Name = Field(description="Name of the space: the key under encoders.")
    modality: Name = Field(description="The modality it embeds; the key in the short form.")
    use: Name = Field(description="The encoder's registered name.")
    revision: str | None = Field(default=None, description="The exact version of the weights asked for.")
    options: dict[str, Any] = Field(default_factory=dict, description="All other keys of the entry.")

    def factory_options(self, spec: EncoderSpec) -> dict[str, Any]:
        """The options to build it with: ``revision`` is among them where the encoder lets one choose."""
        if self.revision is None or "revision" not in spec.options:
            return dict(self.options)
        return {**self.options, "revision": self.revision}


class DatasetUse(_Model):
    """A data set, with the modalities wanted of it."""

    use: Name = Field(description="The data set's registered name.")
    modalities: tuple[Name, ...] | None = Field(default=None, description="None stands for all it has.")
    options: dict[str, Any] = Field(default_factory=dict, description="All other keys of the entry.")

    def factory_options(self, spec: DatasetSpec, seed: int) -> dict[str, Any]:
        """The options to build it with: ``seed`` where it takes one and the entry sets none."""
        return {**({"seed": seed} if "seed" in spec.options else {}), **self.options}


class Bind(_Model):
    """What to bind, and by which method."""

    targets: tuple[Pair, ...] | Literal["all"] = Field(description="Pairs of spaces, or all pairs.")
    method: Name = Field(default="auto", description="The binder method's registered name.")
    options: dict[str, Any] = Field(default_factory=dict, description="The method's options.")


class EvaluateUse(_Model):
    """True pairs that say how well two spaces were bound."""

    dataset: DatasetUse = Field(description="Holds true pairs of the two; never used for fitting.")
    pair: Pair = Field(description="The two spaces.")
    oracle: DatasetUse | None = Field(default=None, description="True pairs to train the oracle on.")
    baselines: tuple[Name, ...] = Field(default=(), description="Binder methods to compare with.")


class Declaration(_Model):
    """A graph YAML that was read and found right."""

    version: Literal[1]
    name: Name
    seeds: tuple[int, ...] = Field(default=(0,), description="Handed to every data set that takes a seed.")
    modalities: dict[Name, ModalityUse] = Field(default_factory=dict)
    encoders: dict[Name, EncoderUse] = Field(description="By name of the space.")
    datasets: dict[Name, DatasetUse]
    bind: Bind
    evaluate: tuple[EvaluateUse, ...] = ()
    text: str = Field(repr=False, description="The source, as it stood in the file.")
    filename: str

    @property
    def kinds(self) -> dict[str, str | None]:
        """Declared modality -> its kind, as ``Registry.kinds_of`` and ``Registry.build_modality`` take it."""
        return {name: use.kind for name, use in self.modalities.items()}

    @property
    def target_pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of spaces to bind; every pair, in file order, for ``targets: all``."""
        return tuple(combinations(self.encoders, 2)) if self.bind.targets == "all" else self.bind.targets

    def spaces(self, registry: Registry) -> dict[str, Space]:
        """The spaces by name, with the dims of their encoders.

        Raises:
            UnknownNameError: an encoder is not installed.
        """
        specs = {name: registry.encoder(use.use).spec for name, use in self.encoders.items()}
        return {
            name: Space(name=name, modality=use.modality, encoder=use.use, dim=specs[name].dim_for(use.options))
            for name, use in self.encoders.items()
        }


def modality_spaces(modalities: Mapping[str, str | None]) -> dict[str, list[str]]:
    """Modality -> names of the spaces that embed it, from space -> modality."""
    found: dict[str, list[str]] = {}
    for space, modality in modalities.items():
        if modality is not None:
            found.setdefault(modality, []).append(space)
    return found
