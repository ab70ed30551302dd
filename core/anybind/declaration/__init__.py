"""Graph YAML -> Declaration. Everything that is wrong comes in one report, as file:line:col.

The file says what to use by registered name, never by Python path; see ``json_schema`` for its shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anybind.declaration.models import Bind, DatasetUse, Declaration, EncoderUse, EvaluateUse, ModalityUse
from anybind.declaration.names import Names
from anybind.declaration.reader import Reader
from anybind.declaration.schema import json_schema
from anybind.declaration.sections import read_sections
from anybind.yaml_loader import read_document, read_text, report

if TYPE_CHECKING:
    from anybind.registry import Registry

__all__ = [
    "Bind",
    "DatasetUse",
    "Declaration",
    "EncoderUse",
    "EvaluateUse",
    "ModalityUse",
    "json_schema",
    "load_declaration",
    "parse_declaration",
]


def load_declaration(path: str | Path, registry: Registry | None) -> Declaration:
    """Read and check a graph YAML file.

    Args:
        path: The file; UTF-8, at most 1 MiB.
        registry: What is installed; None takes every name of an encoder, data set, binder or modality
            on trust, as for the file inside a saved artifact.

    Raises:
        DeclarationError: the file cannot be read or is wrong; ``problems`` holds every problem.
    """
    return parse_declaration(read_text(path), str(path), registry)


def parse_declaration(text: str, filename: str, registry: Registry | None = None) -> Declaration:
    """As ``load_declaration``, from a text; ``filename`` is what to call it in messages."""
    reader = Reader(read_document(text, filename))
    fields = read_sections(reader, Names(reader, registry))
    if reader.problems:
        raise report(filename, reader.problems)
    return Declaration.model_validate({**fields, "text": text, "filename": filename})
