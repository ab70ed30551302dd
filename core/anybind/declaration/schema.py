"""The JSON Schema of a graph YAML, for editors. The loader checks more: names, options and what fits what."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import TypeAdapter

from anybind.declaration import sections
from anybind.specs import Name

_NAME = {"$ref": "#/$defs/name"}
_NAMES = {"type": "array", "items": _NAME, "uniqueItems": True}
_SCALAR = ["string", "number", "boolean", "null"]
_OPTION = {
    "description": "An option, as the plugin declares it.",
    "type": [*_SCALAR, "array"],
    "items": {"type": _SCALAR},
}


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema draft 2020-12) as plain JSON values, a new copy at each call."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "anybind graph",
        "description": "Encoders and data sets, the pairs to bind and how to judge the result.",
        **_mapping(_TOP, sections.REQUIRED),
        "$defs": {
            "name": TypeAdapter(Name).json_schema(),
            "pair": {
                "description": "Two spaces, or modalities with one encoder each.",
                "type": "array",
                "items": _NAME,
                "minItems": 2,
                "maxItems": 2,
                "uniqueItems": True,
            },
            "encoder": _mapping(_ENCODER, ["use"], others=_OPTION),
            "dataset": _mapping(_DATASET, ["use"], others=_OPTION),
            "evaluation": _mapping(_EVALUATION, ["dataset", "pair"]),
        },
    }
    return copy.deepcopy(schema)


def _mapping(properties: dict[str, Any], required: Any, others: Any = False) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": others,
    }


def _named(values: dict[str, Any], least: int, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "propertyNames": _NAME,
        "additionalProperties": values,
        "minProperties": least,
    }


_ENCODER = {
    "use": {**_NAME, "description": "The encoder's registered name."},
    "modality": {**_NAME, "description": "The modality it embeds; the key above when not given."},
    "revision": {
        "type": ["string", "null"],
        "minLength": 1,
        "description": "The exact version of the weights.",
    },
}
_DATASET = {
    "use": {**_NAME, "description": "The data set's registered name."},
    "modalities": {
        "type": ["array", "null"],
        "items": _NAME,
        "uniqueItems": True,
        "minItems": 1,
        "description": "Which of its modalities to use; all when not given.",
    },
}
_BIND = {
    "targets": {
        "description": "The pairs of spaces to bind.",
        "oneOf": [{"const": "all"}, {"type": "array", "items": {"$ref": "#/$defs/pair"}, "minItems": 1}],
    },
    "method": {**_NAME, "description": "The binder method's registered name.", "default": "auto"},
    "options": {"type": "object", "additionalProperties": _OPTION, "description": "The method's options."},
}
_EVALUATION = {
    "dataset": {"$ref": "#/$defs/dataset"},
    "pair": {"$ref": "#/$defs/pair"},
    "oracle": {
        "description": "True pairs to train the oracle on.",
        "oneOf": [{"$ref": "#/$defs/dataset"}, {"type": "null"}],
    },
    "baselines": {**_NAMES, "description": "Binder methods to compare with."},
}
_TOP = {
    "version": {"const": 1},
    "name": {**_NAME, "description": "What to call the run and what it makes."},
    "seeds": {
        "description": "Handed to every data set that takes a seed.",
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": sections.MAX_SEED},
        "minItems": 1,
        "uniqueItems": True,
        "default": [0],
    },
    "modalities": _named(
        _mapping({"kind": {**_NAME, "description": "The more general modality."}}, ["kind"]),
        0,
        "Modalities that are special kinds of known ones.",
    ),
    "encoders": _named({"$ref": "#/$defs/encoder"}, 2, "Spaces by name, each with its encoder."),
    "datasets": _named({"$ref": "#/$defs/dataset"}, 1, "Paired data sets, each under a name of its own."),
    "bind": {**_mapping(_BIND, ["targets"]), "description": "What to bind, and how."},
    "evaluate": {"type": "array", "items": {"$ref": "#/$defs/evaluation"}, "description": "How to judge it."},
}
