"""Frozen descriptions of what exists: modalities, encoders, data sets, binder methods, and spaces.

A plugin returns specs, never objects: ``factory`` names the class as ``"module:Class"`` and is imported
only when the thing is built, so that listing hundreds of plugins stays light.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Factory = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", max_length=300)]
OptionType = Literal["int", "float", "str", "path", "bool", "list[str]", "list[int]", "list[float]"]


class Spec(BaseModel):
    """Base of all specs: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class OptionSpec(Spec):
    """One option of an encoder, data set or binder method, as it may stand in a graph YAML."""

    type: OptionType = Field(description="Its type; a path in a graph YAML is relative to that file.")
    default: Any = Field(default=None, description="The value when it is not given; always allowed, e.g. auto.")
    required: bool = Field(default=False, description="True when it must be given; it has no default.")
    choices: tuple[Any, ...] = Field(default=(), description="The only allowed values, if any.")
    minimum: float | None = Field(default=None, description="The smallest allowed number.")
    maximum: float | None = Field(default=None, description="The largest allowed number.")
    description: str = Field(default="", description="One line for people.")
    affects_output: bool = Field(
        default=True, description="False for options such as batch size, which do not change what is computed."
    )


class ModalitySpec(Spec):
    """A kind of raw sample: how to load, check and show it."""

    name: Name = Field(description="The modality's name, e.g. image.")
    factory: Factory = Field(description="module:Class implementing anybind.protocols.Modality.")
    kind: Name | None = Field(default=None, description="The more general modality it is, e.g. text for text_ja.")
    description: str = Field(default="", description="One line for people.")


class EncoderSpec(Spec):
    """A frozen encoder: which weights, for which modality, under which licence."""

    name: Name = Field(description="The name used in a graph YAML.")
    modality: Name = Field(description="The modality it reads; a modality of this kind will do.")
    dim: int = Field(ge=1, le=65536, description="Length of the vectors it returns.")
    factory: Factory = Field(description="module:Class implementing anybind.protocols.Encoder.")
    weights: str = Field(description="Where the weights come from: a package, file or hub repository.")
    revision: str = Field(description="The exact version of the weights.")
    licence: str = Field(description="SPDX expression of the weights' licence, or 'unknown'.")
    shared_space: Name | None = Field(
        default=None, description="Name of the space this tower shares with jointly trained towers."
    )
    options: dict[str, OptionSpec] = Field(default_factory=dict, description="Options the factory takes.")
    description: str = Field(default="", description="One line for people.")

    def dim_for(self, options: Mapping[str, Any]) -> int:
        """Length of the vectors under ``options``: an option named dim takes the place of ``dim``."""
        given = options.get("dim") if "dim" in self.options else None
        return self.dim if given is None else int(given)


class DatasetSpec(Spec):
    """A data set whose rows pair samples of two or more modalities."""

    name: Name = Field(description="The name used in a graph YAML.")
    modalities: tuple[Name, ...] | None = Field(
        description="What its rows can hold; None when the options decide (a manifest's columns)."
    )
    factory: Factory = Field(description="module:Class implementing anybind.protocols.Dataset.")
    licence: str = Field(description="SPDX expression of the data's licence, or 'unknown'.")
    options: dict[str, OptionSpec] = Field(default_factory=dict, description="Options the factory takes.")
    description: str = Field(default="", description="One line for people.")


class BinderSpec(Spec):
    """A binder method: how paired pieces become one joint space."""

    name: Name = Field(description="The name used in a graph YAML under bind.method.")
    factory: Factory = Field(description="module:Class implementing anybind.protocols.BinderMethod.")
    summary: str = Field(description="One line for people.")
    reference: str = Field(default="", description="Paper and equations.")
    trained: bool = Field(default=False, description="True when it reads batches rather than moments.")
    options: dict[str, OptionSpec] = Field(default_factory=dict, description="Options the factory takes.")


class ExampleSpec(Spec):
    """How the conformance kit tries out a modality, encoder or data set of the same plugin: see anybind.testing."""

    kind: Literal["modality", "encoder", "dataset"] = Field(description="What it is an example of.")
    name: Name = Field(description="The name of that modality, encoder or data set.")
    factory: Factory = Field(
        description="module:function from an empty folder (a Path) to an example of anybind.testing."
    )


class Space(Spec):
    """A modality as seen by one encoder: a node of the bridging graph."""

    name: Name = Field(description="Unique within a declaration; the modality's name when there is one encoder.")
    modality: Name = Field(description="The modality's name.")
    encoder: Name = Field(description="The encoder's registered name.")
    dim: int = Field(ge=1, le=65536, description="Length of its vectors.")


AnySpec = ModalitySpec | EncoderSpec | DatasetSpec | BinderSpec
