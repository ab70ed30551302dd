"""The modality ``molecule``: load, check, show."""

from __future__ import annotations

import base64
import html
from typing import Any

from rdkit import Chem, rdBase

import anybind
from anybind_molecules.structures import read_molecule

WIDTH, HEIGHT = 240, 180
MAX_DRAWN = 200
"""Larger molecules are shown as text: there is nothing to see in so small a drawing."""
_MAX_SHOWN = 280


class Molecule:
    """Reads molecules. A ``str`` is SMILES; an rdkit Mol is taken too."""

    def __init__(self, spec: anybind.ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> Chem.Mol:
        """The molecule of ``source`` (SMILES or an rdkit Mol) in canonical form, without names and coordinates.

        Raises:
            anybind.DataError: another type, empty, or no valid molecule.
        """
        return read_molecule(source)

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is an rdkit Mol with atoms and valid valences."""
        if not isinstance(sample, Chem.Mol):
            raise anybind.DataError(
                "a molecule is no rdkit Mol", got=type(sample).__name__, expected="rdkit.Chem.Mol"
            )
        read_molecule(sample)

    def preview(self, sample: Chem.Mol) -> str:
        """A drawing by rdkit as an SVG inside an image, its SMILES as the text that stands for it."""
        molecule = read_molecule(sample)
        smiles = str(Chem.MolToSmiles(molecule))
        shown = html.escape(smiles if len(smiles) <= _MAX_SHOWN else smiles[:_MAX_SHOWN] + "…")
        if molecule.GetNumAtoms() > MAX_DRAWN:
            return f"<code>{shown}</code>"
        data = base64.b64encode(_drawing(molecule).encode()).decode()
        size = f'width="{WIDTH}" height="{HEIGHT}"'
        return f'<img {size} src="data:image/svg+xml;base64,{data}" alt="{shown}" title="{shown}">'


def _drawing(molecule: Chem.Mol) -> str:
    from rdkit.Chem.Draw import rdMolDraw2D

    drawer = rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT)
    with rdBase.BlockLogs():
        rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
        drawer.FinishDrawing()
    # rdkit says iso-8859-1, which a browser would believe; the text is UTF-8.
    return str(drawer.GetDrawingText()).replace("encoding='iso-8859-1'", "encoding='utf-8'")
