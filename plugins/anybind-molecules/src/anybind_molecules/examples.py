"""Molecules that the conformance checks try the modality and the encoders on."""

from __future__ import annotations

from pathlib import Path

from anybind.testing import EncoderExample, ModalityExample

SMILES = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "[Na+].[Cl-]", "C" * 60)


def for_encoders(folder: Path) -> EncoderExample:
    """Small and large molecules: ethanol, aspirin, caffeine, table salt, a long chain."""
    return EncoderExample(samples=list(SMILES), options={}, wrong=b"CCO")


def for_modality(folder: Path) -> ModalityExample:
    """The same molecules, and what is none: brackets that do not close, five bonds on a carbon, nothing."""
    return ModalityExample(sources=list(SMILES), broken=["C(", "CC(C)(C)(C)C", "", "<b>no</b>", b"CCO"])
